from glacier.plots.figures import BASELINE, COLOURS, FAMILIAR, style_of


def test_a_method_looks_the_same_wherever_it_stands():
    assert style_of("resnet34").colour == COLOURS[0]
    assert style_of("some_net") == style_of("some_net")
    assert style_of("NDSI > 0.4") == style_of("random forest") == BASELINE


def test_methods_that_often_stand_together_differ_in_colour_and_mark():
    assert len({style.colour for style in FAMILIAR.values()}) == len(FAMILIAR)
    assert len({style.marker for style in FAMILIAR.values()}) == len(FAMILIAR)


def test_no_other_network_looks_like_the_ensemble():
    ensemble = style_of("ensemble").colour
    assert all(style_of(f"net-{k}").colour != ensemble for k in range(50))
