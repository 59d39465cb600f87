"""A mapper that maps nothing, takes as long as a test wants, and remembers what it was asked."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from glacier.errors import ConfigError, OutOfTimeError, RasterError
from glacier.explaining.explanation import BandsExplained
from glacier.mapping.maps import PixelCounts
from glacier.serving.answer import CLASSES, OUTLINES, PROBABILITY, Answer, ImageLimits, ServedModel

TIFF = b"II*\0" + bytes(60)
OUTLINE = b'{"type": "FeatureCollection", "features": []}'


def make_model(name: str) -> ServedModel:
    return ServedModel(
        id=name,
        sha256=f"{len(name):x}".rjust(64, "a"),
        encoders=("resnet18",),
        bands=("nir", "red", "green"),
        pixel_m=(30, 60),
        iou=0.9,
        says=("Trained on one glacier.",),
    )


class StandInMapper:
    """Answers at once, unless told to wait."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.models = {name: make_model(name) for name in ("tiny+first", "tiny+another")}
        self.model = self.models["tiny+first"]
        self.begun = self.given_up = self.at_once = self.most_at_once = 0
        self.deadlines: list[float] = []
        self.is_closed = False
        self.change: Callable[[Path], bytes] = lambda image: OUTLINE

    async def list_models(self) -> list[ServedModel]:
        return list(self.models.values())

    async def promote(self, model_id: str) -> ServedModel:
        if model_id not in self.models:
            raise ConfigError(f"no model {model_id!r}; known: {', '.join(self.models)}")
        self.model = self.models[model_id]
        return self.model

    async def map_image(self, image: Path, folder: Path, limits: ImageLimits) -> Answer:
        model = self.model
        self.begun += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.deadlines.append(limits.deadline_s)
        try:
            data = image.read_bytes()
            if data[:4] != TIFF[:4]:
                raise RasterError(f"{image} is no GeoTIFF; send one")
            try:
                async with asyncio.timeout(limits.deadline_s):
                    await asyncio.sleep(self.delay_s)
            except TimeoutError:
                raise OutOfTimeError("the image was not mapped in time") from None
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.at_once -= 1
        (folder / OUTLINES).write_bytes(self.change(image))
        (folder / PROBABILITY).write_bytes(TIFF + b"probability")
        (folder / CLASSES).write_bytes(TIFF + b"class")
        said = BandsExplained(sentences=("Red decides here.",)) if limits.explain else None
        return Answer(
            model=model, area_km2=len(data) / 10, low_km2=0, high_km2=10, most_km2=10,
            why="a stand-in", outlines=0, pixels=PixelCounts(glacier=1, ground=2, unseen=3),
            bounds=(-134.6, 58.4, -134.4, 58.5), seconds=0.01,
            explanation=said,
        )  # fmt: skip

    async def close(self) -> None:
        self.is_closed = True


async def start_stand_in(config: object) -> StandInMapper:
    """Stands in for what starts a mapper."""
    return StandInMapper()
