"""An earlier result takes an episode over: it goes on under another id, and nobody is told of it twice or never."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refrain.contracts.events.actions import Inherited
from services.notify.domain.life import HeardThere, Woke
from tests.notify.living import (
    DQ,
    NIGHT,
    P1,
    P2_24,
    P2_72,
    P3,
    TUESDAY,
    World,
    amended,
    an_id,
    closed,
    corrected,
    people,
    raised,
    retracted,
    told_world,
)


def test_an_alert_that_supersedes_another_goes_on_where_that_stood_and_pages_nobody_twice() -> None:
    world = told_world(**P2_24)
    world.acknowledges("ana")
    world.forget()
    world.issue(raised("b", **P2_24))
    world.issue(closed(**P2_24, superseded_by=an_id("alert", "b")))
    heir = world.thread("b")
    assert (heir.state, heir.acknowledged_by, heir.waiting) == ("acknowledged", "ana", False)
    assert heir.predecessors == (an_id("alert", "a"),)
    body = world.actions[-1].body
    assert isinstance(body, Inherited)
    assert (body.acknowledged_by, body.acknowledged_at) == ("ana", heir.acknowledged_at)
    assert body.acknowledge_reason == heir.acknowledge_reason != ""
    world.passes(days=10)
    assert world.told == []


def test_a_successor_tells_those_who_were_not_told_under_the_old_id() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P2_24), raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.passes(hours=12)
    assert world.told == ["ana raised"]
    assert world.thread("b").state == "delivered"


def test_a_successor_keeps_the_clock_and_the_level_of_the_old_alert() -> None:
    world = told_world(**P2_24)
    world.passes(hours=30)
    world.forget()
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    heir = world.thread("b")
    assert (heir.level, heir.state, heir.due_at) == (1, "escalated", TUESDAY + timedelta(hours=48))
    world.passes(hours=17)
    assert world.told == []
    world.passes(hours=2)
    assert world.told == ["cho escalated"]


def test_a_more_urgent_successor_is_told() -> None:
    world = told_world(**P2_72)
    world.acknowledges()
    world.forget()
    world.issue(raised("b", **P2_24), closed(**P2_72, superseded_by=an_id("alert", "b")))
    world.settles()
    assert world.told == ["ana raised"]
    assert world.thread("b").waiting


def test_the_retraction_of_a_successor_reaches_those_who_were_told_under_the_old_id() -> None:
    world = told_world(**P2_24)
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.forget()
    world.issue(retracted("b", **P2_24))
    world.passes(days=10)
    assert world.told == ["ana retracted"]


def test_who_got_the_old_alert_late_hears_of_the_retraction_of_its_successor() -> None:
    world = World()
    world.issue(raised(**P2_24))
    [on_its_way] = world.waiting.values()
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    for message in list(world.waiting.values()):
        world.acknowledges("cho", message.alert)
    world.takes(on_its_way)
    world.forget()
    world.issue(retracted("b", **P2_24))
    world.settles()
    assert sorted(world.told) == ["ana retracted", "cho retracted"]


def test_a_successor_that_is_over_itself_still_takes_back_what_was_told_under_the_old_id() -> None:
    world = told_world(**P2_24)
    world.issue(raised("b", **P2_24), closed("b", **P2_24))
    world.issue(closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.forget()
    world.issue(retracted("b", sequence=2, **P2_24))
    world.settles()
    assert world.told == ["ana retracted"]


def test_an_old_alert_that_opens_again_by_itself_is_told_again_and_its_successor_taken_back() -> None:
    world = told_world(**P2_24)
    world.issue(raised("b", **P2_24), closed(**P2_24, superseded_by=an_id("alert", "b")))
    world.forget()
    world.issue(amended(sequence=2, **P2_24), retracted("b", **P2_24))
    world.settles()
    assert sorted(world.told) == ["ana raised", "ana retracted"]
    assert world.thread().waiting
    world.forget()
    world.issue(retracted("a", sequence=3, **P2_24))
    world.settles()
    assert world.told == ["ana retracted"]


# what was on its way under the old id


def superseded(world: World, **tier: Any) -> None:
    """An earlier result takes the episode over."""
    world.issue(raised("b", **tier), closed(**tier, superseded_by=an_id("alert", "b")))


def test_an_escalation_that_was_held_for_the_night_still_comes() -> None:
    world = World(now=TUESDAY.replace(hour=1))  # told at seven, overdue at two in the night
    world.issue(raised(**P2_24))
    world.passes(hours=24.5)
    assert world.told == ["ana raised"]
    assert people(world.waiting.values()) == ["ben"]
    superseded(world, **P2_24)
    world.passes(hours=8)
    assert world.told == ["ana raised", "ben escalated"]


def test_a_critical_result_is_told_to_the_second_contact_though_it_is_taken_over_at_that_moment() -> None:
    world = told_world(**P1)
    world.passes(minutes=29, seconds=30)
    world.happens(Woke(world.thread().wake_at or world.now))
    superseded(world, **P1)
    world.settles()
    assert world.told == ["ana raised", "ana resent", "ben escalated"]


def test_whom_it_was_given_to_hears_so_under_the_new_id() -> None:
    world = World()
    world.issue(raised(**P2_24))
    world.reassigns("cho")
    superseded(world, **P2_24)
    world.settles()
    assert sorted(world.told) == ["ana raised", "cho reassigned"]
    assert world.thread("b").assigned_to == "cho"


def test_the_reminder_to_read_back_still_comes() -> None:
    world = told_world(**P1)
    world.acknowledges("ben")
    world.forget()
    world.passes(minutes=14, seconds=59)
    world.happens(Woke(world.thread().wake_at or world.now))
    superseded(world, **P1)
    world.settles()
    assert world.told == ["ben reminded"]


def test_a_correction_that_was_held_for_the_night_still_comes() -> None:
    world = told_world(**P2_24)
    world.acknowledges("ben")
    world.now = NIGHT
    world.forget()
    world.issue(amended(values=(corrected(),), **P2_24), raised("b", **P2_24))
    world.issue(closed(sequence=2, superseded_by=an_id("alert", "b"), **P2_24))
    world.passes(hours=9)
    assert sorted(world.told) == ["ana amended", "ben amended"]
    assert world.thread("b").values == (corrected(),)


def test_that_it_opened_again_is_told_under_the_new_id() -> None:
    world = told_world(**P2_24)
    world.issue(closed(**P2_24))
    world.passes(days=8)
    assert world.told == ["ana raised", "ana closed"]
    world.forget()
    world.issue(amended(sequence=2, **P2_24), raised("b", **P2_24))
    world.issue(closed(sequence=3, superseded_by=an_id("alert", "b"), **P2_24))
    world.settles()
    assert world.told == ["ana raised"]


def test_whoever_took_it_on_hears_that_a_more_urgent_alert_took_over() -> None:
    world = told_world(**P2_72)
    world.acknowledges("ben")
    world.forget()
    world.issue(raised("b", **P2_24), closed(**P2_72, superseded_by=an_id("alert", "b")))
    world.settles()
    assert sorted(world.told) == ["ana raised", "ben amended"]
    assert (world.thread("b").waiting, world.thread("b").assigned_to) == (True, "ben")


def test_a_digest_that_was_on_its_way_is_not_told_again() -> None:
    world = World()
    world.issue(raised(**P3))
    [mine] = [message for message in world.waiting.values() if message.to.person == "ana"]
    world.passes(days=5)
    world.now = mine.not_before
    world.tries(mine, took=True)
    superseded(world, **P3)
    world.takes(mine)
    [entry] = [one for one in world.thread().told if one.delivery == mine.delivery]
    world.happens(HeardThere(entry, world.thread().rank, world.now), an_id("alert", "b"))
    world.passes(days=8)
    assert sorted(world.told) == ["ana digest", "ben digest"]


# the first try was never answered: the new id goes on under the same key


@pytest.mark.parametrize("took", [True, False], ids=["it was taken", "it was not"])
@pytest.mark.parametrize("tier", [P1, P2_24, P3, DQ], ids=["P1", "P2", "P3", "DQ"])
def test_who_may_have_been_told_hears_of_the_episode_once(tier: dict[str, Any], took: bool) -> None:
    world = World()
    world.issue(raised(**tier))
    world.now = max(message.not_before for message in world.waiting.values())
    for message in list(world.waiting.values()):
        world.tries(message, took=took)
    superseded(world, **tier)
    world.settles()
    assert len(world.told) == len(set(world.told)) == len(world.thread("b").told)
    assert all(entry.sure for entry in world.thread("b").told)
    assert world.thread("b").state == "delivered"


def test_the_key_goes_on_over_several_ids_and_not_to_another_channel() -> None:
    world = World()
    world.issue(raised(**P1))
    [first] = world.waiting.values()
    world.tries(first, took=True)
    superseded(world, **P1)
    world.issue(raised("c", **P1), closed("b", superseded_by=an_id("alert", "c"), **P1))
    [again] = world.waiting.values()
    assert (again.alert, world.keys[again.delivery]) == (an_id("alert", "c"), first.delivery)
    world.refuses(again)
    [other] = world.waiting.values()
    assert (other.to.channel, other.repeats, other.begun) == ("mail", None, False)
    assert world.keys[other.delivery] == other.delivery


def test_who_heard_the_new_alert_before_it_took_over_does_not_hear_the_old_one_again() -> None:
    world = World()
    world.issue(raised(**P1))
    [first] = world.waiting.values()
    world.tries(first, took=False)
    world.issue(raised("b", **P1))
    world.takes(next(one for one in world.waiting.values() if one.alert == an_id("alert", "b")))
    world.issue(closed(superseded_by=an_id("alert", "b"), **P1))
    world.settles()
    assert world.told == ["ana raised"]
    assert world.thread("b").unsent == ()


def test_what_is_said_otherwise_has_a_key_of_its_own() -> None:
    world = World()
    world.issue(raised(**P2_72))
    [first] = world.waiting.values()
    world.tries(first, took=True)
    world.issue(raised("b", kind="VEGF_PROGRESSION_CONFIRMED", **P2_72))
    world.issue(closed(**P2_72, superseded_by=an_id("alert", "b")))
    [message] = world.waiting.values()
    assert (message.alert, message.repeats) == (an_id("alert", "b"), None)
    world.settles()
    assert world.told == ["ana raised", "ana raised"]


def test_a_channel_that_is_being_tried_goes_on_where_the_old_alert_was() -> None:
    world = World()
    world.issue(raised(**P1))
    [page] = world.waiting.values()
    world.tries(page, took=True)
    world.refuses(page, "timeout")
    superseded(world, **P1)
    assert [(one.to.channel, one.alert) for one in world.waiting.values()] == [("mail", an_id("alert", "b"))]
