"""What an engine does with a batch: settle it in the ledger, put the outputs on Kafka. Nothing here raises.

SQL or Kafka away is retried and then ends the process with nothing acknowledged: an agent that raises has its
message acknowledged by Faust, and the result is lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from aiokafka.errors import MessageSizeTooLargeError  # type: ignore[import-untyped]
from sqlalchemy.exc import SQLAlchemyError
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from refrain.contracts.events import FlaggedReport, LabReport
from refrain.contracts.topics import Topic
from refrain.runtime.deciding import Decider, Settled
from refrain.runtime.health import Progress
from refrain.runtime.incoming import Arrived, Poison, decode
from refrain.runtime.known import Issued
from refrain.runtime.leaving import ExitCode, Leave, leave, place_of
from refrain.runtime.stream import OffsetGuard
from refrain.runtime.worker_metrics import WorkerMetrics

log = logging.getLogger(__name__)

Result = TypeVar("Result")
PART_SECONDS = 2.0
SMALLEST_PART = 5
"""Records; a commit for each would cost more than it saves."""
QUICKEST_SECONDS = 0.0001

Headers = list[tuple[str, bytes]]


class Producer(Protocol):
    """The part of Faust's producer that is used: returns when the record is queued, with its acknowledgement."""

    async def send(
        self, topic: str, key: bytes, value: bytes, partition: None, timestamp: None, headers: Headers | None
    ) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """One record to send; ``position`` is its place in the outbox, None for a dead letter."""

    topic: str
    key: bytes
    value: bytes
    position: int | None = None
    headers: Headers | None = None


