"""What adds months to a run, in parts: what it fetches, removes, leaves and says. No Ray in here.

``tests/jobs/test_latest.py`` runs the whole of it.
"""

import configparser
import re
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from glacier import latest, store
from glacier.archive.records import MonthRecord, list_months
from glacier.errors import ConfigError, DamagedError, Occupied, StoreError
from glacier.latest import (
    Run,
    fetch_months,
    list_unkept,
    look_for_months,
    remove_unkept,
    run_latest,
    tell_added,
    tell_delay,
    tell_none,
)
from glacier.locks import LOCK
from glacier.mapping.added_months import AddedMonth, AddedMonths
from glacier.mapping.maps import MapRecord
from glacier.sources.factory import open_source
from glacier.training.saved import SavedSweep, SweepPlaces
from tests.support.occupied import abandon, occupy
from tests.support.saved_sweeps import describe_samples
from tests.support.saved_sweeps import make_config as make_folder_config
from tests.support.sweeps import make_sweep
from tests.support.tiny import tiny_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/howto/latest.md").read_text()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run whose sweep is there, and none of its files."""
    config = tiny_config(tmp_path, latest={"until": "2015-03"})
    (folder,) = {target.folder for target in list_months(config, open_source(config))}
    samples, places = describe_samples(make_folder_config(tmp_path)), SweepPlaces("", "", "", "")
    result = make_sweep({"resnet18": [0.9, 0.8]})
    sweep = SavedSweep(result, "", samples, places, {folder: []})
    return Run(config, sweep, store.join(config.storage, "maps", "tiny-01234567"))


def test_only_months_after_the_run_are_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another image of a month that was trained on would be another run."""
    records = look_for_months(run.config, AddedMonths())
    assert [target.name for target in records] == ["2015-01", "2015-02", "2015-03"]
    asked = []
    monkeypatch.setattr(
        latest, "fill_archives",
        lambda config, source, missing: asked.append((config.months, missing)) or (),
    )  # fmt: skip
    fetch_months(run.config, AddedMonths(), records)
    ((months, missing),) = asked
    assert (months.first, months.last, missing) == ("2015-01", "2015-03", list(records))
    done = dict.fromkeys(records, MonthRecord("mendenhall", "2015-01", "empty"))
    fetch_months(run.config, AddedMonths(), done)
    assert len(asked) == 1


def test_what_is_kept_no_longer_goes_and_nothing_else(run: Run) -> None:
    (archive,) = run.sweep.archives
    maps = store.join(run.maps, "mendenhall")
    months = ("2014-12", "2015-01", "2015-02", "2015-03", "2015-11")
    ends = (".json", ".tif", ".truth.tif", ".class.tif", ".item.json")
    for folder in (archive, maps):
        for name in (*(f"{month}{end}" for month in months for end in ends), "manifest.json"):
            store.write_bytes(store.join(folder, name), b"x")
    samples = store.join(run.config.storage, "samples", "other-01234567")
    store.write_bytes(store.join(samples, "mendenhall_2015-02.json"), b"x")
    assert list_unkept(run, AddedMonths()) == []
    unkept = list_unkept(run, AddedMonths(first="2015-03"))
    records = [address for address in unkept if re.search(r"\d\.json$", address)]
    assert unkept[: len(records)] == records and len(records) == 3
    remove_unkept(run, unkept)
    left = {folder: {name[:7] for name in store.list_files(folder)} for folder in (archive, maps)}
    kept = {"2014-12", "2015-03", "2015-11", "manife"}
    assert {m[:6] if m.startswith("m") else m for m in left[maps]} == kept
    assert {m[:6] if m.startswith("m") else m for m in left[archive]} == kept | {"2015-02"}
    assert store.exists(store.join(run.maps, "catalog.json"))
    assert list_unkept(run, AddedMonths(first="2015-03")) == []


@pytest.fixture
def begun(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same, as a job finds it."""
    monkeypatch.setattr(latest, "find_mapping_sweep", lambda _: run.sweep)
    monkeypatch.setattr(latest, "maps_folder", lambda *_: run.maps)
    monkeypatch.setattr(latest, "connect", lambda _: pytest.fail("Ray was started"))
    return run


def test_where_another_run_works_it_leaves_and_touches_nothing(begun: Run) -> None:
    """Also where the configuration says that a run waits."""
    occupy(begun.place)
    lock = Path(begun.place, LOCK)
    before = lock.read_bytes()
    with pytest.raises(Occupied, match=r"is worked on by run other .*this run leaves it to it"):
        run_latest(begun.config)
    assert lock.read_bytes() == before and not Path(begun.config.storage).exists()


def test_nothing_new_is_a_sentence_and_no_byte(
    begun: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(latest, "is_up_to_date", lambda _: True)
    assert run_latest(begun.config) == 0
    assert capsys.readouterr().out == "latest: no month has become available after 2014-12\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_done", [True, False])
