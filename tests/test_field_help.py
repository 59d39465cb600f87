"""Fields in plain words."""

import pytest

from glacier.config import Config
from glacier.field_help import WIDTH, describe_fields, list_fields
from glacier.flags import field_names

FIELDS = {field.name: field for field in list_fields()}


@pytest.mark.parametrize(
    ("name", "allowed", "default"),
    [
        ("sweep.epochs", "whole number, 1 to 10000", "30"),
        ("sweep.learning_rate", "number, above 0 to 1", "0.0001"),
        ("sweep.folds.validation_share", "number, 0 to below 1", "0.2"),
        ("sweep.checkpoint_s", "number, at least 0", "60"),
        ("sweep.patience_epochs", "whole number, at least 1 or none", "none"),
        ("sweep.loss", "one of dice, dice_bce", "dice"),
        ("sweep.flips", "true or false", "true"),
        ("sweep.encoders", "list of: text", "resnet34,resnet50,efficientnet-b4"),
        ("prepare.size_px", "whole number, 32 to 2048, multiple of 32", "128"),
        ("prepare.blocks", "2 of: whole number, above 0", "5,5"),
        ("prepare.label.outlines", "path, names and values, in the file or none", "none"),
        ("storage", "path", "./data"),
        ("name", "name of a-z, 0-9, _ and -", "needed"),
        ("months.first", "month YYYY-MM", "2014-01"),
        ("regions", "list of: region, in the file", "needed"),
        ("variants", "names and values, in the file", "none"),
        ("seed", "whole number, 0 to below 4294967296", "42"),
    ],
)
def test_a_field_says_what_it_takes(name: str, allowed: str, default: str) -> None:
    assert (FIELDS[name].allowed, FIELDS[name].default) == (allowed, default)


def test_every_field_that_holds_a_value_is_there_with_what_it_means() -> None:
    names = set(field_names(Config))
    assert set(FIELDS) <= names
    inside = (
        "regions.",
        "ingest.folder.images.",
        "continual.tasks.",
    )  # of values that only the file can hold
    leaves = {n for n in names if not any(m.startswith(f"{n}.") for m in names)}
    assert {n for n in leaves if not n.startswith(inside)} <= set(FIELDS)
    assert all(field.about for field in FIELDS.values())


def test_all_is_said_where_nothing_is_chosen() -> None:
    text = describe_fields()
    assert all(f"  --{name}  " in text for name in FIELDS)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "..." not in text.replace("1 - j .. 1 + j", "")


def test_the_chosen_come_in_their_order() -> None:
    lines = describe_fields(("sweep.folds", "name")).splitlines()
    assert lines[0].startswith("  --sweep.folds.kind") and "  --name" in lines[10]
    assert lines[-1].endswith("more fields, and all that is said of each: --help all")
