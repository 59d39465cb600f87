from glacier.wording import join_words, name_place, shorten_list


def test_names_are_joined_as_in_a_sentence() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b"]) == "a and b"
    assert join_words(["a", "b", "c"], "or") == "a, b or c"


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    assert shorten_list(["a", "b"], 2) == "a, b"
    assert shorten_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"


def test_a_place_is_written_as_people_know_it() -> None:
    assert name_place("mendenhall") == "Mendenhall"
    assert name_place("gorner_west-2") == "Gorner West 2"
    assert name_place("rgi60-15-03473") == "RGI60-15-03473"
    assert name_place("mendenhall", synthetic=True) == "Synthetic Mendenhall"
    assert name_place("groer", title="Großer Aletsch") == "Großer Aletsch"
