"""What clients are told, and what they are not."""

import pytest

from glacier.errors import ConfigError, OutOfTimeError, RasterError, StoreError
from glacier.serving.problems import explain_error, hide_places


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/tmp/glacier-x/uploads/ab12/image.tif is cut", "image.tif is cut"),
        ("'/a/b c' and s3://bucket/key/x.tif: gone", "'b c' and x.tif: gone"),
        ("30 m/px, 1/2 and / are no paths", "30 m/px, 1/2 and / are no paths"),
        ("~/data/models, file:///etc/passwd", "models, passwd"),
        ("width = 3; wanted 4", "width = 3; wanted 4"),
    ],
)
def test_places_of_the_server_are_not_told(said: str, shown: str) -> None:
    assert hide_places(said) == shown


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RasterError("/x/image.tif is cut"), 422),
        (ConfigError("no model x"), 422),
        (OutOfTimeError("too long"), 504),
        (StoreError("/x/model.json is gone"), 503),
    ],
)
def test_errors_have_a_status(error: Exception, status: int) -> None:
    problem = explain_error(error)
    assert problem.status == status and "/x" not in problem.detail
