"""Which models a run can serve, by which ids, and what is said of them."""

from pathlib import Path

import pytest

from glacier import seals, store
from glacier.errors import ConfigError, StoreError
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import SweepResult
from glacier.serving.served_models import ModelShelf, measure_area_error, name_sensor
from tests.support.served import BANDS, serve_config, write_sweep
from tests.support.sweeps import make_card, make_config, make_image
from tests.support.tiny import ENCODER

OTHER = "tu-test_resnet"


def read_result(sweep: str) -> SweepResult:
    return seals.read_model(f"{sweep}/sweep.json", SweepResult)


def test_each_encoder_and_the_recommended_one_can_answer(tmp_path: Path) -> None:
    sweep = write_sweep(tmp_path, "made-00000001", (ENCODER, OTHER), folds=2)
    write_sweep(tmp_path, "made-00000000", (ENCODER,), folds=1, seed=5)
    shelf = ModelShelf(serve_config(tmp_path, sweep))
    found = [candidate.served for candidate in shelf.list_candidates()]
    own = [model for model in found if model.id.startswith("made-00000001+")]
    assert found[: len(own)] == own and len(own) == 3  # the run's own stand first
    assert {model.id.partition("+")[2] for model in own} == {ENCODER, OTHER, "ensemble"}
    assert [model.recommended for model in own].count(True) == 1 and own[0].recommended
    assert len({model.sha256 for model in found}) == len(found) == 4
    assert shelf.choose_first().served == own[0]
    assert own[0].bands == BANDS and own[0].pixel_m == (30, 30)
    single = next(model for model in own if model.id.endswith(ENCODER))
    folds = [trial.scorecard.counts.iou for trial in read_result(sweep).by_encoder[ENCODER]]
    assert single.iou == pytest.approx(sum(folds) / 2)
    assert single.area_error == 0  # as much ice too many as too few
    named = ModelShelf(serve_config(tmp_path, sweep, encoder=OTHER)).choose_first().served
    assert named.encoders == (OTHER,)


def test_what_is_said_names_ground_sensor_folds_labels_and_limits(tmp_path: Path) -> None:
    shelf = ModelShelf(serve_config(tmp_path, write_sweep(tmp_path, "made-00000000")))
    text = " ".join(shelf.choose_first().served.says)
    for words in (
        "2014-05 to 2016-09 (21 months", "made up by a program", "whole years",
        "networks of its folds",
        "pixels of 30 m; an image of others is refused", "no ground for a decision",
    ):  # fmt: skip
        assert words in text
    sweep = f"{tmp_path}/sweeps/made-00000000"
    resampled = ModelShelf(serve_config(tmp_path, sweep, resample=True)).choose_first()
    assert "others is resampled" in " ".join(resampled.served.says)


def test_a_sensor_is_named_where_the_run_knows_it() -> None:
    landsat = {"source": "stac", "platforms": (8, 9)}
    trained = make_config([ENCODER], ingest=landsat, prepare={"label": {"kind": "ndsi"}})
    assert name_sensor(trained) == "of Landsat 8 and 9"
    files = trained.ingest.model_copy(update={"source": "folder"})
    trained = trained.model_copy(update={"ingest": files})
    assert name_sensor(trained) == "of a sensor that the run does not name"


def test_an_id_is_compared_and_never_part_of_an_address(tmp_path: Path) -> None:
    shelf = ModelShelf(serve_config(tmp_path, write_sweep(tmp_path, "made-00000000")))
    (candidate,) = shelf.list_candidates()
    assert shelf.find(candidate.served.id) == candidate
    for text in ("", "../made-00000000+x", f"{tmp_path}", "made-00000000", "x" * 10_000, "\0"):
        with pytest.raises(ConfigError, match="there is no model"):
            shelf.find(text)
    with pytest.raises(ConfigError, match=f"did you mean.*{ENCODER}|{ENCODER}"):
        shelf.find(candidate.served.id[:-1])


def test_a_sweep_that_cannot_be_read_is_not_listed_and_a_new_one_is(tmp_path: Path) -> None:
    config = serve_config(tmp_path, write_sweep(tmp_path, "made-00000000"))
    shelf = ModelShelf(config)
    (tmp_path / "sweeps/begun-00000000").mkdir()
    (tmp_path / "sweeps/begun-00000000/trials.parquet").write_bytes(b"x")
    (tmp_path / "sweeps/spoilt-0000000").mkdir()
    (tmp_path / "sweeps/spoilt-0000000/sweep.json").write_bytes(b"{}")
    lost = write_sweep(tmp_path, "lost-00000000")
    store.remove_folder(str(tmp_path / "models/lost-00000000"))
    assert len(shelf.list_candidates()) == 1 and lost
    write_sweep(tmp_path, "new-00000000")
    assert [c.served.id.partition("+")[0] for c in shelf.list_candidates()] == [
        "made-00000000", "new-00000000"
    ]  # fmt: skip
    store.remove_folder(str(tmp_path / "sweeps/new-00000000"))
    assert len(shelf.list_candidates()) == 1


def test_a_run_without_a_sweep_has_nothing_to_serve(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no finished sweep"):
        ModelShelf(serve_config(tmp_path, f"{tmp_path}/sweeps/made-00000000"))


def test_errors_of_area_count_without_their_signs() -> None:
    more, less = Counts(tp=80, fp=20, tn=100), Counts(tp=80, fn=20, tn=100)
    cards = [make_card(more).model_copy(update={"images": (make_image(more), make_image(less))})]
    assert measure_area_error(cards) == pytest.approx(40 / 180)
    assert measure_area_error([make_card(Counts(tn=5))]) is None
