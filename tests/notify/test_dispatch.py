"""What is sent when, together with what, over which channel, and what happens when it cannot be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from refrain.contracts.events import PatientId, Tier
from services.notify import metrics
from services.notify.adapters.bundles import JITTER
from services.notify.adapters.channels import Route
from services.notify.adapters.channels.settings import SmtpSettings
from services.notify.adapters.dispatch import Dispatcher, Pace
from services.notify.domain.thread import Message, Thread
from services.notify.domain.words import Context
from tests.notify.fakes import FakeChannel, FakeDeliveries, failing, held_by
from tests.notify.telling import NOON, a_message, a_roster, a_thread

PLAIN = {"type": "smtp", "host": "mail.hospital.example", "sender": "refrain@hospital.example"}
ROSTER = a_roster(
    {"mail": PLAIN, "pager": PLAIN},
    {"ward-nurse": [("mail", "ward"), ("pager", "4711")], "doctor": [("mail", "doctor")]},
)


@dataclass
class FakeContexts:
    known: dict[UUID, Context] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)

    async def of(self, alerts: Collection[UUID]) -> Mapping[UUID, Context]:
        self.asked += alerts
        return self.known


async def until_true(seen: Callable[[], bool]) -> None:
    while not seen():  # noqa: ASYNC110 - what is waited for happens in other threads
        await asyncio.sleep(0.01)


class Desk:
    """A dispatcher with its clock, its store and two channels, and what one wants to see of it."""

    def __init__(self, **settings: Any) -> None:
        self.now = NOON
        self.store = FakeDeliveries()
        self.mail, self.pager = FakeChannel("mail"), FakeChannel("pager")
        self.contexts = FakeContexts()
        self.settings = settings
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        """Another replica on the same database, or the same one started again."""
        chosen = SmtpSettings(host="h", sender="a@b.example", **self.settings)
        routes = {channel.name: Route(channel, chosen) for channel in (self.mail, self.pager)}
        return Dispatcher(
            self.store, routes, ROSTER, self.contexts, lambda: self.now, console_url="https://r.example",
            pace=Pace(note_seconds=0.01, turn_seconds=0.01, stop_seconds=0.2), random=Random(1),
        )  # fmt: skip

    def post(self, thread: Thread, person: str = "ward-nurse", **more: Any) -> Message:
        message = a_message(thread, person, **more)
        self.store.post(thread, message)
        return message

    async def turn(self, **passed: float) -> None:
        self.now += timedelta(**passed)
        await self.dispatcher.turn()
        await self.dispatcher.settled()

    def seconds_to(self, message: Message) -> float:
        return (self.store.next_try(message) - self.now).total_seconds()


async def test_what_is_due_is_sent_once() -> None:
    desk = Desk()
    message = desk.post(a_thread())
    later = desk.post(
        a_thread(2, patient=PatientId(authority="A", type="MR", id="2")), not_before=NOON + timedelta(hours=1)
    )
    await desk.turn()
    await desk.turn(seconds=90)
    [(key, address, text)] = desk.mail.taken
    assert (key, address) == (message.delivery, "ward")
    assert text.subject == "P1: critical result"
    assert desk.store.state_of(message) == ("sent", "")
    assert desk.store.state_of(later)[0] == "waiting"


async def test_results_of_one_draw_are_one_message() -> None:
    desk = Desk()
    messages = [desk.post(a_thread(n)) for n in range(1, 4)]
    await desk.turn()
    [(key, _, text)] = desk.mail.taken
    assert key in {message.delivery for message in messages}
    assert set(text.alerts) == {message.alert for message in messages}
    assert {desk.store.state_of(message)[0] for message in messages} == {"sent"}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"patient": PatientId(authority="A", type="MR", id="2")}, id="another patient"),
        pytest.param({"tier": "P2", "due_hours": 24}, id="another tier"),
    ],
)
async def test_what_does_not_belong_together_stays_apart(other: dict[str, Any]) -> None:
    desk = Desk()
    desk.post(a_thread(1))
    desk.post(a_thread(2, **other))
    await desk.turn()
    assert [len(text.alerts) for _, _, text in desk.mail.taken] == [1, 1]


async def test_people_and_channels_stay_apart() -> None:
    desk = Desk()
    thread = a_thread()
    desk.post(thread)
    desk.post(thread, "doctor")
    desk.post(thread, channel="pager")
    await desk.turn()
    assert sorted(address for _, address, _ in desk.mail.taken) == ["doctor", "ward"]
    assert [address for _, address, _ in desk.pager.taken] == ["4711"]


async def test_a_digest_is_one_over_all_patients() -> None:
    desk = Desk(parallel=1)
    for number in range(5):
        patient = PatientId(authority="A", type="MR", id=str(number))
        desk.post(a_thread(number, tier="P3", kind="MONITORING_GAP", patient=patient), digest=True)
    await desk.turn()
    [(_, _, text)] = desk.mail.taken
    assert text.digest
    assert len(text.alerts) == 5


async def test_the_most_urgent_goes_first() -> None:
    desk = Desk(parallel=1)
    for number, tier in enumerate(("DQ", "P3", "P2", "P1")):
        desk.post(a_thread(number, tier=tier, due_hours=None))
    for _ in range(4):
        await desk.turn()
    assert [text.urgency for _, _, text in desk.mail.taken] == ["P1", "P2", "P3", "DQ"]


async def test_what_a_crash_cut_short_is_sent_again_under_the_same_key_and_does_not_grow() -> None:
    desk = Desk()
    first, second = desk.post(a_thread(1)), desk.post(a_thread(2))
    desk.store.away = {"sent": 99}
    running = asyncio.create_task(desk.dispatcher.run(until := asyncio.Event()))
    await until_true(lambda: bool(desk.mail.taken))
    until.set()
    await asyncio.wait_for(running, 30)
    desk.store.away = {}

    third = desk.post(a_thread(3))
    desk.dispatcher = desk.another()
    await desk.turn()
    assert desk.mail.keys[1:] == [third.delivery]  # what is on loan is left alone
    await desk.turn(minutes=5)
    assert desk.mail.keys == [desk.mail.keys[0], third.delivery, desk.mail.keys[0]]
    assert set(desk.mail.taken[2][2].alerts) == {first.alert, second.alert}
    await desk.turn(minutes=5)
    assert len(desk.mail.taken) == 3


async def test_a_single_message_keeps_its_key_though_another_joins_its_patient() -> None:
    desk = Desk()
    first = desk.post(a_thread(1))
    desk.mail.does = failing("timeout")
    await desk.turn()
    second = desk.post(a_thread(2))
    desk.mail.does = FakeChannel.does
    await desk.turn(seconds=10)
    assert sorted(desk.mail.keys) == sorted([first.delivery, second.delivery])


@pytest.mark.parametrize(
    ("tier", "expected"), [("P1", (2, 5, 10, 20, 30, 30)), ("P2", (5, 15, 45, 135, 300, 300))]
)  # fmt: skip
async def test_pauses_grow_and_a_p1_does_not_wait_long(tier: Tier, expected: tuple[float, ...]) -> None:
    desk = Desk(down_after_failures=99)
    desk.mail.does = failing("unreachable")
    message = desk.post(a_thread(tier=tier, due_hours=None), give_up_at=NOON + timedelta(hours=9))
    parts = []
    for tried, pause in enumerate(expected, 1):
        await desk.turn()
        assert desk.mail.tried == tried
        parts.append(desk.seconds_to(message) / pause)
        desk.now = desk.store.next_try(message)
    assert all(1 - JITTER <= part <= 1 + JITTER for part in parts)
    assert len(set(parts)) == len(expected)  # none like another: there is a jitter


async def test_a_receiver_that_asks_to_wait_is_left_alone() -> None:
    desk = Desk()
    message = desk.post(a_thread(), give_up_at=NOON + timedelta(hours=1))
    desk.mail.does = failing("refused", wait_seconds=77.0)
    await desk.turn()
    assert desk.seconds_to(message) == 77.0


async def test_at_the_end_it_is_tried_once_more_and_then_given_up() -> None:
    desk = Desk()
    message = desk.post(a_thread(), give_up_at=NOON + timedelta(seconds=60))
    desk.mail.does = failing("refused", wait_seconds=3000.0)
    await desk.turn()
    assert desk.seconds_to(message) == 60.0
    await desk.turn(seconds=60)
    assert desk.mail.tried == 2
    assert desk.store.state_of(message) == ("failed", "refused")


async def test_what_waited_longer_than_it_may_is_still_tried_once() -> None:
    desk = Desk()
    message = desk.post(a_thread())
    await desk.turn(hours=3)
    assert desk.store.state_of(message) == ("sent", "")


async def test_what_is_refused_for_good_goes_on_at_once() -> None:
    desk = Desk()
    message = desk.post(a_thread())
    desk.mail.does = failing("refused", again=False)
    await desk.turn()
    assert desk.store.state_of(message) == ("failed", "refused")
    assert desk.store.states == {}  # one address says nothing about the channel


async def test_a_slow_channel_holds_nobody_else() -> None:
    desk = Desk()
    gate = Event()
    desk.mail.does = held_by(gate)
    thread = a_thread()
    slow, quick = desk.post(thread), desk.post(thread, channel="pager")
    await desk.dispatcher.turn()
    await until_true(lambda: desk.store.state_of(quick)[0] == "sent")
    assert desk.store.state_of(slow)[0] == "waiting"
    gate.set()
    await desk.dispatcher.settled()
    assert desk.store.state_of(slow)[0] == "sent"


async def test_no_more_at_once_than_the_roster_says() -> None:
    desk = Desk(parallel=3)
    gate = Event()
    desk.mail.does = held_by(gate)
    for number in range(10):
        desk.post(a_thread(number, patient=PatientId(authority="A", type="MR", id=str(number))))
    for _ in range(4):
        await desk.dispatcher.turn()
        await asyncio.sleep(0.05)
    assert desk.mail.tried == 3
    gate.set()
    while len(desk.mail.taken) < 10:
        await desk.turn()
    assert desk.mail.most_at_once == 3


async def test_a_send_that_hangs_is_left_to_itself() -> None:
    desk = Desk(timeout_seconds=0.05, parallel=2)
    gate = Event()
    desk.mail.does = held_by(gate)
    message = desk.post(a_thread())
    await desk.turn()
    assert desk.store.state_of(message) == ("waiting", "timeout")
    desk.mail.does = FakeChannel.does
    await desk.turn(seconds=10)
    assert desk.store.state_of(message) == ("sent", "")
    gate.set()


async def test_when_too_many_hang_no_further_thread_is_started() -> None:
    desk = Desk(timeout_seconds=0.02, parallel=20, down_after_failures=99)
    gate = Event()
    desk.mail.does = held_by(gate)
    for number in range(12):
        desk.post(a_thread(number, patient=PatientId(authority="A", type="MR", id=str(number))))
    await desk.turn()
    tried = desk.mail.tried
    await desk.turn(seconds=3)
    assert desk.mail.tried == tried == 12
    assert {row.reason for row in desk.store.rows.values()} == {"timeout"}
    gate.set()
    await until_true(lambda: not desk.mail.at_once)
    await asyncio.sleep(0)
    desk.mail.does = FakeChannel.does
    await desk.turn(seconds=30)
    assert {row.state for row in desk.store.rows.values()} == {"sent"}


async def dead(desk: Desk, *, seconds: float = 60) -> None:
    """Bring the mail down: five failures in a row over a minute."""
    for _ in range(4):
        desk.store.channel_result("mail", False, desk.now)
    desk.now += timedelta(seconds=seconds)
    desk.store.channel_result("mail", False, desk.now)
    desk.mail.does = failing("unreachable")


async def test_past_a_dead_channel_messages_go_at_once_the_other_way(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    await dead(desk)
    messages = [
        desk.post(
            a_thread(n, patient=PatientId(authority="A", type="MR", id=str(n))),
            further=("pager",), give_up_at=NOON + timedelta(hours=1),
        ) for n in range(5)
    ]  # fmt: skip
    await desk.turn()
    assert desk.mail.tried == 1  # the one that sees whether it is back
    assert sorted(desk.store.state_of(message) for message in messages) == [
        *[("failed", "channel_dead")] * 4, ("failed", "unreachable"),
    ]  # fmt: skip
    assert metrics.CHANNEL_READY.labels("mail")._value.get() == 0
    assert "a channel is down" in caplog.text
    assert metrics.CHANNEL_READY.labels("pager")._value.get() == 1


async def test_who_has_no_other_channel_waits_for_this_one_until_it_is_given_up() -> None:
    desk = Desk()
    await dead(desk)
    thread = a_thread(1, tier="P2", due_hours=24)
    probe = desk.post(thread, "doctor", give_up_at=desk.now + timedelta(hours=1))
    await desk.turn()
    message = desk.post(a_thread(2), "doctor", give_up_at=desk.now + timedelta(seconds=40))
    for expected in (15.0, 15.0, 10.0):
        await desk.turn()
        assert desk.seconds_to(message) == expected
        desk.now += timedelta(seconds=expected)
    assert desk.mail.tried == 1
    await desk.turn()
    assert desk.store.state_of(message) == ("failed", "channel_dead")
    assert desk.store.state_of(probe)[0] == "waiting"


async def test_a_dead_channel_is_tried_every_minute_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    desk = Desk()
    await dead(desk)
    messages = [desk.post(a_thread(n), "doctor", occasion="raised", level=n, give_up_at=NOON + timedelta(hours=9))
                for n in range(3)]  # fmt: skip
    tried = []
    for _ in range(9):
        await desk.turn(seconds=15)
        tried.append(desk.mail.tried)
    assert tried[-1] == 3
    desk.mail.does = FakeChannel.does
    for _ in range(6):
        await desk.turn(seconds=15)
    assert {desk.store.state_of(message)[0] for message in messages} == {"sent"}
    assert metrics.CHANNEL_READY.labels("mail")._value.get() == 1
    assert "a channel is back" in caplog.text


@pytest.mark.parametrize(
    ("failures", "seconds"), [pytest.param(4, 600, id="few"), pytest.param(50, 59, id="quickly one after the other")]
)
async def test_a_channel_is_not_dead_too_soon(failures: int, seconds: float) -> None:
    desk = Desk()
    for _ in range(failures):
        desk.store.channel_result("mail", False, desk.now)
    message = desk.post(a_thread(), further=("pager",))
    await desk.turn(seconds=seconds)
    assert desk.store.state_of(message) == ("sent", "")
    assert desk.store.states["mail"].failures == 0


async def test_a_success_is_not_written_down_each_time() -> None:
    desk = Desk()
    for number in range(3):
        desk.post(a_thread(number))
        await desk.turn(seconds=10)
    assert desk.store.states["mail"].last_success == NOON + timedelta(seconds=10)
    desk.post(a_thread(7))
    await desk.turn(seconds=11)
    assert desk.store.states["mail"].last_success == desk.now


async def test_a_channel_or_an_address_that_the_roster_has_no_more() -> None:
    desk = Desk()
    gone = desk.post(a_thread(), channel="carrier-pigeon", further=("mail",))
    nobody = desk.post(a_thread(), "who-left")
    await desk.turn()
    assert desk.store.state_of(gone) == ("failed", "misconfigured")
    assert desk.store.state_of(nobody) == ("failed", "misconfigured")


async def test_the_database_away_after_a_send_is_waited_for() -> None:
    desk = Desk()
    message = desk.post(a_thread())
    desk.store.away = {"sent": 3}
    await desk.turn()
    assert desk.store.state_of(message) == ("sent", "")
    assert len(desk.mail.taken) == 1


@pytest.mark.parametrize("method", ["channels", "due_channels", "lease", "bundle", "channel_result"])
async def test_the_database_away_at_any_time_loses_nothing(method: str) -> None:
    desk = Desk()
    message = desk.post(a_thread())
    desk.store.away = {method: 2}
    running = asyncio.create_task(desk.dispatcher.run(until := asyncio.Event()))
    while desk.store.state_of(message)[0] != "sent":
        desk.now += timedelta(seconds=5)  # loans run out
        await asyncio.sleep(0.01)
    until.set()
    await asyncio.wait_for(running, 30)
    assert set(desk.mail.keys) == {message.delivery}


async def test_a_stop_does_not_wait_for_what_hangs() -> None:
    desk = Desk()
    gate = Event()
    desk.mail.does = held_by(gate)
    message = desk.post(a_thread())
    running = asyncio.create_task(desk.dispatcher.run(until := asyncio.Event()))
    await until_true(lambda: desk.mail.at_once > 0)
    until.set()
    await asyncio.wait_for(running, 30)  # the gate is closed still
    assert desk.store.state_of(message)[0] == "waiting"
    gate.set()
    desk.mail.does = FakeChannel.does
    desk.dispatcher = desk.another()
    await desk.turn(minutes=2)
    assert desk.store.state_of(message)[0] == "sent"


async def test_a_defect_of_a_channel_is_a_failure_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    message = desk.post(a_thread())

    def breaks(_text: Any, address: str, _key: UUID) -> None:
        raise KeyError(f"{address} 7700415")

    desk.mail.does = breaks
    await desk.turn()
    assert desk.store.state_of(message) == ("waiting", "unreachable")
    assert "7700415" not in caplog.text
    assert "in a way of its own" in caplog.text


async def test_a_defect_about_one_message_does_not_keep_others_and_does_not_repeat_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    broken = desk.post(a_thread(1, patient=PatientId(authority="A", type="MR", id="2")))
    good = desk.post(a_thread(2))
    desk.store.broken = {broken.delivery}
    await desk.turn()
    await desk.turn(seconds=200)
    assert desk.store.state_of(good)[0] == "sent"
    assert desk.mail.keys.count(broken.delivery) == 1
    assert "ward-nurse" not in caplog.text
    await desk.turn(seconds=400)
    assert desk.mail.keys.count(broken.delivery) == 2


async def test_chart_is_asked_only_where_the_channel_may_say_it() -> None:
    desk = Desk()
    thread = a_thread()
    desk.contexts.known = {thread.alert: Context("/alerts/x", ("CRV confirmed",), "240")}
    desk.pager.detail = "clinical"
    desk.post(thread)
    desk.post(thread, channel="pager")
    await desk.turn()
    assert desk.contexts.asked == [thread.alert]
    assert "CRV confirmed" in desk.pager.taken[0][2].body
    assert "CRV confirmed" not in desk.mail.taken[0][2].body


async def test_what_cannot_be_worded_goes_without_detail() -> None:
    desk = Desk()
    desk.mail.detail = "clinical"
    desk.contexts.of = None  # type: ignore[assignment,method-assign]
    message = desk.post(a_thread())
    await desk.turn()
    assert desk.store.state_of(message)[0] == "sent"
    assert "871.5" not in desk.mail.taken[0][2].body


async def test_the_log_has_neither_people_nor_patients(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk()
    desk.mail.detail = "identified"
    desk.mail.does = failing("timeout")
    desk.post(a_thread())
    await desk.turn()
    await desk.turn(hours=1)
    for word in ("7700415", "871.5", "ward-nurse", "NORTHWARD"):
        assert word not in caplog.text
    assert {record.__dict__.get("reason") for record in caplog.records} >= {"timeout"}
