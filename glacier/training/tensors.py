"""Tensors from files that anybody may have made: bounded, never unpickled, compared before use."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from glacier import store
from glacier.errors import StoreError, WeightsError

MAX_BYTES = 8 * 2**30
"""Largest file of weights that is opened; those of timm's regnety_2560 have 5.1 GB."""

MAX_HEADER = 8 * 2**20
"""Longest header of a safetensors file: names and shapes of some 50 000 tensors, bytes."""

LENGTH = 8
"""Bytes of the header's length, which come first. Source: the safetensors format."""

Tensors = dict[str, torch.Tensor]


def decode_tensors(address: str, data: bytes) -> Tensors:
    """Tensors of the bytes of a safetensors file.

    Raises:
        WeightsError: They are damaged, or something else.
    """
    header = int.from_bytes(data[:LENGTH], "little")
    if not 0 < header <= min(MAX_HEADER, len(data) - LENGTH):
        raise WeightsError(
            f"{address} holds no plain tensors: its header is to have {header} bytes, where 1 to "
            f"{max(0, min(MAX_HEADER, len(data) - LENGTH))} can be; give a whole safetensors file"
        )
    try:
        return dict(load_tensors(data))
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{address} holds no plain tensors: {shorten(error)}") from error


def decode_archive(address: str, data: bytes) -> Tensors:
    """Tensors of the bytes of a file that ``torch.save`` made; no code in it is run.

    Raises:
        WeightsError: They are damaged, compressed, or hold more than tensors.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(item.file_size for item in archive.infolist()) > len(data):
                    raise ValueError("its parts are compressed, as torch.save never leaves them")
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
        if not isinstance(state, dict):
            raise TypeError(f"it is a {type(state).__name__}, not tensors by name")
        return require_tensors(state)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise WeightsError(
            f"{address} holds no plain tensors: {explain(error)}; nothing in it was run. Write the "
            "encoder's state_dict() alone into a file, best with safetensors.torch.save_file"
        ) from error


def require_tensors(state: Mapping[object, object]) -> Tensors:
    """The same, where every name is a text and every value a tensor.

    Raises:
        TypeError: With the first value that is none.
    """
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor)):
            raise TypeError(f"{name!r:.80} is a {type(value).__name__}")
    return {str(name): value for name, value in state.items() if isinstance(value, torch.Tensor)}


def explain(error: Exception) -> str:
    """Why a file was not unpickled, without torch's advice to run what is in it."""
    return type(error).__name__ if "weights_only" in str(error) else shorten(error)


def shorten(error: Exception) -> str:
    """What an error says in its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def read_state(path: str) -> Tensors:
    """Tensors of a ``.safetensors`` or ``.pth`` file that a configuration names.

    Raises:
        WeightsError: The file is missing, no regular file, too large, damaged, or holds more than
            tensors.
    """
    if not store.exists(path):
        raise WeightsError(f"sweep.encoder_weights = {path!r}: no such file")
    try:
        store.check_file(path, MAX_BYTES)
        data = store.read_bytes(path)
    except StoreError as error:
        raise WeightsError(f"sweep.encoder_weights = {path!r}: {error}") from error
    decode = decode_tensors if path.endswith(".safetensors") else decode_archive
    return decode(path, data)


def read_weights(address: str) -> bytes:
    """Initial weights that a run has stored; their name ends in the start of their checksum.

    Raises:
        StoreError: The file is missing, or damaged.
    """
    store.check_file(address, MAX_BYTES)
    data = store.read_bytes(address)
    start = address.removesuffix(".safetensors").rpartition("-")[2]
    store.compare_checksums(address, store.checksum(data)[: len(start)], start)
    return data


def compare_tensors(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors that are not those of a network: in name, shape and kind of number.

    Args:
        found: What is to be loaded.
        wanted: The network's own; they may be without numbers.

    Raises:
        WeightsError: With the first that differ.
    """
    if odd := sorted(found.keys() ^ wanted.keys()):
        names = ", ".join(f"{name!r:.100}" for name in odd[:3])
        raise WeightsError(f"{len(odd)} tensors are missing or too many: {names}")
    for name, tensor in wanted.items():
        other = found[name]
        if (other.shape, other.dtype) != (tensor.shape, tensor.dtype):
            raise WeightsError(
                f"{name} is {tuple(other.shape)} {other.dtype}, wanted {tuple(tensor.shape)} "
                f"{tensor.dtype}"
            )
