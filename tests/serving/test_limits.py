"""How much one client may take."""

import asyncio
import time

import pytest
from starlette.exceptions import HTTPException

from glacier.serving import limits
from glacier.serving.limits import LimitSilence, Places, Rates
from glacier.settings.serve import ServeLimits

SCOPE = {"type": "http"}
BODY = {"type": "http.request", "body": b"x", "more_body": True}
END = {"type": "http.request", "body": b"", "more_body": False}


def test_places_are_given_back_and_say_when_to_come_again() -> None:
    places = Places(2, "images wait", workers=1)
    with places.take(), places.take():
        assert (places.taken, places.waiting) == (2, 1)
        with pytest.raises(HTTPException) as caught, places.take():
            pass
        assert caught.value.status_code == 503 and caught.value.detail.startswith("2 images wait")
        assert 1 <= int(caught.value.headers["Retry-After"]) <= 60
    assert places.taken == 0
    with pytest.raises(ValueError, match="x"), places.take():
        raise ValueError("x")
    assert places.taken == 0


def test_each_client_has_a_minute_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rates = Rates(2)
    for _ in range(2):
        rates.count("a")
    rates.count("b")
    now = 110.0
    with pytest.raises(HTTPException) as caught:
        rates.count("a")
    assert caught.value.headers == {"Retry-After": "50"}
    now = 160.5
    rates.count("a")
    Rates(None).count("a")


def test_clients_that_were_silent_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLIENTS", 3)
    rates = Rates(5)
    for k in range(10):
        rates.count(str(k))
    assert list(rates.times) == ["7", "8", "9"]


def run_silent(app, messages: list, waits: list[float], send_s: float = 0, **values) -> None:
    """Run an application under the guard; each message comes after its time."""

    async def receive() -> dict:
        await asyncio.sleep(waits.pop(0))
        return messages.pop(0)

    async def send(message: dict) -> None:
        await asyncio.sleep(send_s)

    guard = LimitSilence(app, ServeLimits.model_validate({"idle_s": 0.05} | values))
    asyncio.run(guard(SCOPE, receive, send))


async def read_all(scope, receive, send) -> None:
    while (await receive()).get("more_body"):
        pass


def test_a_client_that_keeps_sending_is_read() -> None:
    run_silent(read_all, [BODY] * 5 + [END], [0.02] * 6)


def test_one_that_falls_silent_is_told_408() -> None:
    with pytest.raises(HTTPException, match=r"nothing came for 0\.05 s") as caught:
        run_silent(read_all, [BODY, END], [0, 9])
    assert caught.value.status_code == 408 and caught.value.headers == {"Connection": "close"}


def test_one_that_trickles_is_told_408_in_the_end() -> None:
    with pytest.raises(HTTPException, match=r"longer than 0\.1 s"):
        run_silent(read_all, [BODY] * 99, [0.03] * 99, upload_s=0.1)


def test_after_the_body_the_wait_for_its_going_has_no_end() -> None:
    async def wait_on(scope, receive, send) -> None:
        await read_all(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"

    run_silent(wait_on, [END, {"type": "http.disconnect"}], [0, 0.15])


def test_one_that_reads_nothing_is_let_go() -> None:
    reached = []

    async def answer(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        reached.append("end")

    begun = time.monotonic()
    run_silent(answer, [], [], send_s=9)
    assert time.monotonic() - begun < 5 and reached == []
