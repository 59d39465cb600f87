import base64
import csv
import html
import json
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from glacier import seals, store
from glacier.config import Config
from glacier.errors import StoreError
from glacier.evaluation.calibration import Calibration
from glacier.evaluation.metrics import Counts, pool_counts
from glacier.evaluation.results import PREDICTIONS, FailedTrial, SweepResult, TrialResult
from glacier.reports import report
from glacier.reports.gallery import plan_views
from glacier.reports.page import split_verdict
from glacier.reports.summary import SCHEMA, Summary
from glacier.samples.units import unit_rectangles
from glacier.settings.labels import Label
from glacier.training import saved
from glacier.training.saved import find_sweep
from tests.support.browser import CHROMIUM, QUIET
from tests.support.saved_sweeps import (
    BLOCKS,
    ENCODERS,
    RECORDS,
    SHAPE,
    change_trials,
    clear_ice,
    make_config,
    make_images,
    places_of,
    write_result,
    write_sweep,
)


@pytest.fixture
def make_sweep(tmp_path, monkeypatch):
    """Writes a whole finished sweep without training; returns its configuration and results."""
    monkeypatch.setattr(saved, "read_records", lambda config: {"archive": RECORDS})

    def make(failed=(), **settings):
        config = make_config(tmp_path, **settings)
        return config, write_sweep(config, failed)

    return make


def test_the_page_says_where_the_methods_err(plain):
    result = plain.result
    summary, page = plain.summary, plain.page
    for heading in ("By class of the surface", "By size of the ice", "By season"):
        assert page.count(f"<h3>{heading}") == 1
    assert f"models/{result.models}/&lt;encoder&gt;/fold-&lt;number&gt;" in page
    assert "<h3>What the labels cost</h3>" in page  # the labels are NDSI's, the truth is known
    assert "Before calibration" not in page
    everything = summary["baselines"]["all_glacier"]
    assert [row["share"] for row in everything["by_class"].values()] == [1, 1, 1]
    assert "By class" in page and "clean ice" in page
    assert summary["encoders"]["resnet34"]["by_month"].keys() == {"2", "3", "7", "10"}


def test_of_several_regions_the_one_served_worst_is_named(make_sweep):
    config, result = make_sweep()

    def move(trial: TrialResult) -> dict:
        first, *others = trial.scorecard.images
        first = first.model_copy(update={"region": "<glen>", "counts": Counts(1, 1, 1, 0)})
        card = trial.scorecard.model_copy(update={"images": (first, *others)})
        return {"scorecard": card}

    write_result(config, change_trials(result, move))
    report.run_report(config)
    _, page, _ = read_results(config)
    assert "<h3>By region</h3>" in page
    assert "serves &lt;glen&gt; worst, with a Dice of 0.500" in page


def test_sections_without_facts_are_left_out_and_fitted_temperatures_shown(make_sweep):
    config, result = make_sweep()

    def strip(trial: TrialResult) -> dict:
        card = trial.scorecard.model_copy(update={"classes": {}, "truth": (), "sizes": {}})
        return {
            "scorecard": card,
            "calibration": Calibration(temperature=1.4),
            "uncalibrated": card.reliability,
        }

    write_result(config, change_trials(result, strip))
    report.run_report(config)
    _, page, _ = read_results(config)
    for heading in ("By class of the surface", "By size of the ice", "What the labels cost"):
        assert f"<h3>{heading}" not in page
    assert "Before calibration" in page and "After: with the temperature" in page


def test_the_worst_and_the_best_sample_of_a_fold_are_shown(make_sweep):
    config, result = make_sweep()
    views = plan_views(find_sweep(config).result)
    scores = {
        (trial.encoder, trial.fold): pool_counts(i.counts for i in trial.scorecard.images).dice
        for trial in result.trials
    }
    assert min(scores, key=lambda key: scores[key])[1] in {view.fold for view in views}
    for encoder in ENCODERS:
        of_one = {fold: dice for (name, fold), dice in scores.items() if name == encoder}
        assert max(of_one, key=lambda fold: of_one[fold]) in {view.fold for view in views}
    for fold in {view.fold for view in views}:
        shown = [view for view in views if view.fold == fold]
        (encoder, _), *_ = shown[0].models
        trial = next(t for t in result.trials if (t.encoder, t.fold) == (encoder, fold))
        dice = {image.key: image.counts.dice for image in trial.scorecard.images}
        found = [dice[view.key] for view in shown]
        assert found == sorted(found)
        assert (found[0], found[-1]) == (min(dice.values()), max(dice.values()))


