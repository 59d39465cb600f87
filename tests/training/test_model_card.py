"""The card of a model in words: every fact that someone must know before using it."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from glacier.evaluation.metrics import Counts
from glacier.settings.labels import Label
from glacier.settings.sweep import Sweep
from glacier.training.model_card import CardScores, describe_model
from tests.support.model_cards import SPLIT, TRAINING, make_card
from tests.support.sweeps import make_image

CARD = make_card()
PROVENANCE = {
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
        ({"label": Label(kind="outlines", provenance=PROVENANCE)},
         "those of RGI 7.0, of 2000, by RGI Consortium, under CC BY 4.0"),
        ({"label": Label(kind="outlines", provenance=PROVENANCE | {"licence": "CC BY-NC 4.0"})},
         "forbids commercial use: of this model and its maps"),
        ({"label": Label(kind="outlines")}, "come from the run did not say"),
        ({"scores": CardScores(epoch_kept=1, was_chosen=True, tested=[make_image(Counts())])},
         "It was not tested"),
        ({"split": replace(SPLIT, train=tuple(f"u{k}" for k in range(30)))}, "u23 and 6 more"),
        ({"training": Sweep(**TRAINING, protocol="notebook")}, "so the score is too high"),
        ({"scores": CARD.scores.model_copy(update={"was_chosen": False})},
         "of its last epoch; nothing was chosen"),
        ({"training": Sweep(**TRAINING, encoder_weights="imagenet")},
         "from weights trained on ImageNet"),
        ({"training": Sweep(**TRAINING, encoder_weights="/a/b/w.safetensors")},
         "from the weights of w.safetensors"),
        ({"data": CARD.data.model_copy(update={"sensors": ("landsat-8", "sentinel-2a")})},
         "21 months with an image, taken by landsat-8, sentinel-2a)"),
        ({"parent": "ab" * 32}, "from the weights of an earlier model, abababababab, with which"),
    ],
)  # fmt: skip
def test_what_weakens_a_model_is_said(changes: dict, words: str) -> None:
    assert words in describe_model(CARD.model_copy(update=changes))


EVIL = "[a](http://evil.example) <script>x</script> ![p](q)\n\n# heading\n| a |\n```"


@pytest.mark.parametrize("changes", [
    {"label": Label(kind="outlines", provenance={
        "source": EVIL, "years": [2000, 2000], "owner": EVIL, "licence": EVIL})},
    {"split": replace(SPLIT, train=(EVIL,))},
    {"training": Sweep(**TRAINING, encoder_weights=EVIL)},
    {"encoder": EVIL},
    {"image": CARD.image.model_copy(update={"bands": (EVIL,)})},
    {"data": CARD.data.model_copy(update={"regions": (EVIL,)})},
    {"data": CARD.data.model_copy(update={"sensors": (EVIL,)})},
], ids=lambda changes: next(iter(changes)))  # fmt: skip
def test_words_from_outside_are_words_in_the_card(changes: dict) -> None:
    markdown = MarkdownIt("commonmark").enable("table")
    kinds = [
        {token.type for block in markdown.parse(text) for token in (block, *(block.children or ()))}
        for text in (describe_model(CARD.model_copy(update=changes)), describe_model(CARD))
    ]
    assert kinds[0] == kinds[1]
    assert describe_model(CARD.model_copy(update=changes)).count("\n#") == 7
