"""The page of a study, from variants with given scores."""

from collections.abc import Iterator
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from glacier.evaluation.results import FailedTrial
from glacier.studies.page import write_labels, write_losses, write_page
from tests.support.sweeps import make_epochs
from tests.support.variants import (
    archive_of,
    edit_trials,
    give_ensemble,
    give_units,
    make_variant,
    move_units,
    summarise_study,
)

TWO = {"resnet34": [0.8, 0.7], "deep": [0.7, 0.6]}


def test_the_published_numbers_stand_beside_those_of_every_variant() -> None:
    dice = {"resnet34": [0.8, 0.7]}
    published = edit_trials(
        make_variant("published", dice, changes={"sweep.protocol": "notebook"}),
        lambda trial: trial.model_copy(
            update={"epochs": make_epochs([0.4, 0.2, (0.05, 0.1)[trial.fold]])}
        ),
    )
    blind = make_variant("blind", dice, losses=(None,), changes={"sweep.folds.validation_share": 0})
    page = "\n".join(write_losses(summarise_study(published, blind)))
    assert "| as published | resnet34 | 0.0810 | 0.1059 | 0.0810, 0.0968, 0.1424" in page
    assert "| published | resnet34 | 0.0500 | 0.0750 | 0.0500, 0.1000 |" in page
    assert "| blind | resnet34 |  |  | ,  |" in page
    assert "resnet50" not in page
    assert write_losses(summarise_study(blind)) == []
    assert "The published experiment is a notebook of 2024 that mapped the Mendenhall" in page


def test_what_the_variants_are_scored_against_is_said_once_or_apart() -> None:
    assert write_labels({"a": "Truth.", "b": "Truth."}) == ["Truth."]
    apart = write_labels({"a": "Truth.", "b": "A threshold."})
    assert "different labels" in apart[0] and apart[-2:] == ["- a: Truth.", "- b: A threshold."]


def test_the_table_shows_encoders_their_ensemble_and_the_best_rival() -> None:
    rules = {"ndsi": [0.5, 0.6], "band_ratio": [0.4, 0.4]}
    plain = give_ensemble(make_variant(dice=TWO, baselines=rules), [0.85, 0.75])
    other = make_variant("other", TWO, baselines=rules, changes={"sweep.weight_decay": 0.1})
    page = write_page(summarise_study(plain, give_ensemble(other, [0.9, 0.8])), "picture")
    assert "| other | sweep.weight_decay = 0.1 | ensemble | 0.850 ± 0.071 |  |" in page
    assert "| other | ensemble | 0.850 (0 units) | 0.739 |  |  |" in page
    assert "| plain | nothing | ndsi |" in page and "band_ratio" not in page
    tables = [line for line in page.splitlines() if line.startswith("|---")]
    assert [line.count("---") for line in tables] == [5, 6]  # a phone shows no more
    assert "their ensemble, which averages their probabilities, and the best" in page
    assert "What is not shown to change it: other (+0.000), other (+0.000)." in page


def test_a_study_without_an_ensemble_does_not_speak_of_one() -> None:
    page = write_page(summarise_study(make_variant(), make_variant("other")), "picture")
    assert "ensemble" not in page and "Beside the encoders stands the best" in page


def test_what_changes_and_what_failed_is_said() -> None:
    changes = {"sweep.weight_decay": 0.1, "prepare.image": ["nir", "swir1"]}
    summary = summarise_study(
        give_units(make_variant()),
        give_units(make_variant("both", changes=changes)),
        lost={"years": "ConfigError: too few"},
    )
    page = write_page(summary, "picture")
    assert "| both | 2 settings, below |" in page
    assert r"- prepare.image is \['nir', 'swir1'\] instead of \['nir', 'red', 'green'\]." in page
    assert "- years: failed, ConfigError: too few." in page
    assert "0 months of Synthetic A (source: synthetic), resized to 224 x 224 px" in page


def test_a_page_says_what_it_is_of_and_what_its_measures_mean() -> None:
    page = write_page(summarise_study(make_variant(), make_variant("other")), "picture")
    assert page.startswith("# Study made (synthetic data)\n")
    for measure in ("Dice: overlap of", "IoU: the ground that both", "p: how often"):
        assert measure in page
    real = make_variant(**archive_of("earthengine"))
    page = write_page(summarise_study(real, replace(real, name="other")), "picture")
    assert page.startswith("# Study made\n") and "synthetic" not in page


SECRETS = ("icy-project", "robot@icy", "alice", "private-bucket")


def test_a_page_and_its_file_name_no_account_and_no_place() -> None:
    """Not by what a variant changes, nor by why it or one of its trials failed."""
    changes = {
        "ingest.earthengine.project": "icy-project",
        "ingest.earthengine.service_account": "robot@icy.example",
        "ingest.earthengine.key_file": "/home/alice/key.json",
        "prepare.label.outlines": "/home/alice/rgi.gpkg",
        "sweep.encoder_weights": "s3://private-bucket/alice/net.pt",
    }
    reason = "StoreError: /home/alice/data/x.tif, of icy-project, is damaged"
    failed = (FailedTrial(encoder="net", fold=1, reason=reason),)
    first = make_variant("first", changes=changes, failed=failed, **archive_of("earthengine"))
    summary = summarise_study(
        first,
        make_variant("other", changes=changes, **archive_of("earthengine")),
        lost={"last": "StoreError: /home/alice/y"},
    )
    text = write_page(summary, "picture") + summary.model_dump_json()
    assert [secret for secret in SECRETS if secret in text] == []
    for words in ("…/rgi.gpkg", "ingest.earthengine.project is (hidden)", "weights from …/net.pt",
                  "StoreError: …/x.tif, of (hidden), is damaged"):  # fmt: skip
        assert words in text


def test_verdicts_lead_where_variants_have_other_folds() -> None:
    strict = give_units(make_variant())
    shuffled = make_variant("random", changes={"sweep.folds.kind": "shuffled"})
    page = write_page(summarise_study(strict, move_units(give_units(shuffled))), "picture")
    assert "- The random split (random) is not shown to flatter net" in page
    assert "- **plain**: Take net: it finds 80 % of the ice" in page


def test_words_from_outside_are_words_on_the_page() -> None:
    """A reason, a setting and a title become neither a link, a picture, a line nor a cell."""
    evil = "<b>x</b> [a](http://evil.example) ![p](q) | cell\n\n# heading\n```"
    summary = summarise_study(
        give_units(make_variant(dice=TWO)),
        give_units(make_variant("other", TWO, changes={"sweep.encoder_weights": evil})),
        lost={"gone": f"WeightsError: {evil}"},
    )
    rows = [row.model_copy(update={"title": evil}) for row in summary.rows]
    page = write_page(summary.model_copy(update={"rows": tuple(rows)}), f"picture of {evil}")
    usual = write_page(summarise_study(give_units(make_variant(dice=TWO)),
                                       give_units(make_variant("other", TWO)),
                                       lost={"gone": "x"}), "picture")  # fmt: skip
    markdown = MarkdownIt("commonmark").enable("table")
    tags = [[token.type for token in walk(markdown.parse(text))] for text in (page, usual)]
    assert "html_inline" not in tags[0] and "html_block" not in tags[0]
    for kind in ("link_open", "image", "heading_open", "fence", "td_open", "tr_open"):
        assert tags[0].count(kind) == tags[1].count(kind), kind
    assert page.count("evil.example") >= 4


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])