NOTEBOOK = {
    "protocol": "notebook",
    "folds": {"kind": "shuffled", "count": 3, "hold_out_last": True},
}


def read_results(config: Config) -> tuple[dict, str, list[dict]]:
    folder = Path(config.results) / config.name
    table = list(csv.DictReader((folder / "folds.csv").read_text().splitlines()))
    page = (folder / "report.html").read_text()
    return json.loads((folder / "summary.json").read_text()), page, table


@dataclass(frozen=True)
class Reported:
    """A report that tests read and do not change."""

    config: Config
    result: SweepResult
    summary: dict
    page: str
    table: list[dict]


def make_report(folder: Path, **settings) -> Reported:
    config = make_config(folder, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "read_records", lambda config: {"archive": RECORDS})
        result = write_sweep(config)
        assert report.run_report(config, wall_s=125.0) == 0
    return Reported(config, result, *read_results(config))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("notebook"), **NOTEBOOK)


def test_the_summary_keeps_its_contract(plain):
    result = plain.result
    summary = plain.summary
    assert set(summary) >= {
        "schema", "verdict", "winner", "protocol", "labels", "fold_kind", "regions", "months",
        "wall_s", "encoders", "baselines", "ensemble", "failed_trials", "config_sha256",
        "sweep_sha256",
    }  # fmt: skip
    assert set(summary["encoders"]) == set(ENCODERS)
    for scores in summary["encoders"].values():
        assert set(scores) >= {
            "dice_mean", "dice_sd", "iou_mean", "iou_sd", "iou_all_test_pixels",
            "dice_loss_lowest", "dice_loss_last_mean", "folds", "parameters", "images_per_s",
        }  # fmt: skip
        assert len(scores["folds"]) == 3
    assert summary["months"] == {"ok": 4, "empty": {"solar_zenith": 1}, "failed": 1}
    assert summary["wall_s"] == 125.0
    assert summary["labels"]["kind"] == "ndsi"
    assert summary["fold_kind"] == "by_block"
    assert summary["config_sha256"] == result.config_sha256
    assert summary["schema"] == SCHEMA
    assert summary["baselines"]["threshold"] == {
        "title": "threshold", "reason": "the samples hold no <near> infrared",
    }  # fmt: skip


def test_the_summary_reads_back_as_it_was_written(notebook):
    config = notebook.config
    path = Path(config.results) / "tiny" / "summary.json"
    found = seals.read_model(str(path), Summary)
    assert found.model_dump(mode="json", by_alias=True) == seals.read_json(str(path))
    (pair,) = found.pairs
    assert {pair.first, pair.second} == set(ENCODERS)
    assert found.encoders["resnet34"].by_month.keys() == {2, 3, 10}  # the last is held out


def test_outlines_area_calibration_and_pairs_stand_in_summary_page_and_table(plain):
    config, result = plain.config, plain.result
    summary, page, table = plain.summary, plain.page, plain.table
    methods = [*summary["encoders"].values(), summary["ensemble"]]
    for scores in methods:
        low, high = scores["dice_interval"]
        assert low < scores["dice_all_test_pixels"] < high
        assert scores["units"] == 2 * 3  # blocks of the grid
        assert 0 < scores["boundary_f1_mean"] < 1 and scores["boundary_mean_m_mean"] > 0
        assert 0 < scores["ece_mean"] < 1 and len(scores["reliability"]) > 5
        for row in scores["folds"]:
            assert {"boundary_p95_m", "area_error_km2", "area_error_percent", "ece"} <= set(row)
    assert summary["baselines"]["all_glacier"]["ece_mean"] is None
    (pair,) = summary["pairs"]
    assert {pair["first"], pair["second"]} == set(ENCODERS) and summary["choice"] in ENCODERS
    assert set(summary["against_baselines"]) == set(ENCODERS)
    for words in ("Outlines, area and calibration", "What the folds can tell apart", "effect"):
        assert words in page
    assert summary["against_baselines"]["resnet34"] in page
    assert float(table[0]["boundary_mean_m"]) == result.trials[0].scorecard.outline.mean_m
    assert (Path(config.results) / "tiny" / "figures" / "reliability.png").exists()


