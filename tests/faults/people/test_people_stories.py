"""The alerts of the people's run: a seed brings them back, and they have every shape that the engines produce."""

from __future__ import annotations

from collections import Counter
from random import Random

from refrain.contracts.events import AlertAmended, AlertClosed, AlertRaised, AlertRetracted
from tests.faults.people.lives import Issue, lives_of
from tests.faults.people.stories import tellings

ALERTS = 400


def test_a_seed_brings_the_alerts_back() -> None:
    assert tellings(40, 10, 1.0, Random(7)) == tellings(40, 10, 1.0, Random(7))
    assert tellings(40, 10, 1.0, Random(7)) != tellings(40, 10, 1.0, Random(8))


def test_they_have_every_shape() -> None:
    events = [event for telling in tellings(ALERTS, 60, 1.0, Random(7)) for event in telling.events]
    shapes: Counter[str] = Counter()
    for event in events:
        match event:
            case AlertRaised():
                shapes[f"{event.tier} {event.due_hours or ''} {'notice' * event.notice}"] += 1
            case AlertAmended():
                shapes["corrected" if event.values else "amended"] += 1
            case AlertClosed():
                shapes["superseded" if event.superseded_by else "closed"] += 1
            case AlertRetracted():
                shapes["retracted with others" if event.with_alerts else "retracted"] += 1
        shapes[event.processing] += 1
    assert {name for name, times in shapes.items() if times >= 5} >= {
        "P1  ", "P2 24 ", "P2 72 ", "DQ  ", "P3  notice", "corrected", "amended", "superseded", "closed", "retracted",
        "retracted with others", "training", "live",
    }  # fmt: skip


def test_each_life_is_folded_to_where_the_engine_left_it() -> None:
    told = tellings(ALERTS, 60, 1.0, Random(11))
    lives = lives_of(Issue(event, telling.after) for telling in told for event in telling.events)
    assert len(lives) >= ALERTS
    assert {life.state for life in lives.values()} == {"open", "closed", "retracted"}
    assert sum(len(life.predecessors) for life in lives.values()) >= 10
    for life in lives.values():
        assert (life.periods[-1].end is None) == (life.state == "open" or (life.notice and not life.retractions))
        assert [period.start for period in life.periods] == sorted(period.start for period in life.periods)
