"""An alert with people, as a nurse, a haematologist and the laboratory see it: who is told what, and when not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from refrain.contracts.acknowledging import REASONS
from refrain.contracts.events import Actor, Occasion, ThreadState
from refrain.contracts.events.actions import Acknowledged, Escalated, Inherited, Reopened, Undelivered
from refrain.contracts.ids import canonical_json
from services.notify.domain.life import COLUMNS, LIFE, Acknowledge, Issued, Refused, Sent, Woke, advance, as_table, take
from services.notify.domain.tellings import ASKS
from services.notify.domain.thread import Thread
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
    amended,
    an_id,
    closed,
    corrected,
    people,
    raised,
    retracted,
    roster,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "alert-life.md"


def told_world(**tier: Any) -> World:
    """An alert that the first contacts have been told of."""
    world = World()
    world.issue(raised(**tier))
    world.settles()
    return world


# the table


def test_every_happening_is_decided_in_every_state() -> None:
    assert set(LIFE) == set(get_args(ThreadState))
    for row in LIFE.values():
        assert set(row) == set(COLUMNS)


def test_the_page_shows_the_table_that_runs() -> None:
    assert as_table() in PAGE.read_text(encoding="utf-8")


def test_every_occasion_asks_or_tells_a_change() -> None:
    assert set(get_args(Occasion)) - ASKS == {"amended", "closed", "retracted"}


# P1


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


# P2, P3, DQ


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


# what came in again (FAT-1, FAT-2)


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


# closed


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


# superseded


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


# retracted


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


# answers


def test_of_two_people_at_once_one_wins_and_the_other_learns_who() -> None:
    world = told_world()
    world.acknowledges("ana")
    with pytest.raises(Refused, match="ALREADY_ACKNOWLEDGED") as caught:
        world.acknowledges("ben")
    assert (caught.value.by, caught.value.at) == ("ana", world.now)


REFUSALS: list[tuple[str, str, Callable[[World], object], Callable[[World], object]]] = [
    ("NOT_CRITICAL", "a P2 is not read back", lambda w: w, lambda w: w.reads_back()),
    ("ENDED", "closed", lambda w: w.issue(closed()), lambda w: w.acknowledges()),
    ("ENDED", "retracted", lambda w: w.issue(retracted()), lambda w: w.reassigns("ben")),
    ("ENDED", "snoozing what is over", lambda w: w.issue(closed()), lambda w: w.snoozes(hours=1)),
    ("TOO_LONG", "longer than a day", lambda w: w, lambda w: w.snoozes(hours=24.1)),
    ("ALREADY_ACKNOWLEDGED", "snoozing what is taken", lambda w: w.acknowledges(), lambda w: w.snoozes(hours=1)),
    ("NOT_ON_ROSTER", "a stranger", lambda w: w, lambda w: w.reassigns("zoe")),
]


@pytest.mark.parametrize(("reason", "first", "then"), [(r, f, t) for r, _, f, t in REFUSALS],
                         ids=[f"{r}: {w}" for r, w, _, _ in REFUSALS])  # fmt: skip
def test_what_makes_no_sense_is_refused(
    reason: str, first: Callable[[World], object], then: Callable[[World], object]
) -> None:
    world = told_world()
    first(world)
    before = world.thread()
    with pytest.raises(Refused) as caught:
        then(world)
    assert caught.value.reason == reason
    assert world.thread() is before


def test_a_second_read_back_is_refused() -> None:
    world = told_world(**P1)
    world.reads_back()
    with pytest.raises(Refused, match="ALREADY_READ_BACK") as caught:
        world.reads_back("ben")
    assert caught.value.by == "Nurse Kim"


def test_refrain_itself_never_answers() -> None:
    world = told_world()
    with pytest.raises(ValueError, match="person"):
        world.happens(Acknowledge(Actor(type="system", id="notify"), "will_act", "", world.now))


def test_a_snooze_stops_the_clock_and_ends_by_itself() -> None:
    world = told_world(**P2_24)
    world.passes(hours=2)
    world.forget()
    outcome = world.snoozes(hours=6)
    assert outcome.thread.state == "snoozed"
    assert outcome.thread.due_at == TUESDAY + timedelta(hours=30)
    world.passes(hours=5.5)
    assert world.told == []
    world.passes(hours=1)
    assert world.told == ["ana reminded"]
    assert (world.thread().state, world.types()[-2:]) == ("delivered", ["woken", "told"])
    world.passes(hours=21)
    assert world.told == ["ana reminded"]
    world.passes(hours=1)
    assert world.told == ["ana reminded", "ben escalated"]


def test_a_snooze_at_the_last_level_ends_with_one_reminder() -> None:
    world = told_world(**P2_24)
    world.passes(hours=49)
    world.snoozes(hours=7)
    world.forget()
    world.passes(hours=20)
    assert world.told == ["cho reminded"]


def test_all_snoozes_together_keep_to_the_limit_of_the_site() -> None:
    world = told_world(**P2_24)
    world.snoozes(hours=5)
    world.passes(hours=1)
    world.snoozes(hours=6)  # the first one counts with the hour that it lasted
    assert world.thread().due_at == TUESDAY + timedelta(hours=31)
    world.passes(hours=7)
    with pytest.raises(Refused, match="TOO_LONG"):
        world.snoozes(hours=2)
    world.snoozes(hours=1)


def test_a_snooze_ends_early_when_the_alert_becomes_more_urgent() -> None:
    world = told_world(**P2_72)
    world.snoozes(hours=20)
    world.forget()
    world.issue(amended(**P2_24))
    assert world.types()[-2:] == ["woken", "reopened"]
    assert world.thread().snoozed_until is None
    world.settles()
    assert world.told == ["ana amended"]


def test_a_snooze_ends_with_the_retraction() -> None:
    world = told_world(**P2_72)
    world.snoozes(hours=20)
    world.forget()
    world.issue(retracted(tier="P2", due_hours=72))
    world.passes(days=3)
    assert world.told == ["ana retracted"]


def test_a_reassigned_alert_is_told_and_gains_no_time() -> None:
    world = told_world(**P2_24)
    world.forget()
    before = world.thread()
    outcome = world.reassigns("cho")
    assert outcome.thread.assigned_to == "cho"
    assert (outcome.thread.wake_at, outcome.thread.due_at) == (before.wake_at, before.due_at)
    world.settles()
    assert world.told == ["cho reassigned"]


def test_whoever_holds_an_alert_hears_of_its_reminders() -> None:
    world = told_world(**P1)
    world.reassigns("cho")
    world.settles()
    world.forget()
    world.passes(minutes=15)
    assert sorted(world.told) == ["ana resent", "cho resent"]


# channels that fail, people who are away


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


# not live


@pytest.mark.parametrize("processing", ["test", "training"])
def test_a_test_is_recorded_and_never_told_to_anybody(processing: str) -> None:
    world = World()
    world.issue(
        raised(**P1, processing=processing), amended(**P1, processing=processing, values=(corrected(),)),
        closed(sequence=2, **P1, processing=processing), retracted(sequence=3, **P1, processing=processing),
    )  # fmt: skip
    assert (world.actions, world.waiting) == ([], {})
    assert (world.thread().waiting, world.thread().wake_at) == (False, None)
    assert world.thread().fact_state == "retracted"
    with pytest.raises(Refused, match="NOT_LIVE"):
        world.acknowledges()


def test_a_test_never_silences_an_alert_that_is_live() -> None:
    world = told_world(**P1)
    world.issue(amended(**P1, processing="test"))
    assert world.thread().waiting


def test_an_alert_whose_beginning_is_unknown_is_told_all_the_same() -> None:
    world = World()
    world.issue(amended(sequence=4, **P1))
    world.settles()
    assert world.told == ["ana raised"]


def test_only_an_event_begins_a_thread() -> None:
    with pytest.raises(ValueError, match="begins"):
        advance(None, Woke(TUESDAY), roster())


def test_a_thread_survives_being_kept_as_json() -> None:
    world = told_world(**P1)
    world.reassigns("ben")
    thread = world.thread()
    assert Thread.model_validate_json(thread.model_dump_json()) == thread


def test_an_event_about_nobody_known_is_taken_by_itself() -> None:
    [outcome] = take(retracted("b", with_alerts=(an_id("alert", "c"),)), {}, roster(), TUESDAY)
    assert (outcome.thread.state, outcome.messages) == ("retracted", ())
    assert canonical_json(outcome.thread.model_dump(mode="json"))
