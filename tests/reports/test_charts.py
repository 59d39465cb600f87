"""Charts of a comparison, by what they say to those who cannot see them."""

from glacier.evaluation.comparison import compare_methods
from glacier.reports.charts import draw_accuracy
from tests.support.sweeps import make_baseline, make_sweep


def test_the_best_rival_stands_among_the_networks_and_never_the_labels_own_rule() -> None:
    baselines = {
        "own": make_baseline([1.0, 1.0], "own rule", is_rival=False),
        "forest": make_baseline([0.8, 0.7], "random forest"),
        "all": make_baseline([0.5, 0.4], "all glacier"),
        "none": make_baseline("no band", "left out"),
    }
    sweep = make_sweep({"a": [0.9, 0.8]}, baselines)
    alt = draw_accuracy(sweep, compare_methods(sweep))["folds"].alt
    assert "random forest: mean 0.750, folds from 0.700 to 0.800" in alt
    assert "baseline own rule: mean 1.000" in alt and "baseline all glacier: mean 0.450" in alt
    assert "left out" not in alt


def test_without_a_rival_networks_stand_alone() -> None:
    baselines = {"own": make_baseline([1.0, 1.0], "own rule", is_rival=False)}
    sweep = make_sweep({"a": [0.9, 0.8]}, baselines)
    alt = draw_accuracy(sweep, compare_methods(sweep))["folds"].alt
    assert "a: mean 0.850" in alt and "; baseline own rule: mean 1.000" in alt
