"""Calendar months: one, and a span of them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from glacier.settings.model import Model

Month = Annotated[str, Field(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])$")]
"""A calendar month, ``YYYY-MM``."""


class Months(Model):
    """A span of calendar months, both ends included."""

    first: Month = "2014-01"
    """First month, YYYY-MM."""
    last: Month = "2023-12"
    """Last month, YYYY-MM."""

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Refuse a span that ends before it begins."""
        if self.last < self.first:
            raise ValueError(f"last month {self.last} lies before the first, {self.first}")
        return self

    def dates(self) -> tuple[date, date]:
        """First days of the first and of the last month."""
        return date.fromisoformat(f"{self.first}-01"), date.fromisoformat(f"{self.last}-01")
