"""What comes in about an alert that people know: told anew, counted, corrected, opened again, or closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from refrain.contracts.events.actions import Reopened
from services.notify.domain.life import Issued, Woke, advance
from tests.notify.living import (
    DQ,
    MONDAY_DIGEST,
    NIGHT,
    P1,
    P2_24,
    P2_72,
    TUESDAY,
    World,
    amended,
    closed,
    corrected,
    raised,
    roster,
    told_world,
)


def test_an_event_that_was_seen_is_dropped() -> None:
    world = told_world()
    before = world.thread()
    assert world.issue(raised()) == ()
    assert advance(before, Issued(raised(), world.now), roster()).thread is before
    world.issue(amended(sequence=2, tier="P2", due_hours=24))
    after = world.thread()
    assert world.issue(amended(sequence=1)) == ()
    assert world.thread() is after


@pytest.mark.parametrize("answered", [False, True], ids=["unanswered", "acknowledged"])
def test_a_new_sample_of_the_same_episode_is_counted_and_not_told(answered: bool) -> None:
    world = told_world()
    if answered:
        world.acknowledges()
    before = world.thread()
    outcome = world.issue(amended(text="VEGF is still high"))[0]
    assert (outcome.messages, outcome.actions) == ((), ())
    assert outcome.thread.repeats == 1
    assert outcome.thread.text == "VEGF is still high"
    assert (outcome.thread.state, outcome.thread.wake_at) == (before.state, before.wake_at)


def test_an_alert_that_became_more_urgent_is_told_anew_though_it_was_acknowledged() -> None:
    world = told_world()
    world.acknowledges("ben")
    world.passes(hours=5)
    world.forget()
    world.issue(amended(**P2_24))
    assert world.thread().state == "raised"
    assert world.thread().acknowledged_by == ""
    assert world.thread().due_at == world.now + timedelta(hours=24)
    assert isinstance(world.actions[-1].body, Reopened)
    world.settles()
    assert world.told == ["ana amended", "ben amended"]  # who was told, and who had taken it on


def test_a_less_urgent_alert_keeps_quiet_and_its_later_deadline() -> None:
    world = told_world(**P2_24)
    world.forget()
    world.issue(amended(due_hours=72, tier="P2"))
    world.settles()
    assert world.told == []
    assert world.thread().due_at == TUESDAY + timedelta(hours=72)


def test_a_p2_that_sank_to_a_p3_before_it_was_sent_goes_into_the_digest() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P2_72), amended(tier="P3"))
    assert {(message.to.person, message.digest) for message in world.waiting.values()} == {("ana", True), ("ben", True)}
    assert world.thread().wake_at is None


def test_a_corrected_value_is_told_to_those_who_were_told_the_old_one_and_to_nobody_else() -> None:
    world = told_world()
    world.passes(hours=73)
    world.acknowledges("ben")
    world.forget()
    world.issue(amended(values=(corrected(),)))
    world.settles()
    assert sorted(world.told) == ["ana amended", "ben amended"]
    assert world.thread().values == (corrected(),)
    assert world.thread().state == "acknowledged"
    assert world.thread().repeats == 0


def test_a_second_correction_before_the_first_was_told_shows_what_people_had_seen() -> None:
    world = told_world()
    world.now = NIGHT
    world.forget()
    world.issue(amended(values=(corrected("250", "240"),)), amended(sequence=2, values=(corrected("240", "24"),)))
    assert world.thread().values == (corrected("250", "24"),)
    world.passes(hours=12)
    assert world.told == ["ana amended"]


def test_a_closed_alert_whose_value_is_corrected_tells_those_who_were_told() -> None:
    world = told_world()
    world.acknowledges()
    world.issue(closed())
    world.forget()
    world.issue(amended(sequence=2, still_open=False, values=(corrected(),)))
    world.settles()
    assert world.told == ["ana amended"]
    assert world.thread().state == "closed"


def test_an_alert_that_opens_again_waits_anew_for_whoever_is_there_now() -> None:
    world = told_world(**P2_24)
    world.passes(hours=25)
    world.acknowledges("ben")
    world.issue(closed())
    world.passes(days=3)
    world.forget()
    world.issue(amended(sequence=2, **P2_24))
    assert (world.thread().state, world.thread().level, world.thread().waiting) == ("raised", 0, True)
    world.settles()
    assert sorted(world.told) == ["ana amended", "ben amended"]
    assert world.thread().due_at == world.thread().clock_from + timedelta(hours=24)


def test_a_watch_and_its_confirmation_are_two_alerts_of_one_episode() -> None:
    world = told_world()
    world.acknowledges()
    world.forget()
    world.issue(raised("b", kind="VEGF_PROGRESSION_CONFIRMED", **P2_24), closed())
    world.settles()
    assert world.told == ["ana raised"]
    assert world.thread("b").waiting


def test_a_closed_alert_that_somebody_answered_is_silent() -> None:
    world = told_world()
    world.acknowledges()
    world.forget()
    world.issue(closed())
    world.passes(days=10)
    assert world.told == []
    assert world.types()[-1] == "ended"


@pytest.mark.parametrize("tier", [P1, P2_24, P2_72], ids=["P1", "P2 24 h", "P2 72 h"])
def test_a_closed_p1_or_p2_that_nobody_answered_is_in_the_digest_of_those_who_were_told(tier: dict[str, Any]) -> None:
    world = told_world(**tier)
    world.forget()
    world.issue(closed(**tier))
    [message] = world.waiting.values()
    assert (message.to.person, message.occasion, message.digest, message.tier) == ("ana", "closed", True, "P3")
    assert message.not_before == MONDAY_DIGEST
    world.passes(days=30)
    assert world.told == ["ana closed"]


def test_an_alert_that_was_over_before_a_channel_took_it_is_still_told_in_the_digest() -> None:
    world = World(now=NIGHT)
    world.issue(raised(**P1), closed(**P1))
    world.passes(days=8)
    assert world.told == ["ana closed"]


def test_a_closed_data_question_is_over_for_everybody() -> None:
    world = told_world(**DQ)
    world.forget()
    world.issue(closed(**DQ))
    world.passes(days=30)
    assert world.told == []


# corrected while it is being told


def test_who_is_being_told_at_the_moment_of_a_correction_hears_of_it() -> None:
    """The message on its way may carry the old value, and its receiver may drop a repeat that carries the new one."""
    world = World()
    world.issue(raised(**P2_24))
    [message] = world.waiting.values()
    world.tries(message, took=True)
    world.issue(amended(values=(corrected(),), **P2_24))
    world.settles()
    assert world.told == ["ana raised", "ana amended"]


def test_a_second_correction_is_told_though_the_first_is_being_told_at_that_moment() -> None:
    world = told_world()
    world.forget()
    world.issue(amended(values=(corrected("250", "240"),)))
    [message] = world.waiting.values()
    world.tries(message, took=True)
    world.issue(amended(sequence=2, values=(corrected("240", "24"),)))
    assert world.thread().values == (corrected("250", "24"),)
    world.settles()
    assert world.told == ["ana amended", "ana amended"]


def test_who_is_being_told_when_it_becomes_more_urgent_hears_of_that() -> None:
    world = told_world(**P2_72)
    world.passes(hours=71)
    world.now = TUESDAY + timedelta(hours=72)
    world.happens(Woke(world.now))
    [to_ben] = world.waiting.values()
    world.tries(to_ben, took=True)
    world.issue(amended(**P2_24))
    world.settles()
    assert world.told == ["ana raised", "ben escalated", "ana amended", "ben raised"]


# a critical result that was read back, and was wrong


@pytest.mark.parametrize("read_back", [True, False], ids=["read back", "acknowledged"])
def test_a_critical_result_that_was_taken_on_and_is_corrected_waits_for_a_read_back_anew(read_back: bool) -> None:
    world = told_world(**P1)
    (world.reads_back if read_back else world.acknowledges)("ben")
    world.passes(minutes=5)
    world.forget()
    world.issue(amended(values=(corrected("6.8 mmol/L", "8.1 mmol/L"),), **P1))
    thread = world.thread()
    assert (thread.state, thread.waiting, thread.read_back_at, thread.assigned_to) == ("raised", True, None, "ben")
    assert thread.clock_from == world.now
    assert isinstance(world.actions[-1].body, Reopened)
    world.settles()
    assert sorted(world.told) == ["ana amended", "ben amended"]
    world.reads_back("ben")
    assert not world.thread().waiting


def test_another_time_of_collection_is_told_and_needs_no_new_read_back() -> None:
    world = told_world(**P1)
    world.reads_back("ben")
    world.forget()
    world.issue(amended(values=(corrected("6.8 mmol/L", "6.8 mmol/L"),), **P1))
    world.settles()
    assert sorted(world.told) == ["ana amended", "ben amended"]
    assert world.thread().state == "read_back"


def test_a_correction_before_anybody_answered_gains_no_time() -> None:
    world = told_world(**P1)
    before = world.thread()
    world.passes(minutes=10)
    world.issue(amended(values=(corrected("6.8 mmol/L", "8.1 mmol/L"),), **P1))
    assert (world.thread().state, world.thread().due_at) == (before.state, before.due_at)
