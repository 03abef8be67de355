"""Puts records on Kafka and says when all of them are there; knows whether Kafka takes anything at present.

A timeout is *unknown*, not *no*: the same records are sent again until the hold is over. Derived ids make
the repeats harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, MessageSizeTooLargeError

from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, QUARANTINE, Topic

log = logging.getLogger(__name__)

DELIVERY_TIMEOUT_MS = 5_000
"""Below every sender's own timeout (answers 21)."""
REQUEST_TIMEOUT_MS = 2_000
MAX_BLOCK_MS = 2_000
HOLD_SECONDS = 20.0
"""How long one message is held while Kafka is away (feeds.md 3.2)."""
RETRY_SECONDS = 0.2
CHECK_SECONDS = 5.0
"""How often an idle link is looked at, so that a door without traffic closes too."""
GRACE_SECONDS = 2.0
"""Beyond the delivery timeout: a future that is silent for longer counts as failed."""

TIMEOUTS = {
    "delivery_timeout_ms": DELIVERY_TIMEOUT_MS,
    "request_timeout_ms": REQUEST_TIMEOUT_MS,
    "max_block_ms": MAX_BLOCK_MS,
    "bootstrap_timeout_ms": REQUEST_TIMEOUT_MS,
}
DURABLE = {"acks": "all", "enable_idempotence": True}
WRITES: tuple[Topic, ...] = (LAB_REPORTS, CARE_EVENTS, QUARANTINE)


class NotStored(Exception):
    """Kafka did not acknowledge everything within the hold: nothing may be promised."""


