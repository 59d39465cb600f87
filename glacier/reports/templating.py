"""How the templates of the pages are read, and how words stand in them."""

from __future__ import annotations

import base64
import re

import jinja2

from glacier.plots.figures import Picture
from glacier.plots.layers import LayerPicture


def open_templates() -> jinja2.Environment:
    """The templates of the pages: they escape what they are given and refuse unknown names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("glacier.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": data_uri, "keep_together": keep_together}
    return environment


def data_uri(picture: Picture | LayerPicture) -> str:
    """A picture as an address that holds it."""
    kind, data = (
        ("png", picture.png) if isinstance(picture, Picture) else (picture.kind, picture.data)
    )
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def keep_together(text: str) -> str:
    """A text whose lines do not end before a unit, or beside ``=`` and ``±``."""
    return re.sub(r"(?<=\d) (?=(?:s|min|h|m|px|km|km²)\b|%)| (?=[=±])|(?<=[=±]) ", "\u00a0", text)
