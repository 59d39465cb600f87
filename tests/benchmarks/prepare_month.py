"""A month's file to image and label: against pictures of it, as the published experiment did."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from row import Row, time_in_turn

SHAPE = (631, 742)
"""The published experiment's raster, pixels."""
SIZE = 224
"""Side of a sample, pixels."""
NAMES = ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7", "ST_B10")


def make_month() -> dict[str, Any]:
    """Digital numbers of a month: smooth ground under Landsat-like noise, clouds cut out."""
    from scipy.ndimage import zoom

    rng = np.random.default_rng(0)
    ground = zoom(rng.uniform(8000, 40000, (len(NAMES), 17, 20)), (1, 40, 40), order=1)
    cloud = zoom((rng.random((17, 20)) < 0.3).astype(float), 40, order=1)
    cloud = cloud[: SHAPE[0], : SHAPE[1]] > 0.5
    bands = {}
    for name, layer in zip(NAMES, ground, strict=True):
        noisy = layer[: SHAPE[0], : SHAPE[1]] + rng.normal(0, 300, SHAPE)
        bands[name] = np.where(cloud, 0, noisy).astype(np.uint16)
    return bands | {"n_obs": np.where(cloud, 0, 3).astype(np.uint16)}


class Published:
    """The published way: two figures, a PNG read back, thresholded, cropped and resized."""

    def __init__(self, bands: dict[str, Any], folder: Path) -> None:
        """Write the month as its export was: nine float64 bands, uncompressed."""
        import matplotlib
        import rasterio

        matplotlib.use("Agg")
        self.folder, self.raster = folder, folder / "month.tif"
        unseen = bands["n_obs"] == 0
        layers = [bands["SR_B2"], *(bands[name] for name in NAMES), bands["n_obs"]]
        profile = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "count": 9,
                   "dtype": "float64", "crs": "EPSG:4326",
                   "transform": rasterio.Affine(2.7e-4, 0, -134.62, 0, -2.7e-4, 58.59)}  # fmt: skip
        with rasterio.open(self.raster, "w", **profile) as out:
            for k, layer in enumerate(layers):
                out.write(np.where(unseen, np.nan, layer * 2.75e-5 - 0.2), k + 1)

    def draw(self) -> None:
        """False colour and NDSI as figures, the false colour's grey level as label."""
        import cv2
        import matplotlib.pyplot as plt
        import rasterio

        with rasterio.open(self.raster) as source:
            green, red, nir, swir = (source.read(k) for k in (3, 4, 5, 6))
        scaled = [np.nan_to_num(band) for band in (nir, red, green)]
        picture = np.dstack([band / band.max() for band in scaled])
        with np.errstate(invalid="ignore", divide="ignore"):
            ndsi = (green - swir) / (green + swir)
        plt.figure(figsize=(7, 7))
        plt.imshow(np.clip(picture, 0, 1))
        plt.savefig(self.folder / "false.png", dpi=72)
        plt.close()
        plt.figure(figsize=(7, 7))
        plt.imshow(ndsi, cmap="RdYlBu")
        plt.colorbar()
        plt.savefig(self.folder / "ndsi.png", dpi=72)
        plt.close()
        grey = cv2.imread(str(self.folder / "false.png"), cv2.IMREAD_GRAYSCALE)
        _, mask = cv2.threshold(grey, 128, 255, cv2.THRESH_BINARY)
        cv2.imwrite(str(self.folder / "mask.png"), mask[82:422, 55:455])

    def load(self) -> tuple[Any, Any]:
        """Image (3, 224, 224) float32 and label (224, 224) of the pictures."""
        from PIL import Image

        picture = Image.open(self.folder / "false.png").convert("RGB").crop((55, 82, 455, 422))
        mask = Image.open(self.folder / "mask.png").convert("L")
        image = np.asarray(picture.resize((SIZE, SIZE)), np.float32).transpose(2, 0, 1) / 255
        return image, np.asarray(mask.resize((SIZE, SIZE))) > 127

    def run(self) -> tuple[Any, Any]:
        """All of it."""
        self.draw()
        return self.load()


def make_task(bands: dict[str, Any], folder: Path) -> Any:
    """The same month in our archive, to be prepared by the same rule."""
    from glacier import store
    from glacier.archive.records import MonthRecord
    from glacier.geo.raster import Grid, encode_cog
    from glacier.samples.month import MonthTask
    from glacier.settings.labels import Label
    from glacier.settings.prepare import Prepare

    grid = Grid("EPSG:32608", 15.0, 15.0, 30.0, *SHAPE)
    sha256 = store.write_bytes(str(folder / "2014-07.tif"), encode_cog(bands, grid, {}))
    settings = Prepare(
        layout="resize",
        size_px=SIZE,
        scale="own_maximum",
        label=Label(kind="threshold"),
        quick_looks=False,
    )
    record = MonthRecord("mendenhall", "2014-07", "ok", sha256=sha256)
    return MonthTask(record, str(folder), str(folder / "samples"), settings)


def make_sample(task: Any) -> tuple[Any, Any]:
    """What a worker does of a month, from the file to image and label."""
    from glacier.samples.chips import resize_sample
    from glacier.samples.image import ImageRecipe, make_image
    from glacier.samples.month import make_label, read_archived

    bands, grid = read_archived(task)
    image = make_image(bands, ImageRecipe.of(task.settings))
    label = make_label(task, bands, image, grid)
    return resize_sample(image, label, task.settings.size_px)


def bench_prepare_month() -> Row:
    """File to image and label, one thread each."""
    import cv2

    from glacier.samples.month import prepare_month, read_archived
    from glacier.samples.quicklooks import write_quick_looks

    cv2.setNumThreads(1)
    bands = make_month()
    with tempfile.TemporaryDirectory() as name:
        published, task = Published(bands, Path(name)), make_task(bands, Path(name))
        label, drawn = make_sample(task)[1], published.run()[1]
        assert ((label == 1) == drawn).mean() > 0.8  # shifted by the figure's margins
        works = (
            lambda: make_sample(task),
            published.run,
            published.load,
            lambda: read_archived(task),
            lambda: write_quick_looks(bands, f"{name}/look"),
            lambda: prepare_month(task),
        )
        fast, slow, load, read, looks, whole = time_in_turn(9, *works)
        sizes = [Path(name, file).stat().st_size / 1e6 for file in ("2014-07.tif", "month.tif")]
    return Row(
        what="read_archived (checksum, the four needed of eight uint16 bands of 631 x 742 px "
        "from a cloud-optimised GeoTIFF), make_image, make_label (threshold on grey), "
        "resize_sample to 224 px: arrays to arrays, no picture is drawn",
        against="the published way on the same scene in its own format (nine float64 bands, "
        "uncompressed): false colour and NDSI as 7 x 7 inch figures at 72 dpi, PNG, OpenCV "
        "threshold and cut, PIL resize",
        ours=fast,
        baseline=slow,
        unit="s",
        repeats=9,
        target=15,
        limit=f"reading and checking the file: {read / fast:.0%} of the time",
        facts={
            "ours_read_s": read,
            "ours_quick_looks_s": looks,
            "ours_with_parquet_written_s": whole,
            "baseline_data_set_item_s": load,
            "ours_file_mb": round(sizes[0], 1),
            "baseline_file_mb": round(sizes[1], 1),
        },
    )
