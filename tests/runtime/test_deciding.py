"""One batch through decode, decide and commit: repetitions, poison, revisions, another worker in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from refrain.contracts.events import CareEvent, Event, Infection, PatientId, ResponseAssessed, Wire
from refrain.contracts.steps import Decision, Output
from refrain.contracts.topics import CARE_EVENTS, RESPONSES
from refrain.runtime.database import open_database, upgrade
from refrain.runtime.deciding import Decider
from refrain.runtime.incoming import Arrived, Poison, decode
from refrain.runtime.ledger import Ledger

START = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = {topic.name: topic for topic in (CARE_EVENTS, RESPONSES)}


class Counted(Wire):
    count: int = 0


class Broken(RuntimeError):
    """What a step raises."""


def count(facts: Sequence[Event], _: Counted, cause: Sequence[Event]) -> Decision[Counted]:
    """One snapshot per decision with the number of facts; facts traced as poison break it."""
    if any(fact.trace == "poison" for fact in cause):
        raise Broken("a text that quotes Planted-Name")
    snapshot = an_assessment(facts[0].patient, len(facts))
    return Decision(Counted(count=len(facts)), (Output(RESPONSES, snapshot),))


def a_patient(number: str) -> PatientId:
    return PatientId(authority="TESTWARD", type="MR", id=number)


def an_assessment(patient: PatientId, revision: int) -> ResponseAssessed:
    return ResponseAssessed(
        patient=patient, occurred_at=START, recorded_at=START, as_of=START, revision=revision, lines=()
    ).identified()


def an_infection(patient: str, day: int, trace: str = "") -> CareEvent:
    at = START + timedelta(days=day)
    body = Infection(onset=date(2024, 1, 1))
    return CareEvent(
        patient=a_patient(patient), occurred_at=at, recorded_at=at, key=f"{day}", body=body, trace=trace
    ).identified()


def a_message(event: Any, offset: int = 0, value: bytes | None = None, redrives: str = "") -> SimpleNamespace:
    topic = RESPONSES if isinstance(event, ResponseAssessed) else CARE_EVENTS
    return SimpleNamespace(
        topic=topic.name, partition=0, offset=offset, key=event.patient.key.encode(),
        value=topic.encode(event) if value is None else value,
        headers=[("redrives", redrives.encode())] if redrives else None,
    )  # fmt: skip


def arrived(*events: Any) -> list[Arrived]:
    facts, poison = decode(TOPICS, [a_message(event, offset) for offset, event in enumerate(events)])
    assert not poison
    return facts


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger[Counted]:
    url = f"sqlite:///{tmp_path}/counting.db"
    upgrade(url, "counting")
    return Ledger(open_database(url, "counting"), "cluster", TOPICS.values(), Counted)


@pytest.fixture
def decider(ledger: Ledger[Counted]) -> Decider[Counted]:
    return Decider("counting", ledger, count)


def known_of(ledger: Ledger[Counted], patient: str) -> Any:
    key = a_patient(patient).key
    return ledger.load([key])[key]


@pytest.mark.parametrize("value", [b"", b"{", b'{"fact": "care_event"}', b"\xff\xfe"])
def test_bytes_that_are_no_event_are_a_value_with_key_place_and_cause(value: bytes) -> None:
    facts, [letter] = decode(TOPICS, [a_message(an_infection("1", 1), offset=7, value=value)])
    assert facts == []
    assert (letter.patient, letter.stage, letter.record.value) == (a_patient("1").key, "decode", value)
    assert letter.record_id("counting") == "counting-care-events.v1-0-7"
    assert letter.cause == "ValidationError"


def test_a_tombstone_without_a_key_is_a_dead_letter_too() -> None:
    message = SimpleNamespace(topic=CARE_EVENTS.name, partition=3, offset=1, key=None, value=None, headers={})
    _, [letter] = decode(TOPICS, [message])
    assert (letter.patient, letter.record.value) == ("", b"")


def test_new_facts_of_a_patient_are_decided_together(decider: Decider[Counted], ledger: Ledger[Counted]) -> None:
    settled = decider.settle(arrived(an_infection("1", 1), an_infection("2", 1), an_infection("1", 2)), [])
    assert [(o.event.patient.id, o.event.revision) for o in settled.outputs] == [("1", 2), ("2", 1)]  # type: ignore[attr-defined]
    assert len(ledger.unsent(settled.patients)) == 2
    assert len(settled.new) == 3


def test_a_repeated_batch_decides_nothing_and_still_names_its_patients(
    decider: Decider[Counted], ledger: Ledger[Counted]
) -> None:
    batch = arrived(an_infection("1", 1), an_infection("1", 1))
    first, again = decider.settle(batch, []), decider.settle(batch, [])
    assert (again.outputs, again.new, again.patients) == ((), frozenset(), first.patients)
    assert known_of(ledger, "1").version == 1
    assert len(ledger.unsent(again.patients)) == 1


def test_poison_takes_no_other_fact_with_it(decider: Decider[Counted], ledger: Ledger[Counted]) -> None:
    facts = arrived(
        an_infection("1", 1), an_infection("1", 2, trace="poison"), an_infection("1", 3), an_infection("2", 1)
    )
    settled = decider.settle(facts, [])
    assert [(letter.record.offset, letter.cause, letter.stage) for letter in settled.poison] == [(1, "Broken", "step")]
    assert known_of(ledger, "1").issued == Counted(count=2)
    assert known_of(ledger, "2").issued == Counted(count=1)
    assert known_of(ledger, "1").unreadable == ("counting-care-events.v1-0-1",)
    assert known_of(ledger, "2").unreadable == ()


def test_a_patient_with_nothing_but_poison_keeps_the_ledger_as_it_was(
    decider: Decider[Counted], ledger: Ledger[Counted]
) -> None:
    settled = decider.settle(arrived(an_infection("1", 2, trace="poison")), [])
    assert (settled.outputs, len(settled.poison), known_of(ledger, "1").version) == ((), 1, 0)


def test_bytes_without_meaning_mark_the_patient_of_their_key(
    decider: Decider[Counted], ledger: Ledger[Counted]
) -> None:
    _, poison = decode(TOPICS, [a_message(an_infection("1", 1), value=b"{")])
    settled = decider.settle([], poison)
    assert settled.poison == tuple(poison)
    assert known_of(ledger, "1").unreadable == ("counting-care-events.v1-0-0",)


def test_a_dead_letter_sent_again_and_understood_is_struck_out(
    decider: Decider[Counted], ledger: Ledger[Counted]
) -> None:
    _, poison = decode(TOPICS, [a_message(an_infection("1", 1), offset=4, value=b"{")])
    decider.settle([], poison)
    record = "counting-care-events.v1-0-4"
    seen: list[tuple[str, ...]] = []

    def look(known: Any, decision: Decision[Counted]) -> Decision[Counted]:
        seen.append(known.unreadable)
        return decision

    looking = Decider("counting", ledger, count, look)
    again, _ = decode(TOPICS, [a_message(an_infection("1", 1, trace="poison"), offset=5, redrives=record)])
    assert len(looking.settle(again, []).poison) == 1
    assert record in known_of(ledger, "1").unreadable
    again, _ = decode(TOPICS, [a_message(an_infection("1", 1), offset=6, redrives=record)])
    looking.settle(again, [])
    assert record not in known_of(ledger, "1").unreadable
    assert record not in seen[0]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 2, 1), (2, 1, 3)])
def test_of_one_subject_the_highest_revision_counts_in_any_order(
    decider: Decider[Counted], ledger: Ledger[Counted], order: tuple[int, ...]
) -> None:
    for revision in order:
        decider.settle(arrived(an_assessment(a_patient("1"), revision)), [])
    [fact] = known_of(ledger, "1").facts.values()
    assert fact.event.revision == 3
    one_batch = decider.settle(arrived(*(an_assessment(a_patient("2"), revision) for revision in order)), [])
    assert len(one_batch.new) == 1
    [fact] = known_of(ledger, "2").facts.values()
    assert fact.event.revision == 3


def test_after_another_worker_the_decision_is_made_again(ledger: Ledger[Counted], tmp_path: Path) -> None:
    other = Decider(
        "counting", Ledger(open_database(f"sqlite:///{tmp_path}/counting.db", "counting"), "cluster", TOPICS.values(),
        Counted), count,
    )  # fmt: skip
    interruptions = iter([an_infection("1", 8), an_infection("1", 9)])

    def interrupted(facts: Sequence[Event], issued: Counted, cause: Sequence[Event]) -> Decision[Counted]:
        if between := next(interruptions, None):
            other.settle(arrived(between), [])
        return count(facts, issued, cause)

    settled = Decider("counting", ledger, interrupted).settle(arrived(an_infection("1", 1)), [])
    assert [output.event.revision for output in settled.outputs] == [3]  # type: ignore[attr-defined]
    assert known_of(ledger, "1").issued == Counted(count=3)
    assert [RESPONSES.decode(one.value).revision for one in ledger.unsent(settled.patients)] == [1, 2, 3]


def half(facts: Sequence[Event]) -> bool:
    """Whole when the facts come in pairs."""
    return len(facts) % 2 == 0


def test_half_of_a_decision_is_kept_and_told_with_its_other_half(ledger: Ledger[Counted]) -> None:
    decider = Decider("counting", ledger, count, whole=half)
    first = decider.settle(arrived(an_infection("1", 1)), [])
    assert (first.outputs, len(first.new), known_of(ledger, "1").issued) == ((), 1, Counted())
    second = decider.settle(arrived(an_infection("1", 2)), [])
    assert [output.event.revision for output in second.outputs] == [2]  # type: ignore[attr-defined]


def test_what_waits_for_a_dead_letter_is_told_without_it(ledger: Ledger[Counted]) -> None:
    decider = Decider("counting", ledger, count, whole=half)
    decider.settle(arrived(an_infection("1", 1), an_infection("2", 1)), [])
    _, poison = decode(TOPICS, [a_message(an_infection("1", 2), offset=7, value=b"{")])
    settled = decider.settle([], poison)
    assert [output.event.revision for output in settled.outputs] == [1]  # type: ignore[attr-defined]
    assert len(ledger.unsent(settled.patients)) == 1
    refused = decider.settle(arrived(an_infection("2", 2, trace="poison")), [])
    assert [output.event.revision for output in refused.outputs] == [1]  # type: ignore[attr-defined]


def test_what_sql_raises_is_passed_on(decider: Decider[Counted], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(decider.ledger, "commit", away)
    with pytest.raises(ConnectionError):
        decider.settle(arrived(an_infection("1", 1)), [])


def test_a_poison_is_about_one_record() -> None:
    [fact] = arrived(an_infection("1", 1))
    assert Poison(fact.record, "Broken", "step").patient == fact.patient
