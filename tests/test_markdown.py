"""Text in Markdown, as two readers of it show it: the same text, and nothing but text."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from glacier.markdown import escape

PLACES = {
    "alone": "{}",
    "after words": "words {}",
    "before words": "{} words",
    "item": "- name: {}",
    "title": "# {}",
    "cell": "| a | b |\n|---|---|\n| {} | c |",
    "bold": "**{}**",
    "link": "[{}](place/report.html)",
    "picture": "![{}](picture.png)",
    "below": "words\n{}\nmore",
}
"""Where our own pages put text from outside."""

HOSTILE = (
    "[link](javascript:alert(1))", "![p](https://evil.example/p.png)", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "<!-- gone", "&lt;b&gt; &#x3c;b&#x3e;", "# heading", "- item",
    "1. item", "12) item", "+ item", "> quote", "===", "---", "***", "```\nfence", "~~~", "`code`",
    "a | b | c", "|---|---|", "line\n\n# heading", "cr\rline\u2028line\x0bline\x85line",
    "*emphasis* and **bold** and _more_ and __most__", "back\\slash\\", "a\\|b", "]", "](evil)",
    "[ref][id]", "[id]: https://evil.example", "https://evil.example/a", "www.evil.example",
    "mailto:a@evil.example", "a@evil.example", "<https://evil.example>", "\tindented", "    code",
    "{: onclick=alert(1) }", "{ #id .c onclick=alert(1) }", "$x^2$ $$y$$", "~~gone~~",
    "\u202eturned\u202c", "zero\u200bwidth", "nul\x00byte", "![", "<", "&", "[", "\\", "*", "_",
)  # fmt: skip


class Seen(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.words += [value or "" for name, value in attrs if name == "alt"]

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", ()))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def read_common(text: str) -> Seen:
    """As CommonMark with GitHub's tables and strikes shows it."""
    return Seen(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))


def read_site(text: str) -> Seen:
    """As the documentation's site shows it."""
    markdown = pytest.importorskip("markdown")
    extensions = ["tables", "attr_list", "def_list", "footnotes", "abbr", "toc"]
    html = markdown.markdown(text, extensions=extensions)
    return Seen(html.replace(' id="', ' data-id="'))  # of a title, which follows its words


HIDDEN = "\x7f\x85\u2028\u2029\u200b\u202e\u202c"


@pytest.mark.parametrize("read", [read_common, read_site])
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_becomes_anything_but_itself(text: str, read: Callable[[str], Seen]) -> None:
    letters = "".join(c for c in text if ord(c) > 32 and c not in HIDDEN)
    for name, place in PLACES.items():
        found, wanted = read(place.format(escape(text))), read(place.format("word"))
        assert found.tags == wanted.tags, name
        assert letters in found.text.replace(" ", ""), name


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("[]()<>!*_`#|-+=~\\&;:/.@$ {}ab1\n\t\r\u2028"), max_size=24))
@example("*a*\n***")
@example("a\n=")
def test_nor_does_any_other(text: str) -> None:
    for place in PLACES.values():
        found, wanted = read_common(place.format(escape(text))), read_common(place.format("word"))
        if escape(text):
            assert found.tags == wanted.tags, (text, place)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("resnet34, fold 2: Dice 0.750 (0.7 to 0.8); p = 0.03 of SR_B2!", None),
        ("tu-resnet18.a1_in1k", None),
        ("a|b", "a&#124;b"),
        ("<b>", "&#60;b&#62;"),
        ("[a](b)", r"\[a\](b)"),
        ("-0.5", r"\-0.5"),
        ("3. x", r"3\. x"),
        ("", ""),
    ],
)
def test_usual_words_stay_as_they_are(text: str, escaped: str | None) -> None:
    assert escape(text) == (text if escaped is None else escaped)
