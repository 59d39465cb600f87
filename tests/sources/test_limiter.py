"""The limiter: never more than its limit, less after a refusal, more after a while."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glacier.sources import limiter as limiter_module
from glacier.sources.limiter import REGROW_AFTER, Limiter, Outcome


def serve(limiter: Limiter, count: int, outcome: Outcome = "ok") -> None:
    """So many requests, one after the other."""
    for _ in range(count):
        limiter.release(limiter.acquire(), outcome)


def test_threads_never_hold_more_places_than_the_limit() -> None:
    limiter = Limiter(3)
    lock, held, most = threading.Lock(), 0, 0

    def request(_: int) -> None:
        nonlocal held, most
        ticket = limiter.acquire()
        with lock:
            held += 1
            most = max(most, held)
        time.sleep(0.002)
        with lock:
            held -= 1
        limiter.release(ticket, "ok")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(request, range(60)))
    assert most == limiter.peak_in_flight == 3


def test_a_refusal_halves_the_limit_but_never_below_one() -> None:
    limiter = Limiter(9)
    seen = []
    for _ in range(5):
        serve(limiter, 1, "refused")
        seen.append(limiter.limit)
    assert seen == [4, 2, 1, 1, 1] and limiter.refusals == 5


def test_refusals_of_requests_that_were_under_way_together_cut_once() -> None:
    limiter = Limiter(8)
    burst = [limiter.acquire() for _ in range(8)]
    for ticket in burst:
        limiter.release(ticket, "refused")
    assert limiter.limit == 4
    serve(limiter, 1, "refused")  # a later one cuts again
    assert limiter.limit == 2


def test_the_limit_grows_by_one_after_a_row_of_successes_up_to_the_most() -> None:
    limiter = Limiter(4)
    serve(limiter, 1, "refused")
    serve(limiter, REGROW_AFTER - 1)
    assert limiter.limit == 2
    serve(limiter, 1)
    assert limiter.limit == 3
    serve(limiter, 5 * REGROW_AFTER)
    assert limiter.limit == 4


def test_other_faults_change_nothing() -> None:
    limiter = Limiter(4)
    serve(limiter, 50, "failed")
    assert limiter.limit == 4


def test_a_waiting_thread_gets_the_place_that_is_given_back() -> None:
    limiter = Limiter(1)
    first = limiter.acquire()
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(limiter.acquire)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.05)
        limiter.release(first, "ok")
        assert second.result(timeout=5) != first


def test_a_cut_limit_lets_nobody_in_before_enough_have_left() -> None:
    limiter = Limiter(4)
    tickets = [limiter.acquire() for _ in range(4)]
    limiter.release(tickets.pop(), "refused")  # limit 2, and 3 are under way
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(limiter.acquire)
        limiter.release(tickets.pop(), "ok")
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.05)
        limiter.release(tickets.pop(), "ok")
        waiting.result(timeout=5)


def test_restricted_means_one_at_a_time_whatever_succeeds() -> None:
    limiter = Limiter(8)
    limiter.restrict()
    serve(limiter, 20 * REGROW_AFTER)
    assert limiter.limit == 1 and limiter.state().restricted


def test_a_place_that_is_never_given_back_is_free_after_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limiter_module, "LEASE_MARGIN_S", 0.01)
    limiter = Limiter(1, deadline_s=0.04)
    lost = limiter.acquire()
    began = time.monotonic()
    ticket = limiter.acquire()
    assert time.monotonic() - began < 2
    limiter.release(lost, "ok")  # nobody's any more: it frees no place
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(limiter.state).result().peak_in_flight == 1
    limiter.release(ticket, "ok")
