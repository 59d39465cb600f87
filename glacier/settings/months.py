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
    of_year: tuple[Annotated[int, Field(ge=1, le=12)], ...] | None = None
    """Calendar months, 1..12, that are wanted of every year; None: all. Late summers are enough
    for an area by year."""

    @model_validator(mode="after")
    def check_order(self) -> Self:
        """Refuse a span that ends before it begins, and months that are none or twice there."""
        if self.last < self.first:
            raise ValueError(f"last month {self.last} lies before the first, {self.first}")
        if self.of_year is not None and len(set(self.of_year)) != max(1, len(self.of_year)):
            raise ValueError(f"of_year {self.of_year}: wanted one month or more, none twice")
        return self

    def dates(self) -> tuple[date, date]:
        """First days of the first and of the last month."""
        return date.fromisoformat(f"{self.first}-01"), date.fromisoformat(f"{self.last}-01")

    def wants(self, month: date) -> bool:
        """Whether a month of the span is wanted."""
        return self.of_year is None or month.month in self.of_year
