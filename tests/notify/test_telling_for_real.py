"""Alerts through the real store and dispatcher to a real mail server and a real receiver of webhooks that fails."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from refrain.contracts.events import PatientId
from refrain.runtime.database import open_database
from services.notify.adapters.channels import build_channels
from services.notify.adapters.chart_context import NoContexts
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.dispatch import Dispatcher, Pace
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import SERVICE, Store
from services.notify.domain.roster import Roster, load
from services.notify.domain.thread import Message
from tests.notify.living import an_id, corrected, raised, retracted
from tests.notify.servers import Inbox, Receiver, http_server, mail_server
from tests.notify.telling import NOON

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()
QUICK = Pace(turn_seconds=0.02, note_seconds=0.05, stop_seconds=2.0)
ROSTER = """
zone: Europe/Berlin
channels:
  page: {{type: webhook, secret_env: PAGE_SECRET, parallel: 8, timeout_seconds: 2}}
  mail: {{type: smtp, host: 127.0.0.1, port: {smtp}, security: none, sender: refrain@hospital.example}}
people:
  ana:
    name: Ana
    channels: [{{channel: page, address: "http://127.0.0.1:{http}/ana"}}, {{channel: mail, address: ana@h.example}}]
  lab: {{name: Laboratory, team: laboratory, channels: [{{channel: mail, address: lab@h.example}}]}}
chains:
  P1: {{levels: [{{to: [ana]}}]}}
  P2_24: {{levels: [{{to: [ana]}}]}}
  P2_72: {{levels: [{{to: [ana]}}]}}
  P3: {{levels: [{{to: [ana]}}]}}
  DQ: {{levels: [{{to: [lab]}}]}}
fallback: {{clinical: [ana], laboratory: [lab]}}
digest: {{weekday: monday, time: "07:30"}}
settle_seconds: {{P1: 0, P2: 0}}
"""


class Swift:
    """A clock that runs many times as fast as ours, so that pauses of minutes pass in a test."""

    def __init__(self, times: float) -> None:
        self._times = times
        self._began = time.monotonic()

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=(time.monotonic() - self._began) * self._times)


class Killed(DeliveryLog):
    """Of a replica that is killed after so many sends: what was sent then is written down by nobody."""

    left = 10

    def sent(self, message: Message, now: datetime) -> None:
        if self.left <= 0:
            raise OperationalError("killed", {}, Exception())
        self.left -= 1
        super().sent(message, now)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(SECRET)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def roster(receiver: Receiver, inbox: Inbox) -> Iterator[Roster]:
    with mail_server(inbox) as smtp, http_server(receiver) as http:
        yield load(ROSTER.format(smtp=smtp, http=http))


@pytest.fixture
def store(database: str, roster: Roster) -> Iterator[Store]:
    opened = Store(open_database(database, SERVICE), "cluster-1", roster)
    yield opened
    opened.close()


def a_dispatcher(log: DeliveryLog, roster: Roster, clock: Swift) -> Dispatcher:
    routes = build_channels(roster, {"PAGE_SECRET": SECRET})
    return Dispatcher(
        log, routes, roster, NoContexts(), clock, console_url="https://r.example", pace=QUICK, random=Random(1)
    )  # fmt: skip


async def while_it_runs(*dispatchers: Dispatcher, seen: Callable[[], bool]) -> None:
    until = asyncio.Event()
    running = [asyncio.create_task(one.run(until)) for one in dispatchers]
    while not seen():  # noqa: ASYNC110 - what is waited for happens in other threads
        await asyncio.sleep(0.05)
    until.set()
    await asyncio.wait_for(asyncio.gather(*running), 60)


def alerts(store: Store, clock: Swift, patients: int, each: int) -> list[UUID]:
    """Alerts of several patients, several of one draw each."""
    found = []
    for patient in range(patients):
        for number in range(each):
            name = f"{patient}-{number}"
            event = raised(
                name, tier="P1", kind="CRITICAL_RESULT", episode=an_id("episode", name),
                patient=PatientId(authority="NORTH", type="MR", id=str(patient)),
            )  # fmt: skip
            store.work(lambda desk, event=event: desk.take(event, clock()))  # type: ignore[misc]
            found.append(event.alert)
    return found


async def test_half_of_the_sends_fail_and_a_replica_is_killed_and_everybody_is_told(
    store: Store, roster: Roster, receiver: Receiver, inbox: Inbox
) -> None:
    dice = Random(7)
    receiver.mood = lambda: (503, {}) if dice.random() < 0.5 else None
    clock = Swift(20)
    raised_alerts = alerts(store, clock, patients=12, each=3)
    first = a_dispatcher(Killed(store), roster, clock)
    await while_it_runs(first, seen=lambda: len(receiver.seen) >= 6)

    queries = Queries(store)
    second, third = (a_dispatcher(DeliveryLog(store), roster, clock) for _ in range(2))
    await while_it_runs(second, third, seen=lambda: not queries.unsent())

    threads = [queries.thread(alert) for alert in raised_alerts]
    assert all(thread is not None and thread.told for thread in threads)
    told = Counter(UUID(it["alert"]) for content in receiver.seen.values() for it in content["data"]["alerts"])
    told += Counter(
        UUID(root.removeprefix("<alert-").partition("@")[0])
        for mail in inbox.mails for root in mail["References"].split()
    )  # fmt: skip
    assert set(told) == set(raised_alerts)
    assert receiver.repeats > 0  # what was sent when the replica was killed came again, under its old id
    by_page = Counter(UUID(it["alert"]) for content in receiver.seen.values() for it in content["data"]["alerts"])
    assert set(by_page.values()) == {1}  # and no alert was paged under two ids
    assert len(receiver.seen) <= 12


async def test_a_dead_channel_hands_over_to_the_next_one(
    store: Store, roster: Roster, receiver: Receiver, inbox: Inbox
) -> None:
    receiver.mood = lambda: (503, {})
    clock = Swift(30)
    [alert] = alerts(store, clock, patients=1, each=1)
    await while_it_runs(
        a_dispatcher(DeliveryLog(store), roster, clock), seen=lambda: bool(inbox.mails) and not Queries(store).unsent()
    )
    thread = Queries(store).thread(alert)
    assert thread is not None
    assert [entry.to.channel for entry in thread.told] == ["mail"]
    assert "undelivered" in [action.body.type for action in Queries(store).actions(alert)]
    assert thread.state == "delivered"


async def test_a_retraction_reaches_whoever_was_told(store: Store, roster: Roster, receiver: Receiver) -> None:
    clock = Swift(5)
    [alert] = alerts(store, clock, patients=1, each=1)
    dispatcher = a_dispatcher(DeliveryLog(store), roster, clock)
    patient = PatientId(authority="NORTH", type="MR", id="0")
    taken_back = retracted(
        "0-0",
        tier="P1",
        kind="CRITICAL_RESULT",
        episode=an_id("episode", "0-0"),
        patient=patient,
        values=(corrected(),),
    )
    await while_it_runs(dispatcher, seen=lambda: len(receiver.seen) == 1)
    store.work(lambda desk: desk.take(taken_back, clock()))
    await while_it_runs(dispatcher, seen=lambda: len(receiver.seen) == 2)
    first, second = receiver.seen.values()
    assert first["data"]["subject"] == "P1: critical result"
    assert second["data"]["subject"] == "WITHDRAWN: P1: critical result"
    assert "250 pg/mL" not in str(receiver.seen)
    told: Any = Queries(store).thread(alert)
    assert [entry.occasion for entry in told.told] == ["retracted"]
