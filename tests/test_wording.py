from glacier.wording import join_words, name_coordinates, name_place, nearest, shorten_list


def test_names_are_joined_as_in_a_sentence() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b"]) == "a and b"
    assert join_words(["a", "b", "c"], "or") == "a, b or c"


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    assert shorten_list(["a", "b"], 2) == "a, b"
    assert shorten_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_a_point_is_written_with_its_side_of_equator_and_meridian() -> None:
    assert name_coordinates(58.5, -134.5) == "58.50 N 134.50 W"
    assert name_coordinates(-43.6, 170.2) == "43.60 S 170.20 E"
    assert name_coordinates(0, 181) == "0.00 N 179.00 W"


def test_what_is_near_is_offered_and_else_all_of_a_few() -> None:
    assert nearest("resnet43", ["resnet34", "vgg"]) == "; did you mean resnet34?"
    assert nearest("x", ["glacier", "debris"]) == "; known: glacier, debris"
    assert nearest("x", ["glacier"] * 13) == ""
    assert nearest("arms", ["lakes", "rivers"]) == "; known: lakes, rivers"  # that of a field alone


def test_a_place_is_written_as_people_know_it() -> None:
    assert name_place("mendenhall") == "Mendenhall"
    assert name_place("gorner_west-2") == "Gorner West 2"
    assert name_place("rgi60-15-03473") == "RGI60-15-03473"
    assert name_place("mendenhall", synthetic=True) == "Synthetic Mendenhall"
    assert name_place("groer", title="Großer Aletsch") == "Großer Aletsch"
