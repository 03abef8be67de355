"""Alert events into threads: batches, repeats, people in between, and where reading goes on; on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from refrain.contracts.events import AlertClosed, AlertRetracted, PatientId
from refrain.contracts.topics import ALERTS
from services.notify.adapters.alerts_in import AlertsIn
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.desk import Desk
from services.notify.adapters.queries import Queries, Wanted
from services.notify.adapters.store import Store
from services.notify.domain.happenings import Outcome
from tests.notify.keeping import Clock, Committed, a_store, arrived, done, issued, put, take, thread_of
from tests.notify.telling import NOON, a_thread, change

CORRECTED = {"reason": "withdrawn", "values": (change("871.5 pg/mL", "87.15 pg/mL"),)}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


def test_a_raised_alert_waits_and_is_told_to_whoever_has_the_duty(store: Store, clock: Clock) -> None:
    take(store, issued(), now=clock)
    assert thread_of(store).waiting
    clock.passes(seconds=5)
    [due] = DeliveryLog(store).lease(clock(), 10, 30)
    assert (due.message.to.person, due.message.to.channel) == ("m.lee", "pager")


def test_what_comes_twice_changes_nothing(database: str, clock: Clock) -> None:
    committed = Committed()
    store = a_store(database, committed=committed)
    take(store, issued(), issued(), now=clock)
    before = thread_of(store)
    written = len(committed.steps)
    take(store, issued(), now=clock)
    assert thread_of(store) == before
    assert len(committed.steps) == written
    assert len(DeliveryLog(store).lease(clock.now.replace(hour=13), 10, 30)) == 1
    store.close()


def test_the_whole_life_in_one_batch_tells_nobody(store: Store, clock: Clock) -> None:
    """A new database reads ten years of alerts: only what still stands is told."""
    closed = issued(fact=AlertClosed, sequence=1, reason="the repeat agreed")
    take(store, issued(), issued(2), closed, now=clock)
    assert thread_of(store, 1).state == "closed"
    clock.passes(seconds=5)
    assert [due.message.alert for due in DeliveryLog(store).lease(clock(), 10, 30)] == [a_thread(2).alert]


def test_a_retraction_is_told_to_whoever_was_told(store: Store, clock: Clock) -> None:
    log = DeliveryLog(store)
    take(store, issued(), now=clock)
    clock.passes(seconds=5)
    for due in log.lease(clock(), 10, 30):
        log.sent(due.message, clock())
    take(store, issued(fact=AlertRetracted, sequence=1, **CORRECTED), now=clock)
    clock.passes(seconds=30)
    [due] = log.lease(clock(), 10, 30)
    assert (due.message.to.person, due.message.occasion) == ("m.lee", "retracted")
    assert due.thread.values == (change("871.5 pg/mL", "87.15 pg/mL"),)
    assert done(store) == ["told", "ended"]


def test_a_retraction_takes_the_alerts_of_its_episode_along(store: Store, clock: Clock) -> None:
    retraction = issued(1, fact=AlertRetracted, sequence=1, with_alerts=(a_thread(2).alert,), **CORRECTED)
    take(store, issued(1), issued(2), now=clock)
    take(store, retraction, now=clock)
    assert [thread_of(store, number).state for number in (1, 2)] == ["retracted", "retracted"]
    assert Queries(store).alerts(Wanted(waiting=True), 10) == []


def test_a_thousand_alerts_are_taken_in_batches(store: Store, clock: Clock) -> None:
    events = [
        issued(number, patient=PatientId(authority="NORTHWARD", type="MR", id=f"77{number % 100:05}"))
        for number in range(1000)
    ]
    for start in (0, 500):
        AlertsIn(store, clock)(arrived(*events[start : start + 500], offset=start))
    assert sum(counts[0] for counts in Queries(store).open_since([NOON]).values()) == 1000
    assert Queries(store).newest_change() == 1000


@pytest.mark.parametrize("database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_somebody_who_answers_in_between_does_not_hold_up_the_batch(database: str, clock: Clock) -> None:
    store, other = a_store(database), a_store(database)
    patients = [PatientId(authority="NORTHWARD", type="MR", id=f"77{number:05}") for number in range(3)]
    take(store, *(issued(number, patient=patients[number]) for number in range(3)), now=clock)
    inner = store.work
    disturbed: list[int] = []

    def work(decide: object, attempts: int = 20) -> object:
        def between(desk: Desk) -> object:
            result = decide(desk)  # type: ignore[operator]
            if not disturbed:
                disturbed.append(attempts)
                put(other, Outcome(thread_of(other, 1).model_copy(update={"repeats": 7})))
            return result

        return inner(between, attempts)

    store.work = work  # type: ignore[method-assign,assignment]
    closing = [
        issued(number, fact=AlertClosed, sequence=1, reason="over", patient=patients[number]) for number in range(3)
    ]
    AlertsIn(store, clock)(arrived(*closing, offset=3))
    assert disturbed == [1]
    assert [thread_of(store, number).state for number in range(3)] == ["closed"] * 3
    assert thread_of(store, 1).repeats == 7
    assert AlertsIn(store, clock).starts([(ALERTS.name, 0)]) == {(ALERTS.name, 0): 6}
    store.close()
    other.close()


def test_reading_goes_on_where_the_database_is(store: Store, clock: Clock) -> None:
    alerts_in, place = AlertsIn(store, clock), (ALERTS.name, 3)
    assert alerts_in.starts([place, (ALERTS.name, 4)]) == {place: 0, (ALERTS.name, 4): 0}
    alerts_in(arrived(issued(), partition=3, offset=41))
    assert alerts_in.starts([place]) == {place: 42}
    alerts_in(arrived(issued(2), partition=3, offset=10))
    assert alerts_in.starts([place]) == {place: 42}
