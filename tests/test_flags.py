import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from glacier import store
from glacier.command import run_command
from glacier.config import Config, config_digest, variants_digest
from glacier.errors import ConfigError, SourceError
from glacier.flags import field_names, load_config, read_yaml
from glacier.settings.identity import digest
from glacier.settings.model import STORED
from glacier.settings.paths import expand_path
from glacier.shipped import list_shipped

ROOT = Path(__file__).parents[1]
SQUARE = [[-134.62, 58.42], [-134.42, 58.42], [-134.42, 58.59], [-134.62, 58.59]]
BASE: dict[str, Any] = {"name": "a", "regions": [{"name": "m", "polygon": SQUARE}]}
IMAGE = {"month": "2000-10", "bands": {"SR_B2": {"file": "a.tif"}}}
HONEST = {"derandomize": True, "deadline": None, "max_examples": 40}


def nest(dotted: dict[str, Any]) -> dict[str, Any]:
    """BASE with values put at dotted places."""
    tree: dict[str, Any] = {**BASE}
    for name, value in dotted.items():
        *above, last = name.split(".")
        level = tree
        for part in above:
            level[part] = {**level.get(part, {})}
            level = level[part]
        level[last] = value
    return tree


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flags") / "run.yaml"


def load(place: Path, values: Any, *flags: str) -> Config:
    place.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return load_config([str(place), *flags], about="Test.")


# The acceptance line: help and a mistyped key are answered before torch or Ray are imported.


