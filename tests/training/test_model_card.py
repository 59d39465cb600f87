"""The card of a model in words: every fact that someone must know before using it."""

import pytest

from glacier.training.model_card import describe_model

CARD = {
    "encoder": "resnet34", "fold": 2, "bands": ["nir", "red"], "scale": "reflectance",
    "size_px": 128, "parameters": 24_400_000, "temperature": 1.25, "threshold": 0.43, "seed": 7,
    "data": {"regions": ["ridge", "col"], "first": "2014-05", "last": "2016-09", "images": 21},
    "label": {"kind": "truth", "provenance": None},
    "split": {"fold": 2, "test": ["2016"], "validation": ["2015"], "train": ["2014"]},
    "training": {"encoder_weights": "none", "loss": "dice", "protocol": "honest",
                 "folds": {"kind": "by_year"}},
    "scores": {"tested": [{"tp": 30, "fp": 10, "fn": 10, "tn": 50}]},
}  # fmt: skip
PEDIGREE = {
    "source": "RGI 7.0", "years": [2000, 2000], "owner": "RGI Consortium", "licence": "CC BY 4.0",
}  # fmt: skip


def test_the_card_holds_network_data_and_scores() -> None:
    text = describe_model(CARD)
    assert text.startswith("# resnet34, fold 2\n")
    for words in (
        "24.4 million parameters, from random weights", "divided by 1.25", "probability of 0.43",
        "ridge, col, 2014-05 to 2016-09 (21 months", "Dice 0.750, IoU 0.600", "validation part",
        "exact truth of synthetic scenes", "another glacier may score far lower",
        "of these it learned from 2014.",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": {"kind": "outlines", "provenance": PEDIGREE}},
         "those of RGI 7.0, of 2000, by RGI Consortium, under CC BY 4.0"),
        ({"label": {"kind": "outlines", "provenance": None}}, "come from the run did not say"),
        ({"scores": {"tested": [dict.fromkeys(("tp", "fp", "fn", "tn"), 0)]}},
         "It was not tested"),
        ({"split": CARD["split"] | {"train": [f"u{k}" for k in range(30)]}}, "u23 and 6 more"),
        ({"training": CARD["training"] | {"protocol": "notebook"}}, "so the score is too high"),
        ({"split": CARD["split"] | {"validation": []}}, "of its last epoch; nothing was chosen"),
        ({"training": CARD["training"] | {"encoder_weights": "imagenet"}},
         "from weights trained on ImageNet"),
        ({"training": CARD["training"] | {"encoder_weights": "/a/b/w.safetensors"}},
         "from the weights of w.safetensors"),
    ],
)  # fmt: skip
def test_what_weakens_a_model_is_said(changes: dict, words: str) -> None:
    assert words in describe_model(CARD | changes)
