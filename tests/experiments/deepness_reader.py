"""Whether the QGIS plug-in Deepness takes our file, with its own code and its own onnxruntime.

    python tests/experiments/deepness_reader.py PLUGIN deepness.onnx         # makes an environment
    python tests/experiments/deepness_reader.py PLUGIN deepness.onnx FOLDER  # and keeps it there

PLUGIN is a checkout of PUTvision/qgis-plugin-deepness. Its class for segmentation, which needs no
QGIS, loads the file, says what it reads of it, and answers for tiles of noise with a corner of
level 0, with the newest onnxruntime that the plug-in installs. The same tiles go through ours.

Seen with the plug-in 0.6.5 (f450c63) and onnxruntime 1.17.0: all keys are read, probabilities are
those of PyTorch to 2e-7, and no pixel of level 0 is called glacier. A file as PyTorch 2.14 writes
it by itself is refused there: its IR version is 10, and 9 is the highest known.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

PACKAGES = ("numpy<2", "onnxruntime==1.17.0")
"""As ``python_requirements/requirements.txt`` of the plug-in has them."""

PARTS = ("", ".common", ".common.processing_parameters", ".processing", ".processing.models")
"""Folders of the plug-in whose ``__init__`` would ask for QGIS."""


def read_with_plugin(plugin: str, file: str, tiles: str) -> None:
    """Load a file and answer for tiles as the plug-in does; runs within the environment."""
    for part in PARTS:
        module = types.ModuleType(f"deepness{part}")
        module.__path__ = [f"{plugin}/src/deepness{part.replace('.', '/')}"]
        sys.modules[f"deepness{part}"] = module
    from deepness.processing.models.segmentor import Segmentor

    model = Segmentor(file)
    print("type", Segmentor.get_model_type_from_metadata(file), "classes", model.outputs_names)
    print("cm a pixel", model.get_metadata_resolution(), "tile", model.get_input_size_in_pixels())
    threshold = model.get_metadata_segmentation_threshold()
    print("overlap", model.get_metadata_tiles_overlap(), "%, threshold", threshold)
    levels = np.load(tiles)  # (N, H, W, B)
    (answer,) = model.process(levels)
    np.save(tiles, answer[:, 0])
    answer[answer < threshold] = 0.0  # as its map processor does
    ice = (answer != 0)[:, 0]
    unseen = (levels == 0).any(axis=-1)
    print(f"glacier in {ice[unseen].sum()} of {unseen.sum()} unseen pixels")


def main() -> int:
    """Make the environment, run this file within it, and compare with our own onnxruntime."""
    from glacier.training.eight_bit import feed_levels
    from glacier.training.export import run_onnx

    plugin, file, *kept = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(kept[0] if kept else f"{folder}/env")
        python = home / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
        levels = draw_levels(file)
        tiles = f"{folder}/tiles.npy"
        np.save(tiles, levels.transpose(0, 2, 3, 1))
        subprocess.run([str(python), __file__, "--inside", plugin, file, tiles], check=True)
        ours = run_onnx(Path(file).read_bytes(), feed_levels(levels))
        print("largest difference from ours", np.abs(np.load(tiles) - ours).max())
    return 0


def draw_levels(file: str) -> np.ndarray:
    """Tiles of noise as the file takes them, a quarter of each at level 0: (N, B, H, W) uint8."""
    import onnxruntime

    (taken,) = onnxruntime.InferenceSession(file).get_inputs()
    levels = np.random.default_rng(0).integers(1, 256, (3, *taken.shape[1:])).astype(np.uint8)
    levels[..., : taken.shape[2] // 2, : taken.shape[3] // 2] = 0
    return levels


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        read_with_plugin(*sys.argv[2:])
    else:
        raise SystemExit(main())