def test_what_killed_jobs_left_goes_though_nothing_is_to_be_done_there(
    begun: Run, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    known = {
        "is_up_to_date": is_done, "connect": nullcontext(), "look_for_months": {},
        "map_images": [], "make_series": [], "write_catalog": None,
    }  # fmt: skip
    for name, value in known.items():
        monkeypatch.setattr(latest, name, lambda *_, value=value, **__: value)
    lost = []
    monkeypatch.setattr(latest, "remove_lost_folders", lambda: lost.append("temporary files"))
    for folder in (begun.maps, *begun.sweep.archives):
        abandon(folder)
    assert run_latest(begun.config) == 0
    assert not list(Path(begun.config.storage).rglob(".lock*"))
    assert bool(lost) == is_done  # else Ray is started, which does it


def test_damage_of_what_was_trained_names_the_pipeline_and_starts_none(
    begun: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: Run) -> bool:
        raise DamagedError.of("models/a.safetensors", "it is gone")

    monkeypatch.setattr(latest, "is_up_to_date", find)
    with pytest.raises(StoreError, match=r"it is gone; run `glacier pipeline`") as caught:
        run_latest(begun.config)
    assert not isinstance(caught.value, DamagedError)


def test_a_folder_of_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.source = 'folder'"):
        run_latest(make_folder_config(tmp_path))


def make_month(month: str, newest: date | None, mapped: date | None) -> AddedMonth:
    return AddedMonth(month=month, image_sha256="a" * 64, newest=newest, mapped=mapped)


@pytest.mark.parametrize(
    ("newest", "mapped", "said"),
    [
        (date(2021, 9, 14), date(2021, 9, 23),
         "the newest image is of 14 September 2021; its map was written 9 days after"),
        (date(2021, 9, 14), date(2021, 9, 15),
         "the newest image is of 14 September 2021; its map was written 1 day after"),
        (date(2021, 9, 14), date(2021, 9, 14),
         "the newest image is of 14 September 2021; its map was written on the same day"),
        (None, date(2021, 9, 3),
         "its map was written on 3 September 2021; its images do not tell their days"),
    ],
)  # fmt: skip
def test_the_time_from_scene_to_map_is_told_in_words(
    newest: date | None, mapped: date, said: str
) -> None:
    assert tell_delay(make_month("2021-09", newest, mapped)) == said


def test_what_is_new_and_what_went_is_told(run: Run) -> None:
    day = date(2015, 3, 2)
    months = [make_month("2015-01", day, day), make_month("2015-02", day, day)]
    dark = AddedMonth(month="2015-11")
    maps = [MapRecord(region="mendenhall", name="2015-11", status="empty", reason="dark")]

    def added(*months: AddedMonth, first: str | None = None) -> AddedMonths:
        return AddedMonths(first=first, archives={"mendenhall-01234567": months})

    before, after = added(months[0]), added(months[1], dark, first="2015-02")
    assert list(tell_added(run.config, before, after, maps)) == [
        "latest: new images or months: 2, 2015-02 to 2015-11",
        "latest: Synthetic Mendenhall, 2015-02: the newest image is of 2 March 2015; its map was "
        "written on the same day",
        "latest: Synthetic Mendenhall, 2015-11: no map, empty: dark",
        "latest: added months before 2015-02 were removed",
    ]
    assert list(tell_added(run.config, after, after, maps)) == [tell_none(run.config, after)]
    assert tell_none(run.config, after).endswith("after 2015-11")


def read_samples(language: str) -> list[str]:
    """Samples of the page that are in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_the_samples_for_kubernetes_have_the_fields_that_there_are() -> None:
    """Those of KubeRay are held against its published schemas elsewhere."""
    (plain,) = (yaml.safe_load(text) for text in read_samples("yaml"))
    ray = yaml.safe_load((ROOT / "docs" / "samples" / "raycronjob.yaml").read_text())
    assert (plain["apiVersion"], plain["kind"]) == ("batch/v1", "CronJob")
    assert (ray["apiVersion"], ray["kind"]) == ("ray.io/v1", "RayCronJob")
    job: dict[str, Any] = ray["spec"]["jobTemplate"]
    pod = plain["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    cluster = job["rayClusterSpec"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    workers = [group["template"]["spec"] for group in cluster["workerGroupSpecs"]]
    for spec in (pod, head, *workers):
        volumes = {volume["name"] for volume in spec.get("volumes", ())}
        (container,) = spec["containers"]
        assert {mount["name"] for mount in container.get("volumeMounts", ())} == volumes
    command = pod["containers"][0]["command"] + pod["containers"][0]["args"]
    assert command == job["entrypoint"].split() and command[:2] == ["glacier", "latest"]
    lock = (ROOT / "requirements-locked.txt").read_text()
    assert f"\nray=={cluster['rayVersion']} " in lock and "raycronjob.yaml" in PAGE


def test_the_samples_for_a_machine_run_the_verb_every_day() -> None:
    service, timer = (configparser.ConfigParser() for _ in range(2))
    for unit, text in zip((service, timer), read_samples("ini"), strict=True):
        unit.optionxform = str  # type: ignore[method-assign,assignment]
        unit.read_string(text)
    assert service["Service"]["Type"] == "oneshot"
    assert "glacier latest run.yaml" in service["Service"]["ExecStart"]
    assert timer["Timer"]["Persistent"] == "true" and "UTC" in timer["Timer"]["OnCalendar"]
    (line,) = read_samples("cron")
    assert re.match(r"17 6 \* \* \*  cd \S+ && \S+glacier latest run\.yaml >> ", line)
