from glacier.wording import join_words, shorten_list


def test_names_are_joined_as_in_a_sentence() -> None:
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b"]) == "a and b"
    assert join_words(["a", "b", "c"], "or") == "a, b or c"


def test_a_long_list_says_how_many_it_leaves_out() -> None:
    assert shorten_list(["a", "b"], 2) == "a, b"
    assert shorten_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"
