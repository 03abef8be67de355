"""The publisher's promises, with links that a test breaks: all acknowledged, or held and then not stored."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future

from refrain.contracts.topics import LAB_REPORTS
from services.intake.adapters.publisher import Delivery, NotStored, Place, Publisher, Record


class FakeLink:
    """A cluster in memory; ``answer`` decides the fate of each record: None is an acknowledgement."""

    def __init__(self, answer: Callable[[Record], BaseException | None], log_id: str = "log-1") -> None:
        self.answer = answer
        self.log_id = log_id
        self.got: list[Record] = []
        self.closed = False
        self.alive = True

    def send(self, records: Any) -> list[Any]:
        futures = []
        for record in records:
            future, error = Future(), self.answer(record)
            if error is None:
                self.got.append(record)
            there = SimpleNamespace(partition=3, offset=len(self.got) - 1)
            settle = (
                (lambda f=future, t=there: f.success(t)) if error is None else (lambda f=future, e=error: f.failure(e))
            )
            threading.Timer(0.005, settle).start()
            futures.append(future)
        return futures

    def identify(self) -> str:
        if not self.alive:
            raise KafkaConnectionError
        return self.log_id

    def close(self) -> None:
        self.closed = True


def record(name: str) -> Record:
    return Record(LAB_REPORTS, b"NORTH|MR|1", name.encode())


async def started(connect: Callable[[], Any], *, hold: float = 2.0, check: float = 60.0) -> Publisher:
    publisher = Publisher(connect, hold_seconds=hold, check_seconds=check, retry_seconds=0.01)
    await publisher.start()
    return publisher


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_publish_returns_when_every_record_is_acknowledged() -> None:
    link = FakeLink(lambda _: None)
    publisher = await started(lambda: link)
    records = [record("a"), record("b")]
    delivery = await publisher.publish(records)
    assert delivery.places == {records[0]: Place(3, 0), records[1]: Place(3, 1)}
    assert delivery.refused == ()
    assert link.got == records
    assert publisher.log_id == "log-1"
    await publisher.stop()
    assert link.closed


async def test_only_what_was_not_acknowledged_is_sent_again() -> None:
    failures = [KafkaTimeoutError(), KafkaTimeoutError()]
    links: list[FakeLink] = []

    def connect() -> FakeLink:
        links.append(FakeLink(lambda r: failures.pop() if r.value == b"b" and failures else None))
        return links[-1]

    publisher = await started(connect)
    assert set((await publisher.publish([record("a"), record("b")])).places) == {record("a"), record("b")}
    assert [r.value for link in links for r in link.got] == [b"a", b"b"]
    await publisher.stop()


async def test_after_the_hold_nothing_is_promised() -> None:
    publisher = await started(lambda: FakeLink(lambda _: KafkaTimeoutError()), hold=0.2)
    with pytest.raises(NotStored):
        await publisher.publish([record("a")])
    await publisher.stop()


async def test_a_send_that_never_answers_is_not_waited_for_beyond_the_hold() -> None:
    class Silent(FakeLink):
        def send(self, records: Any) -> list[Any]:
            return [Future() for _ in records]

    publisher = await started(lambda: Silent(lambda _: None), hold=0.2)
    with pytest.raises(NotStored):
        await publisher.publish([record("a")])
    await publisher.stop()


async def test_without_any_link_the_hold_ends_too() -> None:
    def connect() -> Any:
        raise KafkaConnectionError

    publisher = await started(connect, hold=0.1)
    assert not publisher.storing
    with pytest.raises(NotStored):
        await publisher.publish([record("a")])
    assert publisher.log_id == ""
    await publisher.stop()


async def test_a_message_that_is_held_goes_through_when_kafka_comes_back() -> None:
    up = False

    def connect() -> Any:
        if not up:
            raise KafkaConnectionError
        return FakeLink(lambda _: None)

    publisher = await started(connect, hold=30)
    held = asyncio.create_task(publisher.publish([record("a")]))
    await asyncio.sleep(0.05)
    assert not held.done()
    up = True
    assert (await held).refused == ()
    await publisher.stop()


async def test_a_record_that_is_too_large_is_named_and_the_rest_is_stored() -> None:
    link = FakeLink(lambda r: MessageSizeTooLargeError() if r.value == b"huge" else None)
    publisher = await started(lambda: link)
    huge = record("huge")
    delivery = await publisher.publish([record("a"), huge, record("b")])
    assert (delivery.refused, set(delivery.places)) == ((huge,), {record("a"), record("b")})
    assert [r.value for r in link.got] == [b"a", b"b"]
    assert publisher.storing
    await publisher.stop()


async def test_an_idle_link_that_dies_is_noticed_and_comes_back_on_another_log() -> None:
    links = [FakeLink(lambda _: None, "log-2"), FakeLink(lambda _: None, "log-1")]
    first = links[-1]
    heard: list[bool] = []
    publisher = Publisher(lambda: links.pop(), check_seconds=0.01, retry_seconds=0.001)
    publisher.on_change(heard.append)
    await publisher.start()
    await until(lambda: publisher.log_id == "log-1")
    first.alive = False
    await until(lambda: publisher.log_id == "log-2")
    assert heard == [True, False, True]
    assert first.closed
    await publisher.stop()


async def test_publishing_nothing_needs_no_kafka() -> None:
    publisher = Publisher(lambda: None)
    assert await publisher.publish([]) == Delivery()
    await publisher.stop()
