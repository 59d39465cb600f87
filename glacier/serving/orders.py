"""What goes between the service and a process that maps: one line of JSON each way."""

from __future__ import annotations

from typing import Self

from glacier import errors
from glacier.errors import GlacierError
from glacier.serving.answer import Answer
from glacier.settings.model import Model

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, GlacierError)
}
"""Errors by the names that a reply gives them."""

MEMORY, DEFECT = "memory", "defect"
"""Kinds of a reply after which a process is not to be used again."""


class Order(Model):
    """An image that is to be mapped."""

    image: str
    """Local path of a file that anybody may have made."""
    folder: str
    """Local path of an empty folder for the files of the answer."""
    pixels: int
    """Most height x width."""
    memory_mb: int
    """Most memory of the process."""
    explain: bool = False
    """Whether it is said which band decides."""


class Reply(Model):
    """What came of an order; neither answer nor error: all is ready, or its work begins."""

    answer: Answer | None = None
    kind: str = ""
    """Name of the error, ``MEMORY``, or ``DEFECT`` for one that should not have been."""
    message: str = ""

    @classmethod
    def refuse(cls, error: GlacierError) -> Self:
        """The reply that passes on an error."""
        return cls(kind=type(error).__name__, message=str(error))

    @property
    def is_last(self) -> bool:
        """Whether the process is not to be used again."""
        return self.kind not in ("", *KINDS)
