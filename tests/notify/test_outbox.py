"""Actions to Kafka: in order, marked afterwards, repeated with the same ids after a failure; on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka.errors import KafkaTimeoutError

from refrain.contracts.events import AlertAction
from refrain.contracts.topics import ALERT_ACTIONS
from refrain.runtime.produce import Outgoing
from services.notify.adapters.outbox import HOLD_SECONDS, Outbox
from services.notify.adapters.store import Store
from services.notify.domain.happenings import Outcome
from tests.notify.keeping import Clock, a_store, an_action, put
from tests.notify.telling import PATIENT, a_thread


class Log:
    """Takes records, and may lose its answer or stay away: what Kafka does when it does not do its work."""

    def __init__(self, *, away: int = 0, unanswered: int = 0) -> None:
        self.records: list[Outgoing] = []
        self.away = away
        self.unanswered = unanswered

    def send(self, records: Sequence[Outgoing]) -> None:
        if self.away:
            self.away -= 1
            raise KafkaTimeoutError
        self.records.extend(records)
        if self.unanswered:
            self.unanswered -= 1
            raise KafkaTimeoutError

    @property
    def events(self) -> list[AlertAction]:
        return [ALERT_ACTIONS.decode(record.value) for record in self.records]

    @property
    def numbers(self) -> list[int]:
        return [event.number for event in self.events]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    for number in range(1, 4):
        thread = a_thread(1, level=number)
        put(opened, Outcome(thread, (an_action(thread, number),)))
    yield opened
    opened.close()


def test_actions_go_in_order_under_their_patients_key_and_once(store: Store, clock: Clock) -> None:
    log = Log()
    outbox = Outbox(store, log, clock)
    assert outbox.waiting() == 3
    assert outbox.turn() == 3
    assert log.numbers == [1, 2, 3]
    assert {(record.topic, record.key) for record in log.records} == {(ALERT_ACTIONS.name, PATIENT.key.encode())}
    assert [record.value for record in log.records] == [ALERT_ACTIONS.encode(event) for event in log.events]
    assert (outbox.turn(), outbox.waiting()) == (0, 0)


def test_what_kafka_did_not_acknowledge_comes_again_with_the_same_ids(store: Store, clock: Clock) -> None:
    log = Log(unanswered=1)
    outbox = Outbox(store, log, clock)
    with pytest.raises(KafkaTimeoutError):
        outbox.turn()
    assert outbox.waiting() == 3
    assert outbox.turn() == 3
    assert log.numbers == [1, 2, 3, 1, 2, 3]
    assert len({event.event_id for event in log.events}) == 3


def test_one_replica_publishes_at_a_time(store: Store, clock: Clock) -> None:
    log = Log(away=1)
    first, second = Outbox(store, log, clock), Outbox(store, log, clock)
    with pytest.raises(KafkaTimeoutError):
        first.turn()
    assert second.turn() == 0
    first.let_go()
    assert second.turn() == 3


def test_a_killed_replica_is_followed_by_another_one(store: Store, clock: Clock) -> None:
    log = Log(away=1)
    with pytest.raises(KafkaTimeoutError):
        Outbox(store, log, clock).turn()
    clock.passes(seconds=HOLD_SECONDS)
    assert Outbox(store, log, clock).turn() == 3


def test_many_replicas_publish_each_action_once(database: str, clock: Clock) -> None:
    store, log = a_store(database), Log()
    for number in range(30):
        put(store, Outcome(a_thread(number), (an_action(a_thread(number), 1),)))
    with ThreadPoolExecutor(4) as pool:
        for turn in [pool.submit(Outbox(store, log, clock).turn) for _ in range(8)]:
            turn.result()
    assert len(log.records) == 30
    store.close()


async def test_at_a_stop_what_is_left_is_published(store: Store, clock: Clock) -> None:
    log, until = Log(), asyncio.Event()
    until.set()
    await Outbox(store, log, clock).run(until)
    assert log.numbers == [1, 2, 3]
    assert Outbox(store, log, clock).turn() == 0
    put(store, Outcome(a_thread(9), (an_action(a_thread(9), 1),)))
    assert Outbox(store, log, clock).turn() == 1
