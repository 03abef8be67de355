"""The worker at its edge: nothing raises, nothing is acknowledged that is not on Kafka, holes and absences end it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy.exc import OperationalError

from refrain.contracts.topics import CARE_EVENTS, RESPONSES
from refrain.runtime.deciding import Settled
from refrain.runtime.incoming import Poison, Record
from refrain.runtime.known import Unsent
from refrain.runtime.leaving import ExitCode
from refrain.runtime.stream import OffsetGuard
from refrain.runtime.worker import Worker
from refrain.runtime.worker_metrics import WorkerMetrics


def metrics() -> WorkerMetrics:
    registry = CollectorRegistry()
    made: dict[str, Any] = {
        "reports": Counter("reports", "-", ["topic", "outcome"], registry=registry),
        "observations": Counter("observations", "-", ["outcome"], registry=registry),
        "step_seconds": Histogram("step_seconds", "-", registry=registry),
        "end_to_end_seconds": Histogram("end_to_end_seconds", "-", registry=registry),
        "outputs": Counter("outputs", "-", ["topic"], registry=registry),
        "dead_letters": Counter("dead_letters", "-", ["topic", "cause"], registry=registry),
        "lag": Gauge("lag", "-", ["topic"], registry=registry),
        "newest_fact": Gauge("newest_fact", "-", registry=registry),
        "holes": Counter("holes", "-", ["topic"], registry=registry),
        "refused": Counter("refused", "-", ["topic"], registry=registry),
    }
    return WorkerMetrics(**made)


class FakeLedger:
    """The outbox of a ledger, in memory; ``failures`` are raised first."""

    def __init__(self, unsent: list[Unsent], failures: list[Exception] | None = None) -> None:
        self.waiting = {one.position: one for one in unsent}
        self.failures = failures or []
        self.holes: list[tuple[str, int, int, int]] = []

    def unsent(self, _: Any) -> tuple[Unsent, ...]:
        if self.failures:
            raise self.failures.pop(0)
        return tuple(self.waiting.values())

    def mark_sent(self, positions: list[int]) -> None:
        for position in positions:
            del self.waiting[position]

    def note_hole(self, *hole: Any) -> None:
        self.holes.append(hole)


class FakeKafka:
    """Acknowledges what it gets; ``failures`` by value are raised first, when sending or when acknowledging."""

    def __init__(self, failures: dict[bytes, list[Exception]] | None = None, *, late: bool = False) -> None:
        self.failures = failures or {}
        self.late = late
        self.records: list[tuple[str, bytes, bytes, Any]] = []

    async def send(self, topic: str, key: bytes, value: bytes, _p: None, _t: None, headers: Any) -> Awaitable[Any]:
        failure = self.failures[value].pop(0) if self.failures.get(value) else None
        if failure and not self.late:
            raise failure
        done = asyncio.get_running_loop().create_future()
        if failure:
            done.set_exception(failure)
        else:
            self.records.append((topic, key, value, headers))
            done.set_result(None)
        return done


def an_output(position: int) -> Unsent:
    return Unsent(position, RESPONSES.name, b"key", f"value {position}".encode())


def a_worker(ledger: FakeLedger, kafka: FakeKafka, left: list[ExitCode], patience: float = 5) -> Worker[Any]:
    decider: Any = SimpleNamespace(service="counting", ledger=ledger)
    return Worker(
        (CARE_EVENTS,), decider, metrics(), lambda: kafka, patience_seconds=patience,
        leave=lambda code, _: left.append(code),
    )  # fmt: skip


def settled(*poison: Poison) -> Settled:
    return Settled(frozenset({"key"}), poison, (), frozenset())


async def never_returns(work: Awaitable[Any]) -> bool:
    """Whether something still waits after the process would have ended."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=1.5)
    task.cancel()
    return not done


def test_a_batch_is_done_in_smaller_parts_when_records_take_long() -> None:
    worker = a_worker(FakeLedger([]), FakeKafka(), [])
    batch = list(range(500))
    sizes = []
    for seconds in (0.0001, 0.01, 0.1, 60):
        worker._seconds_each = seconds
        parts = list(worker.parts(batch))
        assert [record for part in parts for record in part] == batch
        sizes.append(len(parts[0]))
    assert sizes == [500, 200, 20, 5]


async def test_what_is_unsent_goes_to_kafka_in_order_and_is_marked() -> None:
    ledger, kafka, left = FakeLedger([an_output(1), an_output(2)]), FakeKafka(), []
    await a_worker(ledger, kafka, left).publish(settled())
    assert [value for _, _, value, _ in kafka.records] == [b"value 1", b"value 2"]
    assert (ledger.waiting, left) == ({}, [])


@pytest.mark.parametrize("late", [False, True], ids=["refused at once", "refused by the broker"])
async def test_what_fails_is_sent_again_and_what_arrived_is_not(late: bool) -> None:
    kafka = FakeKafka({b"value 1": [KafkaConnectionError(), KafkaConnectionError()]}, late=late)
    ledger, left = FakeLedger([an_output(1), an_output(2)]), []
    await a_worker(ledger, kafka, left).publish(settled())
    assert sorted(value for _, _, value, _ in kafka.records) == [b"value 1", b"value 2"]
    assert (ledger.waiting, left) == ({}, [])


async def test_kafka_away_for_too_long_ends_the_process_with_nothing_marked() -> None:
    kafka = FakeKafka({b"value 1": [KafkaConnectionError() for _ in range(100)]})
    ledger, left = FakeLedger([an_output(1)]), []
    assert await never_returns(a_worker(ledger, kafka, left, patience=0.2).publish(settled()))
    assert left == [ExitCode.KAFKA_AWAY]
    assert list(ledger.waiting) == [1]


