"""Timers: once, whoever is first, also after a restart and after a long stop; on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from refrain.contracts.events import Tier
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from services.notify.adapters.timers import ASIDE, Timers
from services.notify.domain.happenings import Outcome
from tests.notify.keeping import Clock, a_store, done, issued, put, take, thread_of, wait_for
from tests.notify.telling import NOON, a_thread


class Failures:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


def timers(store: Store, clock: Clock, failures: Failures | None = None) -> Timers:
    return Timers(store, clock, failures or Failures())


def tell(store: Store, clock: Clock) -> None:
    """A channel takes all that waits."""
    log = DeliveryLog(store)
    for due in log.lease(clock(), 100, 30):
        log.sent(due.message, clock())


def test_an_alert_that_nobody_answers_is_told_to_the_next_level(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    clock.passes(seconds=2)
    tell(store, clock)
    assert thread_of(store).state == "delivered"
    clock.passes(minutes=14)
    assert timers(store, clock).turn() == 0
    clock.passes(minutes=1)
    assert timers(store, clock).turn() == 1
    assert (thread_of(store).resent, thread_of(store).level) == (True, 0)
    clock.passes(minutes=15)
    assert timers(store, clock).turn() == 1
    assert (thread_of(store).state, thread_of(store).level) == ("escalated", 1)
    clock.passes(seconds=2)
    tell(store, clock)
    assert {one.to.person for one in thread_of(store).told} == {"m.lee", "a.roy"}
    assert done(store).count("escalated") == 1


def test_a_timer_survives_a_restart(database: str, clock: Clock) -> None:
    before = a_store(database)
    take(before, issued(), now=clock)
    before.close()
    clock.passes(minutes=30)
    after = a_store(database)
    assert timers(after, clock).turn() == 1
    assert done(after)
    after.close()


def test_two_replicas_fire_each_timer_once(database: str, clock: Clock) -> None:
    stores = [a_store(database), a_store(database)]
    for number in range(20):
        take(stores[0], issued(number), now=clock)
    clock.passes(minutes=30)
    with ThreadPoolExecutor(4) as pool:
        for turn in [pool.submit(timers(stores[n % 2], clock).turn) for n in range(4)]:
            turn.result()
    once = [done(stores[0], number) for number in range(20)]
    assert once == [once[0]] * 20
    assert once[0].count("escalated") <= 1
    for store in stores:
        store.close()


def test_after_a_long_stop_every_level_that_should_know_is_told_once(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    clock.passes(seconds=2)
    tell(store, clock)
    clock.passes(days=3)
    timed = timers(store, clock)
    assert timed.turn() == 1
    assert timed.turn() == 0
    thread = thread_of(store)
    assert thread.level == 1
    assert thread.wake_at is not None
    assert thread.wake_at > clock()
    people = [message.to.person for message in thread.unsent]
    assert sorted(people) == sorted(set(people))
    assert "a.roy" in people


def test_after_a_long_stop_the_most_urgent_are_told_first(store: Store) -> None:
    when: dict[int, tuple[Tier, int]] = {1: ("P2", 1), 2: ("DQ", 2), 3: ("P1", 30), 4: ("P1", 20), 5: ("P2", 3)}
    for number, (tier, minutes) in when.items():
        wake_at = NOON + timedelta(minutes=minutes)
        put(store, Outcome(a_thread(number, tier=tier, due_hours=72 if tier == "P2" else None, wake_at=wake_at)))
    due = Queries(store).due(NOON + timedelta(hours=1), 4)
    assert due == [a_thread(number).alert for number in (4, 3, 1, 5)]


def test_one_alert_that_cannot_be_woken_does_not_hold_up_the_others(store: Store, clock: Clock) -> None:
    take(store, issued(1), issued(2), now=clock)
    broken = thread_of(store, 1).model_copy(update={"tier": "P9"})
    with store.writing() as sql:
        sql.exec_driver_sql(
            "update thread set thread = '" + broken.model_dump_json(warnings=False).replace("'", "''") + "'"
            f" where alert = '{broken.alert}'"
        )
    clock.passes(minutes=30)
    failures = Failures()
    timed = timers(store, clock, failures)
    assert timed.turn() == 2
    assert failures.count == 1
    assert done(store, 2)
    while timed.turn():
        assert failures.count == 1
    clock.passes(seconds=ASIDE.total_seconds())
    timed.turn()
    assert failures.count == 2


def test_a_timer_that_was_moved_meanwhile_does_not_fire(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    clock.passes(minutes=30)
    due = Queries(store).due(clock(), 10)
    later = thread_of(store).model_copy(update={"wake_at": clock() + timedelta(hours=1)})
    put(store, Outcome(later))
    timed = timers(store, clock)
    for alert in due:
        timed._fire(alert, clock())
    assert thread_of(store) == later


async def test_timers_run_until_they_are_told_to_stop(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    clock.passes(minutes=30)
    until = asyncio.Event()
    running = asyncio.create_task(timers(store, clock).run(until))
    await asyncio.to_thread(wait_for, lambda: bool(done(store)))
    until.set()
    await running
