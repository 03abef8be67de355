"""The table of an alert's life with people, and what holds in every state."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from refrain.contracts.events import Occasion, ThreadState
from refrain.contracts.ids import canonical_json
from services.notify.domain.life import COLUMNS, LIFE, Refused, Woke, advance, as_table, take
from services.notify.domain.tellings import ASKS
from services.notify.domain.thread import Thread
from tests.notify.living import (
    P1,
    TUESDAY,
    World,
    amended,
    an_id,
    closed,
    corrected,
    raised,
    retracted,
    roster,
    told_world,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "alert-life.md"


def test_every_happening_is_decided_in_every_state() -> None:
    assert set(LIFE) == set(get_args(ThreadState))
    for row in LIFE.values():
        assert set(row) == set(COLUMNS)


def test_the_page_shows_the_table_that_runs() -> None:
    assert as_table() in PAGE.read_text(encoding="utf-8")


def test_every_occasion_asks_or_tells_a_change() -> None:
    assert set(get_args(Occasion)) - ASKS == {"amended", "closed", "retracted"}


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