async def test_sql_away_for_a_moment_is_waited_for() -> None:
    ledger, kafka, left = FakeLedger([an_output(1)], [OperationalError("", {}, OSError())]), FakeKafka(), []
    await a_worker(ledger, kafka, left).publish(settled())
    assert (ledger.waiting, left) == ({}, [])


async def test_sql_away_for_too_long_ends_the_process() -> None:
    ledger, left = FakeLedger([], [OperationalError("", {}, OSError()) for _ in range(100)]), []
    assert await never_returns(a_worker(ledger, FakeKafka(), left, patience=0.2).publish(settled()))
    assert left == [ExitCode.LEDGER_AWAY]


async def test_a_defect_ends_the_process_and_is_not_tried_again() -> None:
    ledger, left = FakeLedger([an_output(1)], [KeyError("defect")]), []
    assert await never_returns(a_worker(ledger, FakeKafka(), left).publish(settled()))
    assert left == [ExitCode.DEFECT]
    assert list(ledger.waiting) == [1]


async def test_an_exception_in_the_loop_itself_ends_the_process() -> None:
    left: list[ExitCode] = []
    worker = a_worker(FakeLedger([]), FakeKafka(), left)
    acknowledged = []

    async def loop() -> None:
        async with worker.batch():
            raise AttributeError("a defect in the loop")
        acknowledged.append(True)

    assert await never_returns(loop())
    assert (left, acknowledged) == ([ExitCode.DEFECT], [])


async def test_an_output_too_large_for_kafka_stays_unsent_and_stops_nobody() -> None:
    kafka = FakeKafka({b"value 1": [MessageSizeTooLargeError()]})
    ledger, left = FakeLedger([an_output(1), an_output(2)]), []
    worker = a_worker(ledger, kafka, left)
    await worker.publish(settled())
    assert list(ledger.waiting) == [1]
    assert worker.metrics.refused.labels(RESPONSES.name)._value.get() == 1
    assert left == []


async def test_a_dead_letter_carries_the_bytes_and_an_id_of_its_place() -> None:
    kafka = FakeKafka()
    record = Record(CARE_EVENTS, 3, 14, b"key", b"{broken")
    await a_worker(FakeLedger([]), kafka, []).publish(settled(Poison(record, "ValidationError", "decode")))
    [(topic, key, value, headers)] = kafka.records
    assert (topic, key, value) == ("care-events.v1.counting.dlq", b"key", b"{broken")
    assert dict(headers) == {
        "id": b"counting-care-events.v1-3-14", "cause": b"ValidationError", "stage": b"decode"
    }  # fmt: skip


def messages(*offsets: int, generation: int = 1, partition: int = 0, topic: str = CARE_EVENTS.name) -> list[Any]:
    return [
        SimpleNamespace(
            topic=topic, partition=partition, offset=offset, generation_id=generation, key=b"", value=b"", headers=None
        )
        for offset in offsets
    ]


def test_contiguous_offsets_pass_over_several_batches_and_partitions() -> None:
    guard = OffsetGuard()
    assert guard.hole([*messages(5, 6), *messages(0, 1, partition=1), *messages(9, topic="other")]) is None
    assert guard.hole([*messages(7), *messages(2, partition=1), *messages(10, topic="other")]) is None


@pytest.mark.parametrize(("first", "then"), [((5, 7), ()), ((5,), (7,))], ids=["in a batch", "between batches"])
def test_a_skipped_offset_is_a_hole(first: tuple[int, ...], then: tuple[int, ...]) -> None:
    guard = OffsetGuard()
    hole = guard.hole(messages(*first)) or guard.hole(messages(*then))
    assert hole is not None
    assert (hole.topic, hole.partition, hole.expected, hole.found) == (CARE_EVENTS.name, 0, 6, 7)


def test_offsets_again_are_no_hole_and_do_not_hide_one() -> None:
    guard = OffsetGuard()
    assert guard.hole(messages(5, 6, 7, 5, 6)) is None
    assert guard.hole(messages(8)) is None
    assert guard.hole(messages(10)) is not None


def test_a_new_generation_starts_where_it_starts() -> None:
    guard = OffsetGuard()
    assert guard.hole(messages(5, 6)) is None
    assert guard.hole(messages(20, 21, generation=2)) is None
    assert guard.hole(messages(23, generation=2)) is not None


def test_a_generation_begins_where_the_group_stood_or_before() -> None:
    starts = {(CARE_EVENTS.name, 0): 7}
    guard = OffsetGuard(lambda: starts)
    assert guard.hole(messages(5)) is None
    assert guard.hole(messages(6, 7)) is None
    starts[CARE_EVENTS.name, 0] = 20
    hole = guard.hole(messages(21, generation=2))
    assert hole is not None
    assert (hole.expected, hole.found) == (20, 21)
    assert OffsetGuard(lambda: starts).hole(messages(20, 21, generation=2)) is None
    assert OffsetGuard(lambda: starts).hole(messages(21, partition=1)) is None


async def test_a_hole_ends_the_process_and_is_remembered() -> None:
    ledger, left = FakeLedger([]), []
    worker = a_worker(ledger, FakeKafka(), left)
    batch = [SimpleNamespace(message=message) for message in messages(5, 7)]
    assert await never_returns(worker.read(batch))
    assert left == [ExitCode.OFFSET_HOLE]
    assert ledger.holes == [(CARE_EVENTS.name, 0, 6, 7)]
    assert worker.metrics.holes.labels(CARE_EVENTS.name)._value.get() == 1