@dataclass(slots=True)
class Worker(Generic[Issued]):
    """One engine's way with a batch. ``producer`` is asked for late, because Faust makes it when it starts."""

    inputs: Sequence[Topic]
    decider: Decider[Issued]
    metrics: WorkerMetrics
    producer: Callable[[], Producer]
    patience_seconds: float = 45.0
    leave: Leave = leave
    guard: OffsetGuard = field(default_factory=OffsetGuard)
    progress: Progress = field(default_factory=Progress)
    _seconds_each: float = 0.01

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[None]:
        """Around the work on one batch: any exception in it is a defect and ends the process, nothing acknowledged."""
        try:
            with self.progress.batch():
                yield
        except Exception as error:  # noqa: BLE001 - an agent that raises loses its message
            await self._end(ExitCode.DEFECT, place_of(error))

    def parts(self, batch: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The batch in order, in parts of about :data:`PART_SECONDS` each, as the last ones went.

        A patient with years of results takes a hundred times as long as a new one, and a worker that is asked to
        give up its partitions must be done before the group goes on without it.
        """
        start = 0
        while start < len(batch):
            size = max(SMALLEST_PART, int(PART_SECONDS / self._seconds_each))
            yield batch[start : start + size]
            start += size

    async def read(self, batch: Iterable[Any]) -> tuple[list[Arrived], list[Poison]]:
        """Facts and poison of a batch of Faust events. A hole in the offsets ends the process."""
        messages = [event.message for event in batch]
        if hole := self.guard.hole(messages):
            place = {"topic": hole.topic, "partition": hole.partition, "expected": hole.expected, "offset": hole.found}
            log.critical("the consumer skipped offsets", extra=place)
            self.metrics.holes.labels(hole.topic).inc()
            ledger = self.decider.ledger
            await self._sql(ledger.note_hole, hole.topic, hole.partition, hole.expected, hole.found)
            await self._end(ExitCode.OFFSET_HOLE, "a hole in the offsets")
        return decode({topic.name: topic for topic in self.inputs}, messages)

    async def settle(self, facts: Sequence[Arrived], poison: Sequence[Poison]) -> Settled:
        """Facts, issued and encoded outputs are in the ledger when this returns."""
        started = time.monotonic()
        settled = await self._sql(self.decider.settle, facts, poison)
        if facts:
            self._seconds_each = max((time.monotonic() - started) / len(facts), QUICKEST_SECONDS)
        self._count(facts, settled)
        return settled

    async def publish(self, settled: Settled) -> None:
        """Everything unsent of these patients, and the dead letters, are on Kafka when this returns."""
        ledger = self.decider.ledger
        unsent = await self._sql(ledger.unsent, settled.patients)
        parcels = [Parcel(one.topic, one.key, one.value, one.position) for one in unsent]
        parcels += [dead_letter(letter, self.decider.service) for letter in settled.poison]
        sent = [one.position for one in await self._send(parcels) if one.position is not None]
        if sent:
            await self._sql(ledger.mark_sent, sent)
        now = datetime.now(UTC)
        for output in settled.outputs:
            self.metrics.end_to_end_seconds.observe(max(0.0, (now - output.event.recorded_at).total_seconds()))

    async def acknowledge(self, stream: Any, batch: Iterable[Any]) -> None:
        """Only now may Faust commit the offsets."""
        for event in batch:
            await stream.ack(event)

    async def _send(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Send in order; those that failed again, until all are acknowledged. Returns what was acknowledged."""
        acknowledged: list[Parcel] = []
        waiting = list(parcels)

        async def attempt() -> None:
            nonlocal waiting
            results = await asyncio.gather(*[self._acknowledged(parcel) for parcel in waiting], return_exceptions=True)
            outcomes = list(zip(waiting, results, strict=True))
            acknowledged.extend(parcel for parcel, result in outcomes if result is None)
            for parcel, result in outcomes:
                if isinstance(result, MessageSizeTooLargeError):
                    self.metrics.refused.labels(parcel.topic).inc()
                    log.error("Kafka refused an output as too large", extra={"topic": parcel.topic})
            failed = [(p, r) for p, r in outcomes if r is not None and not isinstance(r, MessageSizeTooLargeError)]
            waiting = [parcel for parcel, _ in failed]
            if failed:
                raise failed[0][1]

        await self._patiently(attempt, Exception, ExitCode.KAFKA_AWAY)
        for parcel in acknowledged:
            if parcel.position is not None:
                self.metrics.outputs.labels(parcel.topic).inc()
        return acknowledged

    async def _acknowledged(self, parcel: Parcel) -> None:
        queued = await self.producer().send(parcel.topic, parcel.key, parcel.value, None, None, parcel.headers)
        await queued

    async def _sql(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run blocking SQL in a thread. Anything else than SQL being away is a defect, and ends the process too."""

        async def in_thread() -> Result:
            return await asyncio.to_thread(work, *arguments)

        return await self._patiently(in_thread, SQLAlchemyError, ExitCode.LEDGER_AWAY)

    async def _patiently(
        self, work: Callable[[], Awaitable[Result]], passing: type[Exception], code: ExitCode
    ) -> Result:
        retrying = AsyncRetrying(
            stop=stop_after_delay(self.patience_seconds),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            retry=retry_if_exception_type(passing),
            before_sleep=lambda state: log.warning("trying again", extra={"reason": _reason(state)}),
        )
        try:
            return await retrying(work)
        except RetryError as error:
            reason = type(error.last_attempt.exception()).__name__
        except Exception as error:  # noqa: BLE001 - a defect; raising here would acknowledge the batch
            code, reason = ExitCode.DEFECT, place_of(error)
        return await self._end(code, reason)

    async def _end(self, code: ExitCode, reason: str) -> NoReturn:
        """Leave, and never come back: the caller must not go on to acknowledge."""
        self.leave(code, reason)
        while True:
            await asyncio.Event().wait()

    def _count(self, facts: Sequence[Arrived], settled: Settled) -> None:
        dead = {letter.record.place for letter in settled.poison}
        for letter in settled.poison:
            self.metrics.dead_letters.labels(letter.record.topic.name, letter.stage).inc()
            self.metrics.reports.labels(letter.record.topic.name, "dead_letter").inc()
            extra = {"record": letter.record_id(self.decider.service), "reason": letter.cause}
            log.error("a record went to the dead letters", extra=extra)
        for arrived in facts:
            new = "new" if arrived.record.place in settled.new else "repeated"
            outcome = "dead_letter" if arrived.record.place in dead else new
            event = arrived.fact.event
            if outcome != "dead_letter":
                self.metrics.reports.labels(arrived.record.topic.name, outcome).inc()
            if isinstance(event, LabReport | FlaggedReport):
                self.metrics.observations.labels(outcome).inc(len(event.observations))
        if facts:
            self.metrics.newest_fact.set(max(one.fact.event.recorded_at for one in facts).timestamp())


def dead_letter(letter: Poison, service: str) -> Parcel:
    """The original key and bytes, with what is known about them in the headers."""
    headers = [
        ("id", letter.record_id(service).encode()),
        ("cause", letter.cause.encode()),
        ("stage", letter.stage.encode()),
    ]
    return Parcel(letter.record.topic.dead_letters(service), letter.record.key, letter.record.value, None, headers)


def _reason(state: Any) -> str:
    return type(state.outcome.exception()).__name__
