"""What every model shares, of settings and of stored values, and the marks that fields bear.

A mark stands beside the type of its field (``Annotated[int, RUNTIME_ONLY]``), once: what is hashed,
what a shared page shows and what may differ between equal runs follows from the marks.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

RUNTIME_ONLY = "runtime only"
"""Mark of a field that changes where, how fast or how patiently, never what comes out."""

ADDRESS = "address"
"""Mark of a field that says where a file lies: the content of the file counts, not the place."""

TEXT = "text"
"""Mark of a field that pages repeat and nothing is computed from."""

SELECTION = "selection"
"""Mark of a field that says which units there are, never what is in one of them."""

WHEN_SET = "when set"
"""Mark of a field that does nothing as it comes: only another value tells a run from others."""

JUDGEMENT = "judgement"
"""Mark of a field that says how results are read: no result depends on it, their report does."""

PRIVATE = "private"
"""Mark of a field that names an account or a machine: no page that is passed on shows it."""

STORED = {"stored": True}
"""Context in which a stored value is read back, on whatever machine."""


class Model(BaseModel):
    """What the configuration and all stored values share: unknown fields refused, none changed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
