"""The description of the interface is complete and true."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from glacier.settings.serve import Serve
from tests.support.running_service import ask_app, make_app, serve_app
from tests.support.stand_in_mapper import TIFF, StandInMapper

EXAMPLES = 5
"""Of valid and of invalid requests, of each operation."""

TOKEN = {"Authorization": "Bearer 0123456789abcdef"}

UNSAID = [positive_data_acceptance]
"""What an image may be, or a box, or a month, no schema says."""

METHODS = ("get", "post", "put", "delete")

schemathesis.openapi.media_type("image/tiff", st.sampled_from([TIFF, b"", b"GIF89a"]))


def write_tokens(folder: Path) -> str:
    path = folder / "tokens"
    path.write_text("promote 0123456789abcdef\n")
    path.chmod(0o600)
    return str(path)


def list_operations(folder: Path) -> list[tuple[str, str, dict]]:
    """Method, path and description of each."""
    with ask_app(folder, tokens=write_tokens(folder)) as client:
        paths = client.get("/openapi.json", headers=TOKEN).json()["paths"]
    return [(m, path, paths[path][m]) for path in paths for m in METHODS if m in paths[path]]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    folder = tmp_path_factory.mktemp("service")
    tokens = write_tokens(folder)
    app = make_app(folder, StandInMapper(), limits={"deadline_s": 5}, tokens=tokens)
    with serve_app(app, Serve()) as port:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


def build_check(operation: schemathesis.APIOperation, mode: GenerationMode) -> Callable[[], None]:
    """Sends what fits the description of an operation, or does not."""

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=TOKEN, excluded_checks=UNSAID)

    return check


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
def test_whatever_is_sent_is_answered_as_described(
    api: schemathesis.BaseSchema, mode: GenerationMode
) -> None:
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        with suppress(Unsatisfiable):  # nothing about it can be wrong
            build_check(operation, mode)()


def test_every_operation_says_what_it_does_and_how_it_may_be_refused(tmp_path: Path) -> None:
    for method, path, told in list_operations(tmp_path):
        assert told["summary"] and told.get("description"), (method, path)
        answers = told["responses"]
        for status, answer in answers.items():
            if status >= "400":
                assert "application/problem+json" in answer["content"], (method, path, status)
        if not path.startswith("/health"):
            assert {"401", "403"} <= set(answers), (method, path)
            assert told["security"], (method, path)