def test_the_ensemble_is_counted_on_the_test_pixels_of_each_fold_alone(plain):
    config, result = plain.config, plain.result
    summary = plain.summary
    folder_of = places_of(config, result).trial
    for split, row in zip(result.splits, summary["ensemble"]["folds"], strict=True):
        expected = np.zeros(4, int)
        for image in make_images():
            boxes = unit_rectangles("by_block", "ridge", image.month, SHAPE, BLOCKS)
            mask = np.zeros(SHAPE, bool)
            for top, bottom, left, right in (boxes[unit] for unit in split.test):
                mask[top:bottom, left:right] = True
            mask &= image.label != 255
            mean = np.mean(
                [
                    np.load(f"{folder_of(trial.encoder, trial.fold)}/predictions.npz")[image.key]
                    / 255
                    for trial in result.trials
                    if trial.fold == split.fold
                ],
                axis=0,
            )[mask]
            true, predicted = image.label[mask] == 1, mean >= 0.5
            expected += [(true & predicted).sum(), (~true & predicted).sum(),
                         (true & ~predicted).sum(), (~true & ~predicted).sum()]  # fmt: skip
        assert [row[name] for name in ("tp", "fp", "fn", "tn")] == expected.tolist()
    best = max(scores["dice_mean"] for scores in summary["encoders"].values())
    assert summary["ensemble"]["dice_mean"] > best  # their errors are at other pixels


def test_a_second_run_does_nothing_and_a_new_sweep_is_reported(make_sweep, capsys):
    config, result = make_sweep()
    report.run_report(config)
    page = Path(config.results) / "tiny" / "report.html"
    made = page.stat().st_mtime_ns
    assert report.run_report(config) == 0
    assert page.stat().st_mtime_ns == made
    assert "report: complete in" in capsys.readouterr().out
    write_result(config, result.model_copy(update={"sweep_s": 62.0}))
    report.run_report(config)
    assert page.stat().st_mtime_ns > made


def test_a_page_that_was_changed_is_made_again_and_the_changed_one_kept(make_sweep, capsys):
    config, _ = make_sweep()
    report.run_report(config)
    page = Path(config.results) / "tiny" / "report.html"
    made = page.read_bytes()
    page.write_text("with notes")
    report.run_report(config)
    assert page.read_bytes() == made
    assert (page.parent / ".damaged" / "report.html").read_text() == "with notes"
    assert "report.html is damaged" in capsys.readouterr().out


def test_what_another_run_wrote_meanwhile_is_not_written_again(make_sweep, monkeypatch, capsys):
    config, _ = make_sweep()
    write, held = report.write_report, []

    @contextmanager
    def wait_for_another(_, folder):
        held.append(folder)
        write(find_sweep(config), folder, None)
        yield

    monkeypatch.setattr(report, "hold", wait_for_another)
    monkeypatch.setattr(report, "write_report", lambda *_: pytest.fail("written twice"))
    assert report.run_report(config) == report.run_report(config) == 0
    assert held == [str(Path(config.results).absolute() / "tiny")]  # once: then it was complete
    assert capsys.readouterr().out.count("report: complete in") == 2


def test_pictures_of_an_earlier_sweep_do_not_stay(make_sweep):
    config, _ = make_sweep(**NOTEBOOK)
    report.run_report(config)
    folder = Path(config.results) / "tiny" / "figures"
    assert (folder / "held-out.png").exists()
    config, _ = make_sweep()
    report.run_report(config)
    summary, _, _ = read_results(config)
    assert {path.stem for path in folder.iterdir()} == set(summary["figures"])
    assert "held-out" not in summary["figures"]


def test_a_report_of_other_settings_is_kept_under_its_own_hash(make_sweep, capsys):
    config, _ = make_sweep(**NOTEBOOK)
    report.run_report(config)
    folder = Path(config.results) / "tiny"
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    sha256 = json.loads(before[Path("summary.json")])["config_sha256"]
    config, _ = make_sweep()
    report.run_report(config)
    aside = folder.with_name(f"tiny-{sha256[:8]}")
    assert {p.relative_to(aside): p.read_bytes() for p in aside.rglob("*") if p.is_file()} == before
    assert f"held a report of other settings, which is in {aside}" in capsys.readouterr().out
    assert read_results(config)[0]["config_sha256"] != sha256


