"""Forms as they come over the network."""

import pytest
from starlette.exceptions import HTTPException

from glacier.serving.multipart import PartReader

KIND = 'multipart/form-data; boundary="b-1"'
DATA = b"II*\0\r\n--b-\r\n\r\n--b-2\r\n" + bytes(range(256))


def make_form(name: str = "image", data: bytes = DATA, end: bytes = b"--b-1--\r\n") -> bytes:
    head = f'--b-1\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
    return head.encode() + data + b"\r\n" + end


def read(form: bytes, step: int) -> bytes:
    reader = PartReader(KIND, "image")
    found = b"".join(reader.feed(form[k : k + step]) for k in range(0, len(form), step))
    reader.check_end()
    return found


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_the_file_is_the_same_however_the_form_comes_in_pieces(step: int) -> None:
    assert read(make_form(), step) == DATA


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        (make_form()[:-8], 400, "ends in its midst"),
        (make_form(name="../x"), 422, "form field '../x'"),
        (b"no form", 400, "no multipart/form-data"),
        (b"--b-1--\r\n", 422, "has no field image"),
        (b"--b-1\r\n" + b"a" * 100_000, 400, "no multipart/form-data"),
        (b"--b-1\r\n" + b"a: b\r\n" * 1000, 400, "no multipart/form-data"),
        (b"--b-1\r\n\r\nx\r\n--b-1--\r\n", 422, "form field ''"),
    ],
    ids=range(7),
)
def test_other_forms_are_refused(form: bytes, status: int, words: str) -> None:
    with pytest.raises(HTTPException, match=words) as caught:
        read(form, 64)
    assert caught.value.status_code == status


def test_a_form_wants_a_boundary() -> None:
    with pytest.raises(HTTPException, match="no boundary"):
        PartReader("multipart/form-data", "image")
