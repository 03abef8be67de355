"""What people answer: taken on, read back, put off, passed on, and what makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from refrain.contracts.events import Actor
from services.notify.domain.life import Acknowledge, Refused
from tests.notify.living import (
    P1,
    P2_24,
    P2_72,
    TUESDAY,
    World,
    amended,
    closed,
    retracted,
    told_world,
)


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