def test_a_deleted_file_of_a_report_is_made_again(make_sweep):
    config, _ = make_sweep()
    report.run_report(config)
    folder = Path(config.results) / "tiny"
    for name in ("report.html", "folds.csv", "epochs.csv", "figures/cost.png"):
        made = (folder / name).read_bytes()
        (folder / name).unlink()
        report.run_report(config)
        assert (folder / name).read_bytes() == made


def test_a_report_of_another_version_is_made_anew_and_its_figures_do_not_stay(make_sweep):
    config, _ = make_sweep()
    report.run_report(config)
    folder = Path(config.results) / "tiny"
    summary, _, _ = read_results(config)
    stale = {
        "schema": SCHEMA - 1,
        "sweep_sha256": summary["sweep_sha256"],
        "files": {"figures/x.png": store.write_bytes(str(folder / "figures/x.png"), b"x")},
    }
    seals.write_json(str(folder / "summary.json"), stale | {"unknown": 1})
    report.run_report(config)
    assert read_results(config)[0] == summary
    assert {path.stem for path in folder.glob("figures/*")} == set(summary["figures"])


def test_the_summary_is_written_last(make_sweep, monkeypatch):
    config, _ = make_sweep()
    written = []
    write = store.write_bytes

    def write_and_note(address, data):
        written.append(address)
        return write(address, data)

    monkeypatch.setattr(store, "write_bytes", write_and_note)
    report.run_report(config)
    assert written[-1].endswith("/tiny/summary.json")
    assert len(written) == len(set(written))


def test_without_a_sweep_the_job_to_run_is_named(make_sweep, tmp_path):
    config, result = make_sweep()
    store.remove(places_of(config, result).result)
    with pytest.raises(StoreError, match=r"run `glacier sweep` with this configuration first"):
        report.run_report(config)
    assert not (tmp_path / "results").exists()


def test_a_damaged_prediction_is_refused(make_sweep):
    config, result = make_sweep()
    first = result.trials[0]
    folder = places_of(config, result).trial(first.encoder, first.fold)
    (Path(folder) / PREDICTIONS).write_bytes(b"cut")
    with pytest.raises(StoreError, match="damaged"):
        report.run_report(config)
    assert not (Path(config.results) / "tiny" / "summary.json").exists()


def test_a_failed_trial_is_shown_and_its_encoder_not_ranked(make_sweep):
    reason = "=HYPERLINK(1) the loss is <b>nan</b>"
    failed = FailedTrial(encoder="resnet50", fold=2, reason=reason)
    config, _ = make_sweep(failed=[failed])
    report.run_report(config)
    summary, page, table = read_results(config)
    assert (summary["winner"], summary["choice"]) == (None, "resnet34")
    assert "Not ranked, since trials failed: resnet50 (2 of 3 folds done)" in summary["verdict"]
    assert summary["failed_trials"] == [failed.model_dump()]
    assert summary["ensemble"] is None
    assert summary["ensemble_reason"] == "fewer than two encoders finished fold 2"
    assert "the loss is &lt;b&gt;nan&lt;/b&gt;" in page
    assert "<b>nan" not in page
    row = next(row for row in table if row["status"] == "failed")
    assert row["reason"] == f"'{reason}"


