"""An earlier result takes an episode over: it goes on under another id, and nobody is told of it twice or never."""

from __future__ import annotations

from datetime import timedelta

from refrain.contracts.events.actions import Inherited
from tests.notify.living import (
    NIGHT,
    P2_24,
    P2_72,
    TUESDAY,
    World,
    amended,
    an_id,
    closed,
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
