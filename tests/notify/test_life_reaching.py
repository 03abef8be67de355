"""Channels that fail, people who are away, and timers that come early or twice: somebody is told all the same."""

from __future__ import annotations

from datetime import timedelta

from refrain.contracts.events.actions import Escalated, Undelivered
from services.notify.domain.life import Sent, Woke
from tests.notify.living import (
    P1,
    P2_72,
    P3,
    TUESDAY,
    World,
    amended,
    people,
    raised,
    retracted,
    told_world,
)


def test_when_a_channel_fails_the_next_one_of_the_person_is_tried() -> None:
    world = World()
    world.issue(raised(**P1))
    world.passes(minutes=1, works=lambda message: message.to.channel == "mail")
    assert [(message.to.person, message.to.channel) for message in world.taken] == [("ana", "mail")]
    assert isinstance(world.actions[0].body, Undelivered)


def test_when_a_person_cannot_be_reached_the_next_level_is_told_at_once() -> None:
    world = World()
    world.issue(raised(**P1))
    world.passes(minutes=1, works=lambda message: message.to.person != "ana")
    assert world.told == ["ben escalated"]
    [up] = [action.body for action in world.actions if isinstance(action.body, Escalated)]
    assert (up.level, up.reason) == (1, "undeliverable")
    assert world.thread().due_at == TUESDAY + timedelta(minutes=60)


def test_when_every_channel_is_down_everybody_is_tried_again_until_one_is_up() -> None:
    world = World()
    world.issue(raised(**P1))
    world.passes(hours=10, works=lambda _: False)
    assert world.told == []
    assert world.waiting
    world.passes(minutes=16)
    assert {"ana escalated", "cho escalated"} <= set(world.told)


def test_a_colleague_who_was_told_is_enough_for_the_clock_to_go_on() -> None:
    world = World()
    world.issue(raised(**P3))
    world.passes(days=7, works=lambda message: message.to.person == "ana")
    assert world.told == ["ana digest"]
    assert world.thread().level == 0


def test_a_retraction_is_tried_until_its_person_is_reached() -> None:
    world = told_world(**P1)
    world.forget()
    world.issue(retracted(**P1))
    world.passes(hours=5, works=lambda _: False)
    assert people(world.waiting.values()) == ["ana"]
    world.passes(hours=1)
    assert world.told == ["ana retracted"]


def test_a_message_that_was_withdrawn_and_then_failed_is_nobodys_business() -> None:
    world = World()
    world.issue(raised(**P1))
    [message] = world.waiting.values()
    world.acknowledges()
    world.waiting[message.delivery] = message
    before = world.thread()
    assert world.refuses(message).actions == ()
    assert world.thread() == before


def test_noting_a_delivery_twice_changes_nothing() -> None:
    world = World()
    world.issue(raised(**P1))
    [message] = world.waiting.values()
    world.takes(message)
    again = world.happens(Sent(message.delivery, message.to, message.occasion, message.level, world.now))
    assert (again.actions, again.messages) == ((), ())


def test_where_nobody_is_there_the_next_level_is_told_at_once() -> None:
    world = World(now=TUESDAY.replace(month=5, day=5))  # ana and ben are away
    world.issue(raised(**P1))
    assert people(world.waiting.values()) == ["cho"]
    ups = [action.body for action in world.actions if isinstance(action.body, Escalated)]
    assert [(up.level, up.reason) for up in ups] == [(1, "nobody_on_duty"), (2, "nobody_on_duty")]
    assert world.thread().wake_at is not None


def test_a_digest_for_which_nobody_is_there_goes_to_the_fallback() -> None:
    world = World(now=TUESDAY.replace(month=5, day=1))
    world.issue(raised(**P3))
    assert people(world.waiting.values()) == ["cho"]
    assert all(message.digest for message in world.waiting.values())


def test_a_timer_that_fires_early_or_twice_does_nothing() -> None:
    world = told_world(**P1)
    before = world.thread()
    assert world.happens(Woke(world.now)).thread == before
    world.passes(minutes=15)
    after = world.thread()
    assert world.happens(Woke(world.now)).thread == after


def test_when_nobody_can_be_reached_with_what_became_more_urgent_the_next_level_is_told_at_once() -> None:
    world = told_world(**P2_72)
    world.forget()
    world.issue(amended(**P1))
    world.passes(minutes=1, works=lambda message: message.to.person != "ana")
    assert world.told == ["ben escalated"]
    assert people(world.waiting.values()) == ["ana"]  # she is tried again all the same