class Tags(HTMLParser):
    """Tags of a page, and the names of all attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_names_from_outside_are_words_on_the_page_and_in_its_pictures(make_sweep, tmp_path):
    plain, _ = make_sweep()
    report.run_report(plain)
    usual = Tags(read_results(plain)[1])
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)> $\\frac{$ --> {{ 7 * 7 }}'
    (tmp_path / "drawn.geojson").write_text("{}")
    label = Label(
        kind="outlines",
        outlines=str(tmp_path / "drawn.geojson"),
        provenance={"source": evil, "years": [2014, 2014], "owner": evil, "licence": evil},
    )
    prepare = plain.prepare.model_copy(update={"label": label})
    config = plain.model_copy(update={"name": "evil", "prepare": prepare})
    write_sweep(config)
    report.run_report(config)
    page = read_results(config)[1]
    found = Tags(page)
    assert found.tags <= usual.tags and found.attributes <= usual.attributes
    assert page.count(html.escape(evil).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")) > 2
    drawn = ElementTree.parse(Path(config.results) / "evil/figures/glacier.svg")
    kinds = {
        element.tag.rpartition("}")[2] for element in drawn.iter() if isinstance(element.tag, str)
    }
    assert "script" not in kinds and not any(
        name.startswith("on") for element in drawn.iter() for name in element.attrib
    )


def test_every_method_and_fold_is_a_row(plain):
    config = plain.config
    summary, table = plain.summary, plain.table
    assert [(row["method"], row["fold"]) for row in table] == [
        *((name, str(fold)) for name in ENCODERS for fold in range(3)),
        *(("all_glacier", str(fold)) for fold in range(3)),
        ("threshold", ""),
        *(("ensemble", str(fold)) for fold in range(3)),
    ]
    folder = Path(config.results) / "tiny"
    assert len(seals.read_json(str(folder / "folds.json"))["folds"]) == len(table)
    assert float(table[0]["dice"]) == summary["encoders"]["resnet34"]["folds"][0]["dice"]
    epochs = list(csv.DictReader((folder / "epochs.csv").read_text().splitlines()))
    assert len(epochs) == 2 * 3 * 3
    assert [row["chosen"] for row in epochs[:3]] == ["0", "1", "0"]


def test_the_honest_page_holds_no_published_numbers(plain):
    page = plain.page
    assert "0.0810" not in page
    assert "Validation Dice losses" in page
    assert "copies the rule and nothing of glaciers" in page
    assert "not available: the samples hold no &lt;near&gt; infrared" in page


def test_the_notebook_page_sets_its_numbers_beside_the_published_ones(notebook):
    result = notebook.result
    summary, page = notebook.summary, notebook.page
    assert result.held_out == ("ridge/2016-07",)
    assert summary["encoders"]["resnet34"]["dice_loss_lowest"] == 0.2
    for text in ("0.0810", "0.1059", "0.0865", "What was not repeated", "best of up to 3 tries"):
        assert text in page
    assert "Held-out month</h3>" in page
    assert [row["key"] for row in summary["held_out"]] == ["ridge/2016-07"]
    models = summary["held_out"][0]["models"]
    assert [(m["encoder"], m["fold"]) for m in models] == [("resnet34", 0), ("resnet50", 0)]


def test_the_page_shows_where_the_encoders_differ(make_sweep):
    config, _ = make_sweep()
    report.run_report(config)
    summary, page, _ = read_results(config)
    found = summary["agreement"]
    assert found["pixels"] == sum(
        row[k] for row in summary["encoders"]["resnet34"]["folds"] for k in ("tp", "fp", "fn", "tn")
    )
    assert 0 < found["split_share"] < 1  # their errors are at random pixels, each at others
    assert found["error_where_agreed"] < found["error_where_split"]
    assert f"differ on {100 * found['split_share']:.1f} % of all labelled test pixels" in page
    assert page.count('alt="Where the models differ on') == page.count(">differ on ")
    alone, _ = make_sweep(encoders=["resnet34"])
    report.run_report(alone)
    summary, page, _ = read_results(alone)
    assert summary["agreement"]["pixels"] == 0 and "differ on" not in page


def test_the_page_says_that_nothing_was_chosen(make_sweep):
    folds = {"kind": "by_block", "count": 3, "validation_share": 0}
    config, _ = make_sweep(folds=folds)
    report.run_report(config)
    summary, page, _ = read_results(config)
    assert "No checkpoint was chosen" in page and "the last, since no part of the data" in page
    assert "Validation Dice losses" not in page
    rows = summary["encoders"]["resnet34"]["folds"]
    assert [(row["epoch_kept"], row["val_dice_loss"]) for row in rows] == [(3, None)] * 3
    assert summary["encoders"]["resnet34"]["dice_loss_lowest"] is None


def test_the_page_carries_all_it_shows(notebook):
    config = notebook.config
    page = notebook.page
    pictures = re.findall(r"<img[^>]*>", page)
    assert len(pictures) >= 10
    for picture in pictures:
        assert re.search(r'src="data:image/png;base64,[A-Za-z0-9+/=]+"', picture)
        assert len(re.search(r'alt="([^"]*)"', picture)[1]) > 20
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    folder = Path(config.results) / "tiny"
    kept = {path.stem for path in (folder / "figures").iterdir()}
    assert kept >= {"folds", "cost", "curves-resnet34", "curves-resnet50", "held-out"}
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3e6


def test_the_same_sweep_gives_the_same_page(make_sweep):
    config, _ = make_sweep()
    report.run_report(config)
    folder = Path(config.results) / "tiny"
    before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    (folder / "summary.json").unlink()
    report.run_report(config)
    assert before == {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome binary on this machine")
def test_a_browser_opens_the_page_without_a_complaint(notebook, tmp_path):
    config = notebook.config
    page = Path(config.results).absolute() / "tiny" / "report.html"
    done = browse(tmp_path, "--dump-dom", page.as_uri())
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    sources = re.findall(r'<img[^>]*\ssrc="([^"]{0,30})', done.stdout)
    assert len(sources) >= 10
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_page_shows_the_archives_calendar_and_says_it_in_words(plain):
    page = plain.page
    assert (
        'alt="Calendar of the archive, years by months. Ridge: 4 months, 2 with an image '
        '(50 to 90 % of the pixels seen, median 70 %), 1 sun too low, 1 failed (RasterError)."'
    ) in page


def test_a_page_that_is_passed_on_names_no_account_and_no_place(make_sweep, tmp_path):
    reason = f"StoreError: {tmp_path}/data/x.tif, of icy-project, is damaged"
    failed = FailedTrial(encoder="resnet50", fold=2, reason=reason)
    config, result = make_sweep(failed=[failed])
    account = {"project": "icy-project", "service_account": "robot@icy.example",
               "key_file": "/home/alice/key.json"}  # fmt: skip
    earthengine = config.ingest.earthengine.model_copy(update=account)
    ingest = config.ingest.model_copy(update={"earthengine": earthengine})
    label = config.prepare.label.model_copy(update={"outlines": "/home/alice/rgi.gpkg"})
    prepare = config.prepare.model_copy(update={"label": label})
    stored = config.model_copy(update={"ingest": ingest, "prepare": prepare})
    write_result(config, result.model_copy(update={"config": stored}))
    report.run_report(config)
    folder = Path(config.results) / "tiny"
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode(errors="ignore")
            for secret in ("icy-project", "robot@icy", "key.json", "alice", str(tmp_path)):
                assert secret not in text, (path.name, secret)


def test_scores_without_a_spread_have_no_p_on_the_page(make_sweep):
    """Two encoders with the same predictions: all folds differ by nothing."""
    config, result = make_sweep()
    cards = {t.fold: t.scorecard for t in result.trials if t.encoder == "resnet34"}
    write_result(config, change_trials(result, lambda trial: {"scorecard": cards[trial.fold]}))
    report.run_report(config)
    summary, page, _ = read_results(config)
    (pair,) = summary["pairs"]
    assert pair["p"] is pair["p_holm"] is None
    for column in ("p", "p, all pairs", "its interval", "effect size", "detectable"):
        assert f'<td data-label="{column}">–</td>' in page
    assert "no p value: the folds show no spread" in page


def test_a_fold_that_alone_decides_gives_no_p(make_sweep):
    config, result = make_sweep()
    write_result(config, clear_ice(result, 0, 2))
    report.run_report(config)
    summary, page, table = read_results(config)
    assert summary["pairs"][0]["p"] is None
    assert "Dice, mean of 1 fold</dt>" in page
    assert "Paired over the same 1 fold with known ice" in page
    assert "± 0.000" not in page  # a single fold has no spread
    assert "in the test part of fold 0, 2" in page and "it decides nothing" in page
    told = "no known ice, decides nothing</span>"
    assert page.count(told) == 2 * len([row for row in table if row["fold"] == "1"])


@pytest.mark.parametrize("share", [0.2, 0])
def test_ground_without_ice_has_a_page_that_says_so(make_sweep, share):
    """No fold decides: nothing is ranked, nothing drawn of it, and every fold is shown."""
    folds = {"kind": "by_block", "count": 3, "validation_share": share}
    config, result = make_sweep(folds=folds)
    write_result(config, clear_ice(result, 0, 1, 2))
    report.run_report(config)
    summary, page, table = read_results(config)
    assert summary["verdict"] == "No test fold holds known ice, so there is no ranking."
    assert summary["choice"] is None and not {"folds", "cost"} & set(summary["figures"])
    assert "curves-resnet34" in summary["figures"] and "Test fold 0, where no ice is known" in page
    assert '<td data-label="Dice">–</td>' in page and "Dice, mean of 0 folds" in page
    assert len([row for row in table if row["method"] == "resnet34"]) == 3


def test_an_encoder_that_finished_no_fold_with_ice_is_left_out_of_the_charts(make_sweep):
    failed = [FailedTrial(encoder="resnet50", fold=fold, reason="x") for fold in (0, 1)]
    config, result = make_sweep(failed=failed)
    write_result(config, clear_ice(result, 2))
    report.run_report(config)
    summary, page, _ = read_results(config)
    charts = re.findall(r'alt="(Test Dice of every fold|Accuracy against cost)([^"]*)"', page)
    assert len(charts) == 2
    assert all("resnet34:" in alt and "resnet50:" not in alt for _, alt in charts)
    assert "Not ranked, since trials failed: resnet50 (0 of 2 folds done)" in summary["verdict"]


def test_a_fold_in_which_nothing_could_choose_says_so(make_sweep):
    """Its losses are blank, also where the published numbers stand."""
    for settings in ({}, NOTEBOOK):
        config, result = make_sweep(**settings)

        def blind(trial: TrialResult) -> dict:
            if trial.fold != 1:
                return {}
            blank = {"val_dice_loss": None, "val_dice": None, "val_iou": None}
            epochs = tuple(epoch.model_copy(update=blank) for epoch in trial.epochs)
            return {"epochs": epochs, "best_epoch": len(epochs) - 1}

        write_result(config, change_trials(result, blind))
        report.run_report(config)
        summary, page, _ = read_results(config)
        assert "In fold 1 no glacier is known in the part that chooses the epoch" in page
        assert summary["encoders"]["resnet34"]["dice_loss_lowest"] is None
        assert '<td data-label="lowest">–</td>' in page and "0.3000, –, 0.3000" in page
        rows = summary["encoders"]["resnet34"]["folds"]
        assert [row["epoch_kept"] for row in rows] == [2, 3, 2]


def test_outlines_from_a_private_folder_are_shown_by_their_name(make_sweep, tmp_path):
    config, _ = make_sweep()
    outlines = tmp_path / "alice" / "rgi.gpkg"
    outlines.parent.mkdir()
    outlines.write_bytes(b"of a private folder")
    label = config.prepare.label.model_copy(update={"outlines": str(outlines)})
    prepare = config.prepare.model_copy(update={"label": label})
    config = config.model_copy(update={"prepare": prepare})
    write_sweep(config)
    report.run_report(config)
    page = read_results(config)[1]
    assert "…/rgi.gpkg" in page
    assert str(tmp_path) not in page


def test_epochs_are_counted_from_one_wherever_people_read(plain):
    config = plain.config
    summary, page, table = plain.summary, plain.page, plain.table
    folder = Path(config.results) / "tiny"
    epochs = list(csv.DictReader((folder / "epochs.csv").read_text().splitlines()))
    assert [row["epoch"] for row in epochs[:3]] == ["1", "2", "3"]
    assert table[0]["epoch_kept"] == "2"
    assert '<td data-label="epoch kept">2</td>' in page
    assert "at epoch 2 of 3" in page
    assert summary["encoders"]["resnet34"]["folds"][0]["epoch_kept"] == 2
    assert b"best_epoch" not in (folder / "summary.json").read_bytes()


def test_the_page_opens_with_the_verdict_the_glacier_and_the_same_choice(plain):
    config = plain.config
    summary, page = plain.summary, plain.page
    head = page[page.index("<h1>") : page.index("</header>")]
    assert "<h1>Ridge</h1>" in head and "October 2014 to July 2016" in head
    assert f"outline by {summary['choice']}" in head and "The scale bar is" in head
    assert page.count('<span class="tag">take</span>') == 1
    assert re.search(rf"{summary['choice']}<span class=.tag.>take</span>", page)
    assert "leads</span>" not in page
    figures = Path(config.results) / "tiny" / "figures"
    assert b"<svg" in (figures / "glacier.svg").read_bytes()
    assert (figures / "glacier.png").exists() and "glacier" in summary["figures"]


def test_every_cell_of_a_table_names_its_column_on_a_narrow_screen(notebook):
    page = notebook.page
    cells = re.findall(r"<td[^>]*>", page)
    assert len(cells) > 100
    assert [cell for cell in cells if "data-label" not in cell and 'class="text"' not in cell] == []
    for measure in ("Dice", "IoU", "Precision", "Recall", "Boundary F1", "ECE"):
        assert f"<b>{measure}</b>: " in page


def test_the_published_experiment_is_introduced(make_sweep):
    for settings in ({}, NOTEBOOK):
        config, _ = make_sweep(**settings)
        report.run_report(config)
        page = read_results(config)[1]
        assert "a notebook of 2024 that mapped the Mendenhall Glacier" in page


def test_made_up_scenes_are_named_wherever_a_place_is(make_sweep):
    config, result = make_sweep()
    values = config.model_dump(mode="json") | {"ingest": {"source": "synthetic"}}
    values["regions"] = [
        {"name": name, "polygon": [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.5]]}
        for name in ("ridge", "glen")
    ]
    made_up = Config.model_validate(values)

    def move(trial: TrialResult) -> dict:
        first, *others = trial.scorecard.images
        images = (first.model_copy(update={"region": "glen"}), *others)
        return {"scorecard": trial.scorecard.model_copy(update={"images": images})}

    found = change_trials(result, move).model_copy(update={"config": made_up})
    report.make_report(
        replace(find_sweep(config), result=found), str(Path(config.results) / "tiny")
    )
    _, page, _ = read_results(config)
    shown = re.sub("<pre>.*?</pre>", "", page, flags=re.DOTALL)
    for place in ("Ridge", "Glen"):
        named = re.findall(rf"(\w+) {place}\b", shown)
        assert len(named) > 3 and set(named) == {"Synthetic"}
    assert "ridge/20" not in re.sub(r"<details>.*?</details>", "", shown, flags=re.DOTALL)
    assert "Satellite image" not in page


def test_why_months_are_empty_is_said_in_words(plain):
    summary, page = plain.summary, plain.page
    assert summary["months"]["empty"] == {"solar_zenith": 1}
    assert "1 empty (sun too low)" in page and "solar zenith" not in page


def test_the_calendar_of_the_page_is_kept_with_it(plain):
    config = plain.config
    folder = Path(config.results) / "tiny"
    kept = (folder / "figures/calendar.png").read_bytes()
    assert base64.b64encode(kept).decode() in (folder / "report.html").read_text()


def browse(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    """What a browser without a window does with its arguments."""
    return subprocess.run(
        [
            CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr", "--v=0", *arguments,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


FRAMES = """<!doctype html><title>widths</title><p id="said"></p><script>
addEventListener("message", event => said.append(event.data + " "))
</script>%s"""

TELL = """<script>addEventListener("load", () => parent.postMessage(
innerWidth + ":" + document.documentElement.scrollWidth, "*"))</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium or chrome binary on this machine")
def test_the_page_fits_a_phone_and_a_desk_and_few_sheets_of_paper(make_sweep, tmp_path):
    """All but the test's own script is as it is passed on; that one asks how wide it became."""
    config, result = make_sweep(**NOTEBOOK)
    reason = "TrainingError: " + "x" * 400
    failed = [FailedTrial(encoder="tu-a_network_of_a_very_long_name.in1k", fold=0, reason=reason)]
    write_result(config, result.model_copy(update={"failed": tuple(failed)}))
    report.run_report(config)
    page = read_results(config)[1]
    policy = re.search("<meta http-equiv=.Content-Security-Policy.[^>]*>", page)[0]
    (tmp_path / "page.html").write_text(page.replace(policy, TELL), encoding="utf-8")
    widths = (390, 1200)
    frames = [f'<iframe src="page.html" width="{w}" height="800" style="border:0"></iframe>'
              for w in widths]  # fmt: skip
    (tmp_path / "frames.html").write_text(FRAMES % "".join(frames), encoding="utf-8")
    frames_at = (tmp_path / "frames.html").as_uri()
    done = browse(tmp_path, "--virtual-time-budget=10000", "--dump-dom", frames_at)
    said = re.search('<p id="said">([^<]*)</p>', done.stdout)[1].split()
    assert sorted(said) == sorted(f"{width}:{width}" for width in widths)

    paper = tmp_path / "page.pdf"
    page_at = (Path(config.results).absolute() / "tiny" / "report.html").as_uri()
    browse(tmp_path, f"--print-to-pdf={paper}", "--no-pdf-header-footer", page_at)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", paper.read_bytes())) < 8


def test_a_long_verdict_stands_large_by_its_first_sentence():
    assert split_verdict("Take a. It is good.") == ("Take a. It is good.", "")
    long = "Take a, with Dice 0.9 here. b " + 300 * "x"
    assert split_verdict(long) == ("Take a, with Dice 0.9 here.", "b " + 300 * "x")
