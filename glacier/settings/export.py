"""Settings of the export: models -> files that other programs use."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from glacier.settings.model import Model
from glacier.settings.values import BareName


class Export(Model):
    """Models -> ONNX and ``torch.export`` files beside them."""

    encoder: BareName = "best"
    """Whose models are exported. best: the encoder that the report recommends, else all. ensemble:
    all. Else the name of an encoder."""
    folds: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Folds whose models are exported; None: all."""
    int8: bool = True
    """Also an ONNX file that computes in 8 bits, for small devices, with what it costs in IoU."""