def run_sweep_job(*argv: str) -> tuple[int, str, str, set[str]]:
    """Exit code, output, errors and imported modules of the sweep job in a new process."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs.sweep", *argv],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ},
    )  # fmt: skip
    lines = done.stderr.splitlines()
    modules = {line.rsplit("|", 1)[-1].strip() for line in lines if line.startswith("import time:")}
    errors = "\n".join(line for line in lines if not line.startswith("import time:"))
    return done.returncode, done.stdout, errors, modules


def test_help_names_every_field_and_imports_neither_torch_nor_ray() -> None:
    code, out, errors, modules = run_sweep_job("--help", "all")
    assert code == 0 and "Traceback" not in errors
    for flag in ("--sweep.epochs", "--prepare.label.kind", "--ingest.folder.images"):
        assert f"  {flag}  " in out
    assert "Passes over the training samples" in out
    assert "glacier.config" in modules
    assert not {"torch", "ray", "rasterio", "sklearn"} & modules


def test_the_help_of_a_job_shows_its_own_fields_first_and_briefly() -> None:
    code, out, _, _ = run_sweep_job("--help")
    lines = out.splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  --")]
    assert code == 0 and len(lines) < 120 and max(map(len, lines)) <= 100
    assert shown[0] == "--sweep.encoders" and "--cluster.cpus" in shown
    assert not [flag for flag in shown if flag.startswith("--ingest")]
    assert "  --sweep.folds.count  whole number, 2 to 20 [5]" in lines
    assert "--help all" in lines[-1]


def test_mistyped_key_is_named_with_its_value_and_nearest_spelling(tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text(yaml.safe_dump(nest({"sweep.epoch": 7})))
    code, out, errors, modules = run_sweep_job(str(file))
    assert code == 2 and out == ""
    assert "sweep.epoch = 7" in errors and "did you mean sweep.epochs?" in errors
    assert "Traceback" not in errors
    assert "glacier.config" in modules and not {"torch", "ray"} & modules


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (
            {"sweep.gpus_per_trial": "half"},
            [
                "sweep.gpus_per_trial = 'half': input should be a valid number, unable to parse "
                "string as a number; or allowed are auto; known: auto"
            ],
        ),
        (
            {"prepare.label.outlines": {"demo": "$NOWHERE/a.gpkg"}},
            [
                "prepare.label.outlines.demo: the environment variable NOWHERE is not set; set it, "
                "or write the path out, with $$ for a dollar that is meant"
            ],
        ),
        (
            {"prepare.label.outlines": 3},
            [
                "prepare.label.outlines = 3: input should be a valid string; or input should be a "
                "valid dictionary"
            ],
        ),
    ],
)
def test_a_field_of_several_types_has_one_line_and_no_name_of_a_type(
    place: Path, values: dict[str, object], wanted: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, BASE | nest(values))
    assert [line.split(".yaml: ", 1)[1] for line in str(caught.value).splitlines()] == wanted


# Flags over the file, nothing from the environment.


def test_a_flag_wins_over_the_file_and_its_neighbours_stay(place: Path) -> None:
    values = nest({"sweep.epochs": 5, "sweep.batch_size": 4, "sweep.folds.count": 3})
    config = load(place, values, "--sweep.epochs", "9", "--sweep.folds.kind", "by_year")
    assert (config.sweep.epochs, config.sweep.batch_size) == (9, 4)
    assert (config.sweep.folds.kind, config.sweep.folds.count) == ("by_year", 3)
    assert load(place, values).sweep.epochs == 5
    assert load(place, BASE) == Config.model_validate(BASE)


@pytest.mark.parametrize(
    ("flags", "field", "wanted"),
    [
        (["--sweep.epochs=4"], "sweep.epochs", 4),
        (["--sweep.epochs", "3", "--sweep.epochs", "4"], "sweep.epochs", 4),
        (["--sweep.encoders", "resnet18"], "sweep.encoders", ("resnet18",)),
        (["--sweep.encoders", "resnet18,resnet34"], "sweep.encoders", ("resnet18", "resnet34")),
        (["--sweep.encoders", '["resnet18"]'], "sweep.encoders", ("resnet18",)),
        (["--prepare.blocks", "3,4"], "prepare.blocks", (3, 4)),
        (["--prepare.reflectance_range=-0.1,1.2"], "prepare.reflectance_range", (-0.1, 1.2)),
        (["--prepare.image", "nir,ndsi"], "prepare.image", ("nir", "ndsi")),
        (["--sweep.random_forest", "false"], "sweep.random_forest", False),
        (["--sweep.test_time_augmentation", "true"], "sweep.test_time_augmentation", True),
        (["--prepare.label.ndsi_above", "-0.3"], "prepare.label.ndsi_above", -0.3),
        (["--sweep.learning_rate", "1e-3"], "sweep.learning_rate", 1e-3),
        (["--months.last", "2015-02"], "months.last", "2015-02"),
        (["--cluster.cpus", "2"], "cluster.cpus", 2),
        (["--storage", "memory://x"], "storage", "memory://x"),
    ],
)
def test_flag_values_of_every_type(
    place: Path, flags: list[str], field: str, wanted: object
) -> None:
    found: Any = load(place, BASE, *flags)
    for part in field.split("."):
        found = getattr(found, part)
    assert found == wanted and type(found) is type(wanted)


def test_the_environment_sets_no_field(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(place, BASE)
    for name in ("SEED", "seed", "GLACIER_SEED", "sweep__epochs", "SWEEP", "NAME", "STORAGE"):
        monkeypatch.setenv(name, "7")
    assert load(place, BASE) == plain


def test_variables_in_paths_stay_as_written_and_are_put_in_when_used(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLACIER_TEST_PLACE", str(tmp_path))
    flags = ["--results", "${GLACIER_TEST_PLACE}/y"]
    config = load(place, nest({"storage": "$GLACIER_TEST_PLACE/x"}), *flags)
    assert str(tmp_path) not in config.model_dump_json()  # outputs name no folder of this machine
    assert store.absolute(config.storage) == f"{tmp_path}/x"
    assert store.absolute(config.results) == f"{tmp_path}/y"
    monkeypatch.delenv("GLACIER_TEST_PLACE")
    with pytest.raises(ConfigError, match=r"storage: .*GLACIER_TEST_PLACE is not set"):
        load(place, nest({"storage": "$GLACIER_TEST_PLACE/x"}))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("/a/$$b/x", "/a/$b/x"), ("/a/$$$HERE", "/a/$/there"), ("/a/$5", "/a/$5"), ("$$", "$")],
)
def test_a_doubled_dollar_is_a_dollar(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv("HERE", "/there")
    assert expand_path(written) == meant


@pytest.mark.parametrize("written", ["$NOWHERE/x", "a/${NOWHERE}", "$$$NOWHERE"])
def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ValueError, match=r"NOWHERE is not set.*\$\$ for a dollar"):
        expand_path(written)


@pytest.mark.parametrize("file", list_shipped().values(), ids=lambda p: p.stem)
def test_every_shipped_configuration_loads(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLACIER_REAL_DATA", str(tmp_path))
    config = load_config([str(file)], about="Test.")
    assert config.name == file.stem
    assert len(config_digest(config)) == 64


def test_the_real_image_says_which_variable_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLACIER_REAL_DATA", raising=False)
    with pytest.raises(ConfigError, match="GLACIER_REAL_DATA is not set"):
        load_config([str(ROOT / "jobs/everest.yaml")], about="Test.")


# Variants: each a configuration of its own, checked when the file is read.


def test_an_variant_holds_its_changes_and_an_empty_one_is_the_run_itself(place: Path) -> None:
    variants = {"plain": {}, "random": {"sweep.folds.kind": "shuffled", "prepare.image": ["ndsi"]}}
    config, run = load(place, BASE | {"variants": variants}), load(place, BASE)
    assert list(config.variants) == ["plain", "random"]
    assert config.variant("plain") == run
    random = config.variant("random")
    assert (random.sweep.folds.kind, random.prepare.image) == ("shuffled", ("ndsi",))
    assert random.sweep.folds.count == run.sweep.folds.count
    assert (random.name, random.variants) == ("a", {})


def test_variants_change_no_hash_of_the_run_and_flags_reach_all_of_them(place: Path) -> None:
    config = load(place, BASE | {"variants": {"b": {"seed": 7}}}, "--sweep.epochs", "3")
    assert config_digest(config) == config_digest(load(place, BASE, "--sweep.epochs", "3"))
    assert config_digest(config.variant("b")) != config_digest(config)
    other = config.model_copy(update={"variants": {**config.variants, "b": {"sweep.epochs": 77}}})
    assert variants_digest(other) != variants_digest(config) == variants_digest(config)
    assert config.variant("b").sweep.epochs == 3


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"sweep.epoch": 3}, ["variants.b: sweep.epoch = 3", "did you mean sweep.epochs?"]),
        ({"sweep.epochs": 0}, ["variants.b: sweep.epochs = 0", "greater than or equal to 1"]),
        ({"sweep.loss": "dise"}, ["variants.b: sweep.loss = 'dise'", "did you mean dice?"]),
        ({"swep.loss": "dice"}, ["variants.b: swep = {'loss': 'dice'}", "did you mean sweep?"]),
        ({"seed.x": 3}, ["variants.b: seed = {'x': 3}", "valid integer"]),
        ({"sweep.warm_up_epochs": 99}, ["variants.b: sweep", "less than epochs, 30"]),
        ({"storage": "x"}, ["variants.b: storage = 'x'", "share", "for the whole file"]),
        ({"cluster.cpus": 2}, ["variants.b: cluster.cpus = 2", "for the whole file"]),
        ({"variants": {}}, ["variants.b: variants = {}", "for the whole file"]),
        (3, ["variants.b = 3", "dictionary"]),
    ],
)
def test_a_wrong_variant_is_named_with_field_value_and_remedy(
    place: Path, changes: Any, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, BASE | {"variants": {"a": {}, "b": changes}})
    assert all(part in str(caught.value) for part in parts), caught.value


# Repeats: variants from other training seeds.

STARTS = {"base": {"sweep.encoders": ["resnet18", "resnet34"]},
          "loss": {"sweep.encoders": ["resnet18"], "sweep.loss": "dice_bce"}}  # fmt: skip


def test_repeats_train_again_on_the_same_folds_without_what_no_seed_moves(place: Path) -> None:
    repeats = {"seeds": [7, 8], "encoders": ["resnet18"]}
    config = load(place, BASE | {"variants": STARTS, "repeats": repeats})
    runs = config.runs()
    assert list(runs) == [
        "base", "loss", "base, seed 7", "loss, seed 7", "base, seed 8", "loss, seed 8"
    ]  # fmt: skip
    plain, again = runs["base"], runs["base, seed 7"]
    assert (plain.training_seed, again.training_seed, again.seed) == (42, 7, 42)
    assert again.sweep.encoders == ("resnet18",) and not again.sweep.random_forest
    assert again.prepare == plain.prepare and again.sweep.folds == plain.sweep.folds
    assert len({config_digest(run) for run in runs.values()}) == 6
    alone = load(place, BASE | {"variants": STARTS})
    assert variants_digest(alone) != variants_digest(config)
    assert config_digest(alone) == config_digest(config)


def test_a_repeat_begins_only_its_own_encoders_from_weights(place: Path) -> None:
    weights = {"efficientnet-b4": "satellite", "tu-tf_efficientnet_lite0": "package"}
    variants = {"a": {"sweep.encoders": list(weights), "sweep.encoder_weights": weights}, "b": {}}
    repeats = {"seeds": [7], "variants": ["a"], "encoders": ["tu-tf_efficientnet_lite0"]}
    config = load(place, BASE | {"variants": variants, "repeats": repeats})
    again = config.repeat("a", 7)
    assert again.sweep.encoder_weights == {"tu-tf_efficientnet_lite0": "package"}
    assert again == Config.model_validate(again.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("repeats", "parts"),
    [
        ({"seeds": []}, ["repeats", "wanted one or more"]),
        ({"seeds": [7, 7]}, ["repeats", "none twice"]),
        ({"seeds": [-1]}, ["repeats.seeds", "-1", "greater than or equal to 0"]),
        ({"seeds": [42]}, ["repeats.seeds has 42", "base is trained", "leave it out"]),
        ({"seeds": [7], "variants": ["los"]}, ["repeats.variants names los", "base, loss"]),
        ({"seeds": [7], "variants": ["loss"]}, ["lacks base", "add it"]),
        ({"seeds": [7], "encoders": ["resnet34"]}, ["loss has resnet18", "leave loss out"]),
    ],
)
def test_wrong_repeats_are_named_with_the_remedy(
    place: Path, repeats: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, BASE | {"variants": STARTS, "repeats": repeats})
    assert all(part in str(caught.value) for part in parts), caught.value


# Bad values: field, value, what is allowed, nearest spelling.


@pytest.mark.parametrize(
    ("dotted", "parts"),
    [
        ({"sweep.epochs": "many"}, ["sweep.epochs = 'many'", "valid integer"]),
        ({"sweep.epochs": 0}, ["sweep.epochs = 0", "greater than or equal to 1"]),
        ({"sweep.epochs": 2.5}, ["sweep.epochs = 2.5", "valid integer"]),
        ({"sweep.folds.count": 1}, ["sweep.folds.count = 1", "greater than or equal to 2"]),
        ({"sweep.folds.kind": "by_yaer"}, ["sweep.folds.kind = 'by_yaer'", "did you mean by_year"]),
        ({"sweep.batch_size": 1}, ["sweep.batch_size = 1", "greater than or equal to 2"]),
        ({"sweep.encoders": []}, ["sweep", "encoders ()", "one or more"]),
        ({"sweep.encoders": ["a", "a"]}, ["encoders ('a', 'a')", "none twice"]),
        ({"sweep.gpus_per_trial": 1.5}, ["gpus_per_trial 1.5", "whole number"]),
        ({"sweep.learning_rate": 0}, ["sweep.learning_rate = 0", "greater than 0"]),
        ({"prepare.size_px": 100}, ["prepare.size_px = 100", "multiple of 32"]),
        ({"prepare.blocks": [0, 5]}, ["prepare.blocks.0 = 0", "greater than 0"]),
        ({"prepare.size_px": 64, "prepare.stride_px": 128}, ["stride_px 128", "at most size_px"]),
        ({"prepare.blocks": [5]}, ["prepare.blocks.1 = nothing", "needed"]),
        ({"prepare.image": ["nir", "nir"]}, ["image ('nir', 'nir')", "none twice"]),
        ({"prepare.image": []}, ["image ()", "one band or more"]),
        ({"prepare.image": ["nri"]}, ["prepare.image.0 = 'nri'", "allowed", "did you mean nir?"]),
        ({"prepare.reflectance_range": [1, 0]}, ["reflectance_range (1.0, 0.0)", "below high"]),
        ({"prepare.label.kind": "outlines"}, ["label.outlines", "vector file"]),
        ({"prepare.label.kinds": "ndsi"}, ["prepare.label.kinds = 'ndsi'", "prepare.label.kind?"]),
        ({"prepare": None}, ["prepare = None", "dictionary"]),
        ({"months.first": "2014-13"}, ["months.first = '2014-13'", "pattern"]),
        ({"months.first": "2024-01"}, ["months", "last month 2023-12 lies before the first"]),
        ({"ingest.source": "earthenigne"}, ["ingest.source", "did you mean earthengine?"]),
        ({"ingest.synthetic.scenes_per_month": [3, 2]}, ["scenes_per_month 3, 2"]),
        ({"ingest.synthetic.cloud_share": 1.5}, ["cloud_share = 1.5", "less than or equal to 1"]),
        ({"name": "../up"}, ["name = '../up'", "pattern"]),
        ({"name": "a\n"}, ["name = 'a\\n'", "pattern"]),
        ({"seed": -1}, ["seed = -1", "greater than or equal to 0"]),
        ({"seed": 2**32}, ["seed = 4294967296", "less than 4294967296"]),
        ({"swep": {}}, ["swep = {}", "no such field", "did you mean sweep?"]),
        ({"regions": []}, ["regions []", "one or more"]),
        ({"regions": [{"nam": "x"}]}, ["regions.0.nam = 'x'", "did you mean regions.0.name?"]),
        ({"regions": [{"name": "m", "polygon": SQUARE[:2]}]}, ["3 corners or more, got 2"]),
        ({"regions": [{"name": "m", "polygon": [[58.4, -134.6]] * 3}]}, ["(58.4, -134.6)"]),
        ({"regions": [{"name": "m", "polygon": [[0, float("nan")]] * 3}]}, ["regions.0", "nan"]),
    ],
)  # fmt: skip
def test_a_bad_value_is_answered_with_field_value_and_remedy(
    place: Path, dotted: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, nest(dotted))
    for part in parts:
        assert part in str(caught.value)


FROM_FILES = {"ingest.source": "folder", "prepare.label.kind": "ndsi"}
RULED = {"sweep.joined_rule": "ndsi", "prepare.image": ["nir", "green", "swir1"]}


@pytest.mark.parametrize(
    ("dotted", "parts"),
    [
        ({"regions": [BASE["regions"][0]] * 2}, ["regions ['m', 'm']", "no name twice"]),
        ({"regions": [{"name": "m"}]}, ["region m needs a polygon"]),
        ({"prepare.label.unseen": "background"}, ["unseen background", "use ignore"]),
        (
            {"ingest.source": "folder", "regions": [{"name": "m"}]},
            ["label.kind truth", "folder", "outlines, ndsi"],
        ),
        (FROM_FILES, ["region m has a polygon", "their own grid", "leave polygon and pixel_m out"]),
        (
            FROM_FILES | {"regions": [{"name": "m", "pixel_m": 60}]},
            ["regions.0", "pixel_m 60 needs a polygon"],
        ),
        (
            {"ingest.folder.path": "/mine"},
            ["folder.path '/mine'", "not read: set source folder in place of synthetic"],
        ),
        (
            {"ingest.earthengine.project": "icy"},
            ["earthengine.project 'icy'", "source earthengine"],
        ),
        ({"ingest.stac.in_flight": 2}, ["stac.in_flight 2", "leave it out"]),
        (
            {"ingest.source": "stac", "ingest.synthetic.cloud_share": 0.9},
            ["synthetic.cloud_share 0.9", "set source synthetic in place of stac"],
        ),
        ({"prepare.label.margin_m": 30}, ["margin_m 30", "kind outlines alone, not on truth"]),
        (
            {"prepare.layout": "resize", "prepare.stride_px": 16},
            ["stride_px 16", "layout resize makes none"],
        ),
        (
            {"sweep.protocol": "notebook", "sweep.folds.validation_share": 0.4},
            ["validation_share 0.4", "no validation part", "set it to 0"],
        ),
        ({"prepare.layout": "resize"}, ["by_block", "prepare.layout chips"]),
        ({"sweep.normalise": "imagenet", "prepare.image": ["nir"]}, ["knows 3 bands", "has 1"]),
        (
            {"sweep.joined_rule": "ndsi", "prepare.image": ["nir", "green"]},
            ["joined_rule ndsi needs swir1", "which is nir, green"],
        ),
        (
            RULED | {"prepare.scale": "own_maximum"},
            ["thresholds of reflectance", "prepare.scale is own_maximum"],
        ),
        (RULED | {"prepare.label.kind": "ndsi"}, ["the very rule", "take other labels"]),
    ],
)
def test_combinations_that_no_stage_could_honour_are_refused(
    place: Path, dotted: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, nest(dotted))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "dotted",
    [
        {"regions": [{"name": "m"}], **FROM_FILES},
        {"prepare.label.unseen": "background", "sweep.protocol": "notebook"},
        {"prepare.layout": "resize", "sweep.folds.kind": "shuffled"},
        {"sweep.normalise": "imagenet"},
        RULED,
    ],
)
def test_their_neighbours_are_taken(place: Path, dotted: dict[str, Any]) -> None:
    assert load(place, nest(dotted)).name == "a"


def test_every_fault_has_its_own_line(place: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, nest({"sweep.epochs": 0, "seed": "x", "month": {}}))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{place}: ") for line in lines)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (["--sweep.epoch", "3"], ["--sweep.epoch 3", "did you mean sweep.epochs?"]),
        (["--epochs", "3"], ["--epochs 3", "no such field"]),
        (["--sweep.epochs"], ["--sweep.epochs", "expected one argument"]),
        (["--sweep.epochs", "x"], ["sweep.epochs = 'x'", "valid integer"]),
        (["--sweep.epochs", "3", "7"], ["unrecognized arguments: 7"]),
        (["-x"], ["-x"]),
        (["--sweep.encoders", "["], ["--sweep.encoders"]),
        (["--sweep.folds", "{"], ["--sweep.folds"]),
        (["--sweep", "x"], ["--sweep x"]),
    ],
)
def test_bad_flags_are_answered(place: Path, flags: list[str], parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(place, BASE, *flags)
    for part in parts:
        assert part in str(caught.value)


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "there.yaml").write_text("{}")
    with pytest.raises(ConfigError, match=r"no configuration file .*; there are .*there\.yaml"):
        load_config([str(tmp_path / "not.yaml")], about="Test.")
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config([str(tmp_path)], about="Test.")
    with pytest.raises(ConfigError, match="must be the configuration file"):
        load_config(["--seed", "3"], about="Test.")


@pytest.mark.parametrize("data", [b"", b"[1, 2]", b"a: [", b"\xff\xfe\x00", b"word", b"\x00"])
def test_files_that_hold_no_mapping(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    with pytest.raises(ConfigError, match=place.name):
        load_config([str(place)], about="Test.")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("months: {first: 2014-13-01}", id="impossible_date"),
        pytest.param("seed: " + "9" * 5000, id="huge_integer"),
        pytest.param("name: " + "[" * 500, id="deep"),
        pytest.param("? [a]\n: 1", id="unhashable_key"),
        pytest.param("a: &a [*a]", id="endless"),
        pytest.param("seed: !!python/object/apply:os.getpid []", id="code"),
    ],
)
def test_hostile_yaml_is_a_configuration_error(place: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(place, text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ingest.folder.images", [{**IMAGE, "scale": 1, "offset": float("nan")}]),
        ("ingest.folder.images", [{**IMAGE, "scale": 1, "offset": float("inf")}]),
        ("ingest.folder.images", [{**IMAGE, "scale": float("inf"), "offset": 0}]),
        ("prepare.reflectance_range", [0.0, float("inf")]),
        ("prepare.reflectance_range", [float("nan"), 1.0]),
        ("sweep.gpus_per_trial", float("inf")),
        ("sweep.checkpoint_s", float("inf")),
    ],
)
def test_numbers_that_are_not_finite_are_refused(place: Path, field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field.rpartition(".")[2]):
        load(place, nest({**FROM_FILES, field: value}))


@pytest.mark.parametrize("bands", [{}, {"SR_B9": {"file": "a.tif"}}])
def test_an_image_needs_bands_that_landsat_has(place: Path, bands: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="bands"):
        load(place, nest({**FROM_FILES, "ingest.folder.images": [IMAGE | {"bands": bands}]}))


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(),
    st.binary(max_size=4), st.sampled_from(["2014-01", "ndsi", "$HOME", "honest", 3, 0.5]),
)  # fmt: skip
keys = st.one_of(
    st.sampled_from(sorted({part for name in field_names(Config) for part in name.split(".")})),
    st.text(max_size=6),
    st.integers(0, 3),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(**HONEST)
@given(change=st.dictionaries(keys, trees, max_size=3))
def test_any_tree_is_a_configuration_or_a_configuration_error(
    place: Path, change: dict[Any, Any]
) -> None:
    try:
        config = load(place, BASE | change)
    except ConfigError as error:
        assert str(error).startswith(str(place))
    else:
        assert Config.model_validate(config.model_dump()) == config
        assert len(config_digest(config)) == 64


@settings(**HONEST)
@given(
    text=st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from([*"{}[]:,-&*!|>?#'\" \n\t0", "name", "a", "regions", ": ", "\n  "]),
            max_size=25,
        ).map("".join),
    )
)
def test_any_text_is_a_configuration_error(place: Path, text: str) -> None:
    place.write_text(text, newline="")
    with pytest.raises(ConfigError):  # no text this short is a whole configuration
        load_config([str(place)], about="Test.")


# The configuration itself.


def test_the_configuration_cannot_be_changed() -> None:
    config = Config.model_validate(BASE)
    with pytest.raises(ValidationError):
        config.seed = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.sweep.epochs = 1  # type: ignore[misc]


def test_a_scene_folder_lays_scenes_onto_the_region_s_own_grid() -> None:
    scenes = FROM_FILES | {"ingest.folder.holds": "scenes"}
    regions = [BASE["regions"][0] | {"pixel_m": 60}]
    assert Config.model_validate(nest(scenes | {"regions": regions})).regions[0].pixel_m == 60


def test_a_variant_of_another_source_leaves_the_settings_of_the_run_s_own() -> None:
    values = nest({"ingest.synthetic.cloud_share": 0.9, "prepare.label.kind": "ndsi"})
    values["variants"] = {
        "plain": {},
        "stac": {"ingest.source": "stac", "ingest.stac.in_flight": 2},
    }
    config = Config.model_validate(values)
    assert config.variant("plain").ingest == config.ingest
    other = config.variant("stac").ingest
    assert (other.source, other.stac.in_flight, other.synthetic.cloud_share) == ("stac", 2, 0.35)


def test_a_stored_configuration_of_an_earlier_version_can_be_read_again() -> None:
    values = nest({"ingest.earthengine.project": "icy"})
    assert Config.model_validate(values, context=STORED).ingest.source == "synthetic"


def test_the_digest_follows_what_is_computed_and_not_where() -> None:
    plain = config_digest(Config.model_validate(BASE))
    for same in (
        {"storage": "/else"}, {"results": "/else"}, {"cluster.cpus": 2},
        {"sweep.checkpoint_s": 5}, {"sweep.max_retries": 3}, {"prepare.max_failed": 2},
        {"ingest.max_failed": 2},
        {"prepare.label.provenance": {
            "source": "RGI", "years": [2000, 2000], "owner": "x", "licence": "y"
        }},
        {"prepare.label.outlines": "/a/o.gpkg"},
    ):  # fmt: skip
        assert config_digest(Config.model_validate(nest(same))) == plain
    changes = [{"seed": 1}, {"months.first": "2015-01"}, {"prepare.label.kind": "ndsi"},
               {"sweep.epochs": 3}, {"ingest.cloud_profile": "strict"}]  # fmt: skip
    assert len({config_digest(Config.model_validate(nest(c))) for c in changes} | {plain}) == 6
    weights = [{"sweep.encoder_weights": w} for w in ("/a/w.pth", "/b/w.pth", "imagenet", "none")]
    kinds = [config_digest(Config.model_validate(nest(w))) for w in weights]
    assert kinds[0] == kinds[1] and kinds[3] == plain and len(set(kinds)) == 3
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})


# Exit codes.


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [
        (0, 0, ""),
        (3, 1, ""),
        (SourceError("no such scene"), 1, "SourceError: no such scene"),
        (ConfigError("field x = 1"), 2, "field x = 1"),
        (KeyboardInterrupt(), 130, "goes on where this one stopped"),
    ],
)
def test_exit_codes(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    outcome: int | BaseException,
    code: int,
    said: str,
) -> None:
    def stage(config: Config) -> int:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    place.write_text(yaml.safe_dump(BASE))
    assert run_command([str(place)], "Test.", stage) == code
    assert said in capsys.readouterr().err


def test_a_defect_is_not_swallowed(place: Path) -> None:
    def stage(config: Config) -> int:
        raise KeyError("a defect")

    place.write_text(yaml.safe_dump(BASE))
    with pytest.raises(KeyError, match="a defect"):
        run_command([str(place)], "Test.", stage)


# What people write, as they write it.


def load_text(place: Path, text: bytes) -> Any:
    place.write_bytes(text)
    return read_yaml(str(place))


def test_numbers_are_those_that_people_write(tmp_path: Path) -> None:
    """YAML 1.1 reads base 8 behind a nought and base 60 behind a colon."""
    text = b"a: [00712, 012, 12:30, 1:30.5, 0, 7, -3, 0x10, 1_000, 0.5, -.5, 1.0e-4, .inf, 10]"
    found = load_text(tmp_path / "a.yaml", text)["a"]
    assert found[:4] == ["00712", "012", "12:30", "1:30.5"]
    assert found[4:] == [0, 7, -3, 16, 1000, 0.5, -0.5, 1e-4, float("inf"), 10]
    assert load_text(tmp_path / "a.yaml", b"seed: 010")["seed"] == "010"  # then checked as 10


def test_ids_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    text = b"r: [{ids: [00712, 7, 1.10, NO, 2014-01-01, 12:30, 'x', 1e5]}, {ids: [~]}, {ids: 7}]"
    first, second, third = load_text(tmp_path / "a.yaml", text)["r"]
    assert first["ids"] == ["00712", "7", "1.10", "NO", "2014-01-01", "12:30", "x", "1e5"]
    assert (second["ids"], third["ids"]) == ([None], 7)


def test_numbers_behind_a_nought_are_decimal_in_a_field(place: Path) -> None:
    assert load(place, yaml.safe_dump(nest({})) + "seed: 010\n").seed == 10


def test_files_are_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    for code in ("utf-8", "utf-8-sig"):
        assert load_text(tmp_path / "a.yaml", "name: Übung".encode(code)) == {"name": "Übung"}
    with pytest.raises(ConfigError, match=r"a\.yaml is not UTF-8 .* at byte 6.*: save it as UTF-8"):
        load_text(tmp_path / "a.yaml", "name: Übung".encode("latin-1"))