class TopicMissing(KafkaError):
    """A topic that intake writes does not exist."""


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded event on its way to one topic."""

    topic: Topic
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is, in its topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """What Kafka acknowledged and where it put it, and what it refused for its size."""

    places: Mapping[Record, Place] = field(default_factory=dict)
    refused: tuple[Record, ...] = ()


class Link:
    """Open producers on one cluster. Blocking; every method is called from a worker thread."""

    def __init__(self, bootstrap_servers: Sequence[str]) -> None:
        where = {"bootstrap_servers": list(bootstrap_servers), "client_id": "refrain-intake"}
        self._admin: Any = None
        self._producers: list[Any] = []
        try:
            self._admin = KafkaAdminClient(
                **where, request_timeout_ms=REQUEST_TIMEOUT_MS, bootstrap_timeout_ms=REQUEST_TIMEOUT_MS
            )
            self.log_id = self.identify()
            self._usual = self._open(where)
            self._quarantine = self._open(
                where | {"max_request_size": QUARANTINE.max_record_bytes, "compression_type": "gzip"}
            )
        except BaseException:
            self.close()
            raise

    def _open(self, options: dict[str, Any]) -> Any:
        producer = KafkaProducer(**DURABLE, **TIMEOUTS, **options)
        self._producers.append(producer)
        return producer

    def identify(self) -> str:
        """Names the log itself: cluster id and the ids of our topics, so that a wiped log is another one.

        KafkaError when the cluster does not answer, TopicMissing when it has not all our topics.
        """
        cluster = self._admin.describe_cluster()["cluster_id"]
        topics = self._admin.describe_topics([topic.name for topic in WRITES])
        missing = [topic["name"] for topic in topics if topic["error_code"] != 0]
        if missing:
            raise TopicMissing(", ".join(missing))
        first = next(topic for topic in topics if topic["name"] == LAB_REPORTS.name)
        return f"{cluster}/{first.get('topic_id', '')}"

    def send(self, records: Sequence[Record]) -> list[Any]:
        """Hands the records to the producers, in order; per record its Kafka future or the error.

        After a record that could not even be queued the rest is not tried: each try would block as long.
        """
        sent: list[Any] = []
        for record in records:
            producer = self._quarantine if record.topic is QUARANTINE else self._usual
            try:
                sent.append(producer.send(record.topic.name, key=record.key, value=record.value))
            except KafkaError as error:
                rest = 1 if isinstance(error, MessageSizeTooLargeError) else len(records) - len(sent)
                sent += [error] * rest
            if len(sent) == len(records):
                break
        return sent

    def close(self) -> None:
        """Closes without waiting for what nobody waits for any more."""
        for producer in self._producers:
            with contextlib.suppress(KafkaError):
                producer.close(timeout=0)
        if self._admin is not None:
            with contextlib.suppress(KafkaError):
                self._admin.close()


class Publisher:
    """Everything intake publishes goes through here.

    ``connect`` opens a link (blocking; KafkaError when it cannot). ``on_change`` hears when storing becomes
    possible or impossible.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        hold_seconds: float = HOLD_SECONDS,
        check_seconds: float = CHECK_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._connect = connect
        self._hold = hold_seconds
        self._check = check_seconds
        self._retry = retry_seconds
        self._link: Any = None
        self._storing = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()
        self._listeners: list[Callable[[bool], None]] = []
        self._sender: Executor = ThreadPoolExecutor(1, "kafka-send")
        self._caretaker: Executor = ThreadPoolExecutor(1, "kafka-link")
        self._task: asyncio.Task[None] | None = None

    @property
    def storing(self) -> bool:
        """Whether Kafka took what was sent last, as far as is known."""
        return self._storing.is_set()

    @property
    def log_id(self) -> str:
        """The log that is written; empty before the first link."""
        return self._link.log_id if self._link is not None else ""

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Calls back in the event loop with the new value of :attr:`storing`."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Starts to keep a link open, in the background."""
        self._task = asyncio.create_task(self._keep_linked(), name="kafka-link")

    async def stop(self) -> None:
        """Ends the background work and closes the link. What was acknowledged stays so."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        loop = asyncio.get_running_loop()
        if self._link is not None:
            await loop.run_in_executor(self._caretaker, self._link.close)
        for executor in (self._sender, self._caretaker):
            executor.shutdown(wait=False, cancel_futures=True)

    async def publish(self, records: Sequence[Record]) -> Delivery:
        """Returns when every record is acknowledged, save those refused for their size, which are named.

        NotStored when the hold is over first: some of the records may be on Kafka then, or get there later.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._hold
        outcomes: dict[Record, Place | BaseException] = {}
        pending = list(records)
        while pending:
            outcomes |= await self._attempt(pending, deadline)
            pending = [record for record in pending if not _over(outcomes.get(record))]
            if pending:
                self._set_lost()
                await self._wait_for_another_try(deadline)
        places = {record: place for record, place in outcomes.items() if isinstance(place, Place)}
        return Delivery(places, tuple(record for record in outcomes if record not in places))

    async def _wait_for_another_try(self, deadline: float) -> None:
        left = deadline - asyncio.get_running_loop().time()
        if left <= self._retry:
            raise NotStored
        await asyncio.sleep(self._retry)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left - self._retry):
                await self._storing.wait()

    async def _attempt(self, records: list[Record], deadline: float) -> Mapping[Record, Place | BaseException]:
        """One try: the place of each record, or what went wrong with it; nothing of those that are not known of."""
        loop = asyncio.get_running_loop()
        link = self._link
        if link is None:
            return {}
        patience = min(deadline - loop.time(), DELIVERY_TIMEOUT_MS / 1000 + GRACE_SECONDS)
        try:
            async with asyncio.timeout(max(patience, 0)):
                sent = await loop.run_in_executor(self._sender, link.send, records)
                return dict(zip(records, await asyncio.gather(*(_outcome(one, loop) for one in sent)), strict=True))
        except TimeoutError:
            return {}

    def _set_lost(self) -> None:
        self._lost.set()
        if self._storing.is_set():
            self._storing.clear()
            self._tell(False)

    def _tell(self, storing: bool) -> None:
        log.warning("Kafka takes records again" if storing else "Kafka does not take records")
        for listener in self._listeners:
            listener(storing)

    async def _keep_linked(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check):
                    await self._lost.wait()
            work = self._renew if self._lost.is_set() else self._look
            self._lost.clear()
            try:
                await loop.run_in_executor(self._caretaker, work)
            except KafkaError as error:
                log.warning("Kafka cannot be used", extra={"cause": type(error).__name__})
                self._set_lost()
                await asyncio.sleep(self._retry)
                continue
            if not self._storing.is_set():
                self._storing.set()
                self._tell(True)

    def _renew(self) -> None:
        """Another link, on new producers: an idempotent producer that failed may not recover by itself."""
        link = self._connect()
        old, self._link = self._link, link
        if old is not None:
            old.close()

    def _look(self) -> None:
        self._link.log_id = self._link.identify()


def _over(outcome: Place | BaseException | None) -> bool:
    """Whether a record need not be sent again: it is there, or it never will be."""
    return isinstance(outcome, Place | MessageSizeTooLargeError)


def _outcome(sent: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Place | BaseException]:
    """Wraps a Kafka future (or the error of the send) for asyncio: resolves to the place or the error."""
    future: asyncio.Future[Place | BaseException] = loop.create_future()

    def settle(outcome: Place | BaseException) -> None:
        if not future.done():
            future.set_result(outcome)

    if isinstance(sent, BaseException):
        settle(sent)
    else:
        sent.add_callback(lambda there: loop.call_soon_threadsafe(settle, Place(there.partition, there.offset)))
        sent.add_errback(lambda error: loop.call_soon_threadsafe(settle, error))
    return future
