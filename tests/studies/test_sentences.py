import pytest

from glacier.studies import sentences
from glacier.studies.differences import Difference
from glacier.studies.rows import list_rows
from tests.support.variants import find_row, give_units, make_variant, move_units


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Difference(0.1, 0.05, 0.15, None, "plain"), "flatters net: Dice over all test pixels 0.9"),
        (Difference(0.1, -0.05, 0.25, None, "plain"), "is not shown to flatter net"),
        (Difference(-0.1, -0.15, -0.05, None, "plain"), "does not flatter but lowers net"),
        (Difference(0.1, None, None, None, "plain"), "is not shown to flatter net"),
    ],
)
def test_what_a_random_split_flatters_has_sign_and_interval(difference, words):
    row, base = (
        find_row([make_variant(name, {"net": [dice]})], name)
        for name, dice in (("random", 0.9), ("strict", 0.8))
    )
    sentence = sentences.explain_flattery(row, base, difference, "strips are held out (strict)")
    assert words in sentence and f"{difference.difference:+.3f}" in sentence
    assert "0.800 when strips are held out (strict)" in sentence


def test_leakage_is_told_for_random_folds_under_a_strict_reference_alone():
    strict = give_units(make_variant())
    shuffled = make_variant("random", changes={"sweep.folds.kind": "shuffled"})
    random = move_units(give_units(shuffled))
    rows = list_rows([strict, random])
    (sentence,) = sentences.explain_leakage([strict, random], rows)
    assert "when whole years are held out (plain)" in sentence
    assert sentences.explain_leakage([random, strict], list_rows([random, strict])) == []
    assert sentences.explain_leakage([strict, strict], list_rows([strict, strict])) == []
