"""Each tier as a nurse, a haematologist and the laboratory see it: who is told, and when nobody answers who is next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refrain.contracts.acknowledging import REASONS
from refrain.contracts.events.actions import Acknowledged
from services.notify.domain.life import Refused, Woke
from tests.notify.living import (
    DQ,
    MONDAY_DIGEST,
    NIGHT,
    P1,
    P2_24,
    P2_72,
    P3,
    TUESDAY,
    World,
    raised,
    told_world,
)


def test_a_critical_result_goes_to_the_first_contact_at_once_even_at_night() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P1))
    [message] = world.waiting.values()
    assert (message.to.person, message.to.channel, message.occasion) == ("ana", "page", "raised")
    assert message.not_before == NIGHT + timedelta(seconds=2)
    assert message.further == ("mail", "chat")


def test_an_unanswered_critical_result_is_resent_at_15_then_second_contact_at_30_and_supervisor_at_60() -> None:
    world = told_world(**P1)
    seen = [(0.5, "ana raised")]
    for minute in range(1, 62):
        before = len(world.told)
        world.passes(minutes=1)
        seen += [(minute + 0.5, one) for one in world.told[before:]]
    assert seen == [(0.5, "ana raised"), (15.5, "ana resent"), (30.5, "ben escalated"), (60.5, "cho escalated")]
    assert world.thread().state == "escalated"
    assert world.thread().level == 2


def test_once_everybody_was_told_the_last_level_is_reminded_and_nobody_forgets() -> None:
    world = told_world(**P1)
    world.passes(hours=1)
    world.forget()
    world.passes(hours=2)
    assert world.told == ["cho reminded"] * 4
    assert world.thread().waiting


def test_a_critical_result_waits_until_it_is_read_back() -> None:
    world = told_world(**P1)
    world.acknowledges()
    assert world.thread().waiting
    assert world.thread().wake_at == world.now + timedelta(minutes=15)
    world.reads_back()
    assert not world.thread().waiting
    assert world.thread().read_back_by == "Nurse Kim"
    world.forget()
    world.passes(days=3)
    assert world.told == []


def test_a_missing_read_back_is_asked_for_and_then_escalated() -> None:
    world = told_world(**P1)
    world.acknowledges("ben")
    world.forget()
    world.passes(minutes=16)
    assert world.told == ["ben reminded"]
    assert world.thread().state == "acknowledged"
    world.passes(minutes=15)
    assert world.told == ["ben reminded", "ben escalated"]
    world.passes(minutes=15)
    assert world.told[-1] == "cho escalated"
    assert world.thread().state == "acknowledged"
    assert world.thread().acknowledged_by == "ben"
    world.reads_back("cho")
    assert not world.thread().waiting


def test_a_read_back_by_somebody_who_is_not_on_the_roster_is_asked_of_the_first_contact() -> None:
    world = told_world(**P1)
    world.acknowledges("agency-nurse")
    world.forget()
    world.passes(minutes=16)
    assert world.told == ["ana reminded"]


def test_a_read_back_acknowledges_too() -> None:
    world = told_world(**P1)
    outcome = world.reads_back()
    assert [action.body.type for action in outcome.actions] == ["acknowledged", "read_back"]
    assert outcome.thread.acknowledged_by == "ana"
    assert {reason.code: reason.override for reason in REASONS}[outcome.thread.acknowledge_reason] is False


def test_a_critical_result_is_never_snoozed() -> None:
    with pytest.raises(Refused, match="TOO_LONG"):
        told_world(**P1).snoozes(minutes=1)


def test_after_two_hours_of_standstill_everybody_who_is_overdue_is_told_at_once() -> None:
    world = told_world(**P1)
    world.now += timedelta(hours=2)
    outcome = world.happens(Woke(world.now))
    assert [(message.to.person, message.occasion) for message in outcome.messages] == [
        ("ana", "resent"), ("ben", "escalated"), ("cho", "escalated"),
    ]  # fmt: skip
    assert outcome.thread.wake_at is not None
    assert outcome.thread.wake_at > world.now


@pytest.mark.parametrize(("tier", "hours"), [(P2_24, 24), (P2_72, 72)], ids=["24 h", "72 h"])
def test_a_p2_goes_to_the_second_clinician_at_its_deadline_and_to_the_lead_at_twice(
    tier: dict[str, Any], hours: int
) -> None:
    world = told_world(**tier)
    assert world.told == ["ana raised"]
    assert world.thread().due_at == TUESDAY + timedelta(hours=hours)
    world.passes(hours=hours - 1)
    assert world.told == ["ana raised"]
    world.passes(hours=1)
    assert world.told == ["ana raised", "ben escalated"]
    world.passes(hours=hours)
    assert world.told == ["ana raised", "ben escalated", "cho escalated"]


def test_a_p2_is_held_through_the_night() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P2_24))
    [message] = world.waiting.values()
    assert message.not_before == NIGHT.replace(day=11, hour=6, minute=0)


def test_an_acknowledged_p2_rests() -> None:
    world = told_world(**P2_24)
    world.acknowledges("ben", reason="not_relevant")
    [action] = [one for one in world.actions if isinstance(one.body, Acknowledged)]
    assert isinstance(action.body, Acknowledged)
    assert action.body.override
    assert (action.actor.id, action.state, action.due_at) == ("ben", "acknowledged", None)
    assert world.thread().assigned_to == "ben"
    world.forget()
    world.passes(days=20)
    assert world.told == []


def test_what_was_not_sent_yet_is_not_sent_once_somebody_took_it_on() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P2_24))
    outcome = world.acknowledges("ben")
    assert len(outcome.withdrawn) == 1
    world.passes(days=2)
    assert world.told == []


def test_a_p3_waits_for_the_digest_and_is_first_in_the_next_one_when_unread_for_two_weeks() -> None:
    world = World()
    world.issue(raised(**P3, notice=True))
    assert {message.not_before for message in world.waiting.values()} == {MONDAY_DIGEST}
    assert all(message.digest for message in world.waiting.values())
    world.passes(days=7)
    assert sorted(world.told) == ["ana digest", "ben digest"]
    world.forget()
    world.passes(days=21)
    assert sorted(world.told) == ["ana reminded", "ben reminded"]
    assert {message.not_before for message in world.taken} == {MONDAY_DIGEST.replace(day=30, hour=5)}  # summer time
    world.passes(days=60)
    assert len(world.told) == 2


def test_a_p3_that_somebody_acknowledged_is_read() -> None:
    world = World()
    world.issue(raised(**P3))
    world.acknowledges()
    world.passes(days=60)
    assert world.told == []


def test_data_quality_stays_in_the_laboratory_and_goes_to_its_lead_after_two_working_days() -> None:
    friday = TUESDAY + timedelta(days=3)
    world = World(now=friday)
    world.issue(raised(**DQ))
    world.settles()
    assert world.thread().due_at == friday + timedelta(days=4)
    world.passes(days=3.9)
    assert world.told == ["queue raised"]
    world.passes(days=1)
    assert world.told == ["queue raised", "dai escalated"]
    with pytest.raises(Refused, match="NOT_ON_ROSTER"):
        world.reassigns("ana")
