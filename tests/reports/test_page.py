"""Rows of the page that say where its numbers come from."""

from glacier.archive.records import MonthRecord
from glacier.evaluation.results import PackRate
from glacier.reports.page import list_packs, list_sensors
from tests.support.sweeps import make_sweep


def test_how_folds_shared_a_gpu_is_said() -> None:
    result = make_sweep({"a": (0.9, 0.8), "b": (0.9, 0.7)}, sweep={"tf32": True})
    assert list_packs(result) == []  # nothing of a GPU where there was none
    rate = PackRate(
        folds=5, images_per_s=2170.4, share=0.098, limit="the number of folds", resident=True
    )
    trials = [
        trial.model_copy(update={"pack": rate if trial.encoder == "a" else None})
        for trial in result.trials
    ]
    assert list_packs(result.model_copy(update={"trials": tuple(trials)})) == [
        (
            "a on the GPU",
            "5 at once, 2,170 images a second together, 10% of the operations that its products "
            "of matrices reach; samples on the GPU; limit: the number of folds",
        ),
        ("float32 products in training", "TF32: ten bits of each number"),
    ]


def test_what_took_the_images_is_said() -> None:
    def month(name: str, *platforms: str) -> MonthRecord:
        return MonthRecord(region="a", month=name, status="ok", platforms=platforms)

    both = [month("2022-07", "landsat-8", "landsat-9"), month("2022-08", "landsat-8")]
    taken = "landsat-8 (2 months), landsat-9 (1 month)"
    assert list_sensors(both) == [("images taken by", taken)]
    assert list_sensors([month("2022-07")]) == []  # nobody knows
