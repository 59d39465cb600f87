"""What the service knows of an image that it mapped, and who maps: the nouns of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from glacier.explaining.explanation import BandsExplained
from glacier.mapping.maps import PixelCounts
from glacier.settings.model import Model
from glacier.settings.values import Sha256

FILES = OUTLINES, PROBABILITY, CLASSES = "outlines.geojson", "probability.tif", "class.tif"
"""Names of the files of an answer in its folder: polygons in degrees (EPSG:4326) with the columns
of an inventory, and the two rasters of a map, as Cloud-optimised GeoTIFF on the image's grid."""


class ServedModel(Model):
    """What answers: all folds of one encoder, or of several, of a finished sweep."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{1,210}$")]
    """Name by which it is asked for and promoted: ``<folder of the sweep>+<encoder>``."""
    sha256: Sha256
    """Over the checksums of the weights of all its networks, in order."""
    encoders: tuple[str, ...]
    bands: tuple[str, ...]
    """Landsat-8 band names that an image has to hold."""
    pixel_m: tuple[float, float]
    """Least and largest side of the pixels that it was tested on, metres."""
    iou: float | None = None
    """Mean over the folds of what it scored on ground that it never saw, 0..1."""
    area_error: float | None = Field(None, ge=0)
    """Errors of area on test images without their signs, summed, over the true area: 0.1 is 10 %;
    None: not known."""
    recommended: bool = False
    """The report of its sweep recommends it; of several encoders: it recommends none alone."""
    says: tuple[str, ...] = ()
    """Sentences to read before a number of its: what it was trained and tested on, and what not."""


class Answer(Model):
    """What came of one image. Its files lie beside it, named :data:`FILES`."""

    model: ServedModel
    """The one that mapped all of it."""
    area_km2: float
    low_km2: float
    """Lower end of the interval, at 90 %."""
    high_km2: float
    most_km2: float
    """Area where all that the image does not show is glacier; ``area_km2`` is where none is."""
    why: str
    """Where the interval comes from, in words."""
    outlines: int = Field(ge=0)
    """Polygons in the file of outlines; those below ``series.min_area_km2`` are none."""
    seen_pixel_m: float | None = Field(None, gt=0)
    """Side of the pixels that the model saw, metres, where the image was resampled to them; None:
    its own."""
    pixels: PixelCounts
    bounds: tuple[float, float, float, float]
    """West, south, east, north of the image, degrees; over the date line west is more than
    east."""
    seconds: float = Field(ge=0)
    explanation: BandsExplained | None = None
    """Which band decides; None: it was not asked for."""


@dataclass(frozen=True)
class ImageLimits:
    """How much one image may ask for, and what besides its map."""

    pixels: int
    """Height x width."""
    memory_mb: int
    """Of the process that opens it."""
    deadline_s: float
    """From the moment when it is its turn."""
    explain: bool = False
    """Which band decides."""


class Mapper(Protocol):
    """Whoever maps images; it never blocks the loop of events that asks it."""

    @property
    def model(self) -> ServedModel:
        """What answers now."""
        ...

    async def list_models(self) -> Sequence[ServedModel]:
        """What could answer: the finished sweeps of the run's storage."""
        ...

    async def promote(self, model_id: str) -> ServedModel:
        """Let another model answer from now on; images in work are finished by the one before.

        Raises:
            ConfigError: There is none of that id.
        """
        ...

    async def map_image(self, image: Path, folder: Path, limits: ImageLimits) -> Answer:
        """Map a file that anybody may have made, and leave the files of the answer in a folder.

        Args:
            image: A GeoTIFF, or something else.
            folder: Empty; it stays so where an error is raised.
            limits: What it may ask for.

        Raises:
            RasterError: It is no image that the model can map; the message says why.
            OutOfTimeError: It did not end in time; nothing of it goes on.
            GlacierError: Anything else that may be told to who asked.
        """
        ...

    async def close(self) -> None:
        """End the processes that it holds."""
        ...
