"""Which network looks at the months of a region: one that mapped it, as the records say."""

from pathlib import Path

from glacier import store
from glacier.mapping.maps import MapRecord, UsedModel
from glacier.monitoring.monitor import digest_inputs
from glacier.monitoring.network import Looker, choose_lookers
from glacier.training.model_card import card_address
from glacier.training.saved import SavedSweep, SweepPlaces
from tests.support.finished_runs import GRID
from tests.support.tiny import tiny_config

LOOKS = {"features": True}
NAMES = (("resnet34", 0), ("resnet34", 1), ("resnet50", 0))


def make_sweep(folder: Path, names: tuple[tuple[str, int], ...] = NAMES) -> SavedSweep:
    """A sweep of which only the cards of models are there."""
    places = SweepPlaces("", "", "", str(folder / "models"))
    for name in names:
        store.write_bytes(card_address(places.model(*name)), b"{}")
    return SavedSweep(None, "", None, places)  # type: ignore[arg-type]


def make_record(region: str, month: str, *folds: int, encoder: str = "resnet34") -> MapRecord:
    models = tuple(
        UsedModel(encoder=encoder, fold=fold, sha256=64 * str(fold), threshold=0.5)
        for fold in folds
    )
    return MapRecord(region=region, name=month, status="ok", grid=GRID, models=models)


def test_it_is_the_network_that_mapped_the_most_months_of_the_region(tmp_path: Path) -> None:
    records = [
        make_record("col", "2019-01", 0),
        make_record("ridge", "2019-01", 0, 1),
        make_record("ridge", "2019-02", 1),
        make_record("ridge", "2019-03", 0, 1),
        MapRecord(region="dark", name="2019-01", status="empty"),
    ]
    found = choose_lookers(tiny_config(tmp_path, monitor=LOOKS), make_sweep(tmp_path), records)
    assert {region: (each.encoder, each.fold) for region, each in found.items()} == {
        "col": ("resnet34", 0), "ridge": ("resnet34", 1),
    }  # fmt: skip
    assert found["ridge"].sha256 == 64 * "1" and str(found["ridge"]) == "resnet34, fold 1"


def test_of_several_it_is_the_first_whatever_comes_later(tmp_path: Path) -> None:
    records = [make_record("ridge", f"2019-0{k}", 0, 1) for k in range(1, 5)]
    for many in (records[:1], records):
        (found,) = choose_lookers(
            tiny_config(tmp_path, monitor=LOOKS), make_sweep(tmp_path), many
        ).values()
        assert (found.encoder, found.fold) == ("resnet34", 0)


def test_where_no_network_looks_it_says_why(tmp_path: Path) -> None:
    config, records = tiny_config(tmp_path, monitor=LOOKS), [make_record("ridge", "2019-01", 2)]
    gone = choose_lookers(config, make_sweep(tmp_path), records)["ridge"]
    assert gone.encoder is None
    assert str(gone) == "none: resnet34, fold 2, which mapped it, is no longer in the storage"
    nobody = choose_lookers(config, make_sweep(tmp_path), [make_record("ridge", "2019-01")])
    assert nobody["ridge"].why_none == "its maps do not say who made them"
    off = tiny_config(tmp_path)
    found = choose_lookers(off, make_sweep(tmp_path), records)["ridge"]
    assert found.encoder is None and found.why_none == "monitor.features is false"


def test_what_was_found_is_found_again_only_with_the_same_network(tmp_path: Path) -> None:
    config, sweep = tiny_config(tmp_path, monitor=LOOKS), make_sweep(tmp_path)

    def digest(**facts: object) -> str:
        return digest_inputs(config, sweep, [], {"ridge": Looker(region="ridge", **facts)})

    one = {"encoder": "resnet34", "fold": 0, "sha256": 64 * "a"}
    kinds = [one, one | {"fold": 1}, one | {"sha256": 64 * "b"}, {"why_none": "gone"}]
    assert len({digest(**facts) for facts in kinds}) == 4 and digest(**one) == digest(**one)
