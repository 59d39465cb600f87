"""A form as it comes over the network -> the bytes of its one file."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException


class PartReader:
    """Reads a form that holds a file in a field of a given name, and nothing else."""

    def __init__(self, content_type: str, field: str) -> None:
        """Read a form.

        Args:
            content_type: Its header, with the boundary.
            field: Name of the field.

        Raises:
            HTTPException: 400: there is no boundary.
        """
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise HTTPException(400, "multipart/form-data has no boundary; let the client set it")
        self.field, self.found, self.has_ended = field, False, False
        self.name, self.value = bytearray(), bytearray()
        self.headers: dict[bytes, bytes] = {}
        self.data = bytearray()
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self.begin_part,
                "on_header_field": self.add_name,
                "on_header_value": self.add_value,
                "on_header_end": self.end_header,
                "on_headers_finished": self.check_part,
                "on_part_data": self.add_data,
                "on_end": self.end,
            },
        )

    def feed(self, chunk: bytes) -> bytes:
        """Bytes of the file that a piece of the form holds.

        Raises:
            HTTPException: 400 or 422: it is no form, or one of another kind.
        """
        try:
            self.parser.write(chunk)
        except FormParserError as error:
            raise HTTPException(400, f"the body is no multipart/form-data: {error}") from error
        data = bytes(self.data)
        self.data.clear()
        return data

    def check_end(self) -> None:
        """Refuse a form that was cut, or had no file.

        Raises:
            HTTPException: 400 or 422.
        """
        if not self.has_ended:
            raise HTTPException(400, "the form ends in its midst; send it again, whole")
        if not self.found:
            raise HTTPException(422, f"the form has no field {self.field}; send a GeoTIFF in it")

    def begin_part(self) -> None:
        """Forget the headers of the part before."""
        self.headers = {}

    def add_name(self, data: bytes, start: int, end: int) -> None:
        """Add to the name of a header."""
        self.name += data[start:end]

    def add_value(self, data: bytes, start: int, end: int) -> None:
        """Add to the value of a header."""
        self.value += data[start:end]

    def end_header(self) -> None:
        """Keep a header."""
        self.headers[bytes(self.name).lower()] = bytes(self.value)
        self.name.clear()
        self.value.clear()

    def check_part(self) -> None:
        """Refuse a part that is not the file."""
        said = parse_options_header(self.headers.get(b"content-disposition"))[1]
        name = said.get(b"name", b"").decode("utf-8", "replace")
        if name != self.field or self.found:
            raise HTTPException(
                422, f"form field {name[:80]!r}: wanted one field {self.field!r} with a GeoTIFF"
            )
        self.found = True

    def add_data(self, data: bytes, start: int, end: int) -> None:
        """Keep bytes of the file."""
        self.data += data[start:end]

    def end(self) -> None:
        """The closing boundary was there."""
        self.has_ended = True
