"""The fakes keep the promises of what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from refrain.contracts.events import PatientId
from services.notify.adapters.channels.channel import Channel
from services.notify.adapters.deliveries import Deliveries
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.store import Store
from services.notify.domain.happenings import Outcome
from services.notify.domain.thread import Message, Thread
from tests.notify.fakes import FakeChannel, FakeDeliveries, failing
from tests.notify.keeping import a_store, put
from tests.notify.notifier_contract import NotifierContract
from tests.notify.telling import NOON, a_message, a_thread


class TestFakeChannel(NotifierContract):
    @pytest.fixture
    def channel(self) -> Channel:
        self._channel = FakeChannel("under-test")
        return self._channel

    @pytest.fixture
    def address(self) -> str:
        return "somebody"

    @pytest.fixture
    def away(self) -> tuple[Channel, str]:
        return FakeChannel("under-test", does=failing()), "nobody"

    def received(self) -> list[tuple[str, str, str]]:
        return [(str(key), text.subject, text.body) for key, _, text in self._channel.taken]


Post = Callable[[Thread, Message], None]


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


def steps(log: Deliveries, post: Post) -> Iterator[object]:
    """A story of some deliveries; what the log says at each step."""
    other = PatientId(authority="A", type="MR", id="2")
    threads = [a_thread(1), a_thread(2), a_thread(3, tier="P2", due_hours=24), a_thread(4, patient=other)]
    messages = [a_message(thread) for thread in threads]
    for thread, message in zip(threads, messages, strict=True):
        post(thread, message)

    def lent(at: datetime, limit: int = 10, channel: str | None = "mail") -> list[tuple[UUID, int, UUID | None]]:
        found = log.lease(at, limit, 30, channel)
        return sorted((due.message.delivery, due.attempts, due.bundle) for due in found)

    yield list(log.due_channels(NOON))
    yield list(log.due_channels(NOON - timedelta(seconds=1)))
    yield lent(NOON, channel="pager")
    yield {due.message.tier for due in log.lease(NOON, 1, 30, "mail")}
    yield len(lent(NOON))
    yield lent(NOON)
    yield sorted(log.bundle(messages[0].delivery, messages[:2], NOON) or ())
    yield log.bundle(messages[1].delivery, messages[:2], NOON)
    log.retry(messages[0], NOON + timedelta(seconds=5), "timeout")
    log.retry(messages[1], NOON + timedelta(seconds=5), "timeout")
    yield lent(NOON + timedelta(seconds=4))
    yield lent(NOON + timedelta(seconds=5), limit=1)
    log.failed(messages[2], "refused", NOON)
    log.failed(messages[2], "refused", NOON)
    log.sent(messages[0], NOON)
    log.sent(messages[0], NOON)
    log.release([messages[3]], NOON + timedelta(hours=1))
    yield lent(NOON + timedelta(minutes=50))
    yield lent(NOON + timedelta(hours=1))
    for ok, seconds in ((True, 1), (False, 2), (False, 3)):
        log.channel_result("mail", ok, NOON + timedelta(seconds=seconds))
        yield list(log.channels())


def test_the_log_in_memory_does_what_the_one_in_sql_does(store: Store) -> None:
    fake = FakeDeliveries()
    real = steps(
        DeliveryLog(store),
        lambda thread, message: put(
            store, Outcome(thread.model_copy(update={"unsent": (message,)}), (), (message,))
        ),
    )  # fmt: skip
    told = list(steps(fake, fake.post))
    # what a failure sends on to the next level is the business of the thread, which the fake does not have
    assert told == list(real)
    assert told[5] == []
    assert len(told[9]) == 2  # type: ignore[arg-type]
