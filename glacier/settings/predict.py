"""Settings of the maps: models and images -> probability and class of every pixel."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.folder import Band
from glacier.settings.model import ADDRESS, RUNTIME_ONLY, Model
from glacier.settings.paths import PathText
from glacier.settings.values import BareName, Name


class Predict(Model):
    """Models and images -> a map of each."""

    encoder: BareName = "best"
    """Whose models map. best: the encoder that the report recommends, else the ensemble of all.
    ensemble: the mean of all encoders. Else the name of an encoder."""
    folds: Literal["unseen", "all"] = "unseen"
    """unseen: ground and months that the folds test are mapped by the models that never saw them,
    all others by the mean of all folds. all: everything by that mean, which has seen its training
    ground."""
    sweep: Annotated[PathText | None, ADDRESS] = None
    """Folder of another run's finished sweep, ``<storage>/sweeps/<name>-<hash>``, whose models map
    in place of the run's own. A region of a name that is there, too, is the same ground."""
    registry: Annotated[Name | None, ADDRESS] = None
    """Name of a registry, ``<storage>/registry/<name>.json``, whose serving model maps in place of
    the run's own, whichever that is at the time."""
    images: Annotated[PathText | None, ADDRESS] = None
    """A GeoTIFF, or a folder of them, to map in place of the archive's months; no fold holds
    them."""
    bands: dict[Band, Annotated[int, Field(ge=1, le=1000)]] | None = None
    """Landsat-8 band name to its position in those files, from 1; None: as they name their bands
    themselves."""
    resample: bool = False
    """Resample images whose pixels are of another size than those that the models were tested on,
    and bring the map back to the images' own; false: they are refused."""
    cpus_per_worker: Annotated[int, RUNTIME_ONLY] = Field(1, ge=1)
    """Cores, and so threads, of one worker."""
    gpus_per_worker: Annotated[float, RUNTIME_ONLY] = Field(0.0, ge=0, le=1)
    """Share of a GPU of one worker; 0: it maps on cores."""
    workers: Annotated[int | None, RUNTIME_ONLY] = Field(None, ge=1)
    """Workers that map side by side, each of which loads a model once; None: as many as fit."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Images that may fail before the job's exit code says so."""

    @property
    def borrows(self) -> bool:
        """Whether models map that the run did not train itself."""
        return self.sweep is not None or self.registry is not None

    @model_validator(mode="after")
    def check_models(self) -> Self:
        """Refuse two answers to whose models map."""
        if self.sweep is not None and self.registry is not None:
            raise ValueError("sweep and registry each say whose models map: give one of them")
        return self

    @model_validator(mode="after")
    def check_bands(self) -> Self:
        """Refuse settings of images that are not given."""
        if self.images is None:
            if self.bands is not None:
                raise ValueError("bands are those of predict.images: give both, or neither")
            if self.resample:
                raise ValueError("resample is of predict.images: give both, or neither")
        return self
