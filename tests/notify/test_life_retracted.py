"""A retraction reaches everybody who was told or acknowledged, each once (RET-3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.notify.living import (
    DQ,
    NIGHT,
    P1,
    P2_24,
    World,
    amended,
    an_id,
    corrected,
    raised,
    retracted,
    told_world,
)


def test_a_retraction_reaches_everybody_who_was_told_or_acknowledged_once_with_both_values() -> None:
    world = told_world()
    world.passes(hours=73)
    world.acknowledges("cho")
    world.forget()
    world.issue(retracted(values=(corrected(),), tier="P2", due_hours=72))
    world.passes(days=10)
    assert sorted(world.told) == ["ana retracted", "ben retracted", "cho retracted"]
    assert world.thread().values == (corrected(),)
    assert (world.thread().state, world.thread().wake_at) == ("retracted", None)


@pytest.mark.parametrize(("tier", "at_once"), [(P1, True), (P2_24, False)], ids=["P1", "P2"])
def test_a_retraction_is_told_at_the_tier_of_the_alert(tier: dict[str, Any], at_once: bool) -> None:
    world = told_world(**tier)
    world.now = NIGHT
    world.issue(retracted(**tier))
    [message] = world.waiting.values()
    assert message.tier == tier["tier"]
    assert (message.not_before == NIGHT + timedelta(seconds=2)) is at_once


def test_a_retraction_comes_at_the_tier_that_was_told_though_the_alert_sank_since() -> None:
    world = told_world(**P2_24)
    world.issue(amended(tier="P3"), retracted(sequence=2, tier="P3"))
    [message] = world.waiting.values()
    assert (message.tier, message.digest) == ("P2", False)


def test_a_retraction_before_anybody_was_told_is_silent() -> None:
    world = World(now=NIGHT)
    world.issue(raised())
    outcome = world.issue(retracted())[0]
    assert len(outcome.withdrawn) == 1
    world.passes(days=10)
    assert world.told == []


def test_a_message_that_was_on_its_way_during_the_retraction_is_taken_back_too() -> None:
    world = World()
    world.issue(raised(**P1))
    [on_its_way] = world.waiting.values()
    world.issue(retracted(**P1))
    world.takes(on_its_way)
    world.settles()
    assert world.told == ["ana raised", "ana retracted"]


def test_two_alerts_of_an_episode_are_taken_back_in_one_message() -> None:
    world = told_world()
    world.issue(raised("b", kind="VEGF_PROGRESSION_CONFIRMED", **P2_24))
    world.passes(hours=25)
    assert world.told == ["ana raised", "ana raised", "ben escalated"]
    world.forget()
    world.issue(retracted("b", with_alerts=(an_id("alert", "a"),), **P2_24))
    assert (world.thread().state, world.thread("b").state) == ("retracted", "retracted")
    world.passes(days=10)
    assert sorted(world.told) == ["ana retracted", "ben retracted"]


def test_who_knew_only_the_other_alert_of_the_episode_is_told_too() -> None:
    world = told_world()
    world.passes(hours=73)
    world.issue(raised("b", **P2_24))
    world.forget()
    world.issue(retracted("b", with_alerts=(an_id("alert", "a"),), **P2_24))
    world.passes(days=10)
    assert sorted(world.told) == ["ana retracted", "ben retracted"]


def test_a_data_question_that_is_taken_back_with_a_watch_is_told_to_the_laboratory_and_the_watch_to_the_ward() -> None:
    world = told_world()
    world.issue(raised("b", **DQ))
    world.settles()
    world.forget()
    world.issue(retracted("a", with_alerts=(an_id("alert", "b"),)))
    world.passes(days=10)
    assert sorted((message.to.person, message.occasion, message.alert) for message in world.taken) == [
        ("ana", "retracted", an_id("alert", "a")), ("queue", "retracted", an_id("alert", "b")),
    ]  # fmt: skip


def test_an_alert_that_was_taken_back_and_comes_again_is_a_new_one_for_people() -> None:
    world = told_world()
    world.issue(retracted())
    world.passes(days=1)
    world.forget()
    world.issue(raised(sequence=2))
    world.settles()
    assert world.told == ["ana raised"]
    world.issue(retracted(sequence=3))
    world.settles()
    assert world.told == ["ana raised", "ana retracted"]


def test_somebody_who_left_the_roster_hears_through_the_fallback() -> None:
    world = told_world()
    left = world.thread().told[0]
    gone = left.model_copy(update={"to": left.to.model_copy(update={"person": "zoe"})})
    world.threads[an_id("alert", "a")] = world.thread().model_copy(update={"told": (gone,)})
    world.forget()
    world.issue(retracted())
    world.settles()
    assert world.told == ["cho retracted"]
