"""Who may ask for what."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from glacier.errors import ConfigError
from glacier.serving.tokens import read_access
from glacier.settings.serve import Serve
from tests.support.running_service import RAW, ask_app
from tests.support.stand_in_mapper import TIFF

TOKENS = {role: f"{role}-0123456789abcdef" for role in ("read", "run", "promote")}


def write_tokens(folder: Path, text: str | None = None, mode: int = 0o600) -> str:
    path = folder / "tokens"
    lines = "\n".join(f"{role}  {token}" for role, token in TOKENS.items())
    path.write_text(f"# who may what\n\n{lines}\n" if text is None else text)
    path.chmod(mode)
    return str(path)


def try_all(client: TestClient, token: str | None) -> list[int]:
    """What reading, running and promoting is answered with."""
    headers = {"authorization": f"Bearer {token}".encode("latin-1")} if token else {}
    return [
        client.get("/model", headers=headers).status_code,
        client.post("/maps", content=TIFF, headers=RAW | headers).status_code,
        client.put("/model", json={"id": "tiny+first"}, headers=headers).status_code,
    ]


def test_each_role_may_do_what_those_before_it_may(tmp_path: Path) -> None:
    with ask_app(tmp_path, tokens=write_tokens(tmp_path)) as client:
        assert try_all(client, TOKENS["read"]) == [200, 403, 403]
        assert try_all(client, TOKENS["run"]) == [200, 200, 403]
        assert try_all(client, TOKENS["promote"]) == [200, 200, 200]
        for none in (None, "x", TOKENS["run"][:-1], TOKENS["run"] + "x", "\xe9"):
            assert try_all(client, none) == [401] * 3
        assert client.get("/health/live").status_code == 200
        refused = client.get("/jobs")
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer <token>" in refused.json()["detail"]


def test_without_tokens_everybody_here_may_run_and_nobody_promote(tmp_path: Path) -> None:
    with ask_app(tmp_path) as client:
        assert try_all(client, None) == [200, 200, 403]


def test_a_map_is_seen_by_whoever_asked_for_it(tmp_path: Path) -> None:
    mine, theirs = ({"authorization": f"Bearer {TOKENS[role]}"} for role in ("run", "promote"))
    with ask_app(tmp_path, tokens=write_tokens(tmp_path)) as client:
        job = client.post("/maps", content=TIFF, headers=RAW | mine).json()["id"]
        assert client.get(f"/jobs/{job}", headers=mine).status_code == 200
        for headers in (theirs, {"authorization": f"Bearer {TOKENS['read']}"}):
            assert client.get(f"/jobs/{job}/results/class", headers=headers).status_code == 404
            assert client.get("/jobs", headers=headers).json()["jobs"] == []
        assert client.delete(f"/jobs/{job}", headers=theirs).status_code == 404


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (None, 0o644, "permissions 644 let others at it; chmod 600"),
        (None, 0o660, "permissions 660"),
        ("", 0o600, "no line <role> <token>"),
        ("runs 0123456789abcdef", 0o600, "line 1: no role 'runs'; did you mean run?"),
        ("# x\nrun 0123456", 0o600, "line 2: a token is 16 or more"),
        ("run 0123456789abcdef x", 0o600, "openssl rand -hex 32"),
    ],
)
def test_a_file_of_tokens_that_is_not_safe_is_refused(
    tmp_path: Path, text: str | None, mode: int, words: str
) -> None:
    settings = Serve(tokens=write_tokens(tmp_path, text, mode))
    with pytest.raises(ConfigError, match=r"serve\.tokens = ") as caught:
        read_access(settings)
    assert words in str(caught.value) and "0123456" not in str(caught.value)


def test_a_file_of_tokens_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_access(Serve(tokens=str(tmp_path / "none")))


def test_the_group_may_read_a_file_of_tokens(tmp_path: Path) -> None:
    assert read_access(Serve(tokens=write_tokens(tmp_path, mode=0o440))).tokens


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:80", "maps.example.org"])
def test_its_own_names_are_known(tmp_path: Path, host: str) -> None:
    with ask_app(tmp_path, hosts=["maps.example.org"]) as client:
        assert client.get("/model", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "", "169.254.1.1"])
def test_a_name_that_was_pointed_here_is_refused(tmp_path: Path, host: str) -> None:
    with ask_app(tmp_path) as client:
        answer = client.get("/model", headers={"host": host})
        assert answer.status_code == 403 and "serve.hosts" in answer.json()["detail"]
        assert client.get("/health/live", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("https://maps.example.org", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://localhost:9999", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_others_send_nothing_here(tmp_path: Path, origin: str, status: int) -> None:
    with ask_app(tmp_path, origins=["https://maps.example.org"]) as client:
        answer = client.post("/maps", content=TIFF, headers=RAW | {"origin": origin})
        assert answer.status_code == status


def test_named_pages_may_read_answers_and_no_others(tmp_path: Path) -> None:
    with ask_app(tmp_path, origins=["https://maps.example.org"]) as client:
        told = client.get("/model", headers={"origin": "https://maps.example.org"}).headers
        assert told["access-control-allow-origin"] == "https://maps.example.org"
        assert "X-Model-SHA256" in told["access-control-expose-headers"]
        told = client.get("/model", headers={"origin": "https://evil.example"}).headers
        assert "access-control-allow-origin" not in told
        asked = client.options(
            "/maps",
            headers={
                "origin": "https://maps.example.org",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization, content-type, prefer",
            },
        )
        assert asked.status_code == 200


def test_an_address_that_others_reach_wants_tokens() -> None:
    with pytest.raises(ValidationError, match=r"host 0\.0\.0\.0: others can reach it"):
        Serve(host="0.0.0.0")
    assert Serve(host="0.0.0.0", tokens="tokens").hosts == ()


def test_more_than_one_replica_wants_a_folder() -> None:
    with pytest.raises(ValidationError, match=r"serve\.folder"):
        Serve(replicas=(1, 2))
