"""The work list on SQLite and on a real PostgreSQL: who ended an entry, once, and where its bytes are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from refrain.contracts.events import Quarantined
from services.intake.adapters import memory
from services.intake.adapters.memory import Memory, Stored
from services.intake.adapters.tables import CHANGES, Act, moment_of
from services.intake.adapters.work_list import Item, Kept, RawAt

NOW = datetime(2026, 3, 14, 9, 15, 0, 123456, tzinfo=UTC)
DR_A, DR_B = Act("dr-a", NOW, "r1"), Act("dr-b", NOW + timedelta(minutes=1), "r2")


@pytest.fixture
def remembered(url: str) -> Iterator[Memory]:
    memory.upgrade(url)
    opened = Memory(url)
    yield opened
    opened.close()


def entry(number: int, *, reason: str = "no_patient_id", place: str = "PID[1]-3", whole: bool = True) -> Quarantined:
    return Quarantined(
        event_id=UUID(int=number), recorded_at=NOW, sender="north-lab", listener="mllp", reason=reason, place=place,
        whole_message=whole, hash="ab" * 32, size=9, raw="c2VjcmV0",
    )  # fmt: skip


def put(remembered: Memory, *numbers: int, raw: RawAt | None = None) -> list[str]:
    remembered.remember(Stored("log", None, kept=[Kept(entry(n), raw) for n in numbers]), NOW)
    return [str(UUID(int=n)) for n in numbers]


def changes(remembered: Memory) -> list[tuple[str, str, str, str]]:
    with remembered._engine.connect() as connection:
        rows = connection.execute(select(CHANGES).order_by(CHANGES.c.id)).mappings().all()
    return [(row["actor"], row["what"], row["why"], row["request"]) for row in rows]


def test_an_entry_is_open_until_somebody_resolves_it_with_who_when_and_why(remembered: Memory) -> None:
    one, two = put(remembered, 1, 2)
    item, by = remembered.work_list.resolve(one, DR_A, "other", "A trial of the interface.")
    assert by == "now"
    assert (item.open, item.decided, item.resolved_by, item.resolved_at) == (False, True, "dr-a", NOW)
    assert (item.resolution, item.comment) == ("other", "A trial of the interface.")
    shown = {state: [i.event_id for i in remembered.work_list.page(state=state)] for state in ("open", "resolved")}
    assert shown == {"open": [two], "resolved": [one]}
    assert [i.event_id for i in remembered.work_list.page(state="all")] == [two, one]
    assert changes(remembered) == [("dr-a", "resolved", "other: A trial of the interface.", "r1")]


def test_the_first_word_stands_and_a_repeated_request_is_the_same(remembered: Memory) -> None:
    [one] = put(remembered, 1)
    first, _ = remembered.work_list.resolve(one, DR_A, "not_needed", "")
    assert remembered.work_list.resolve(one, DR_A, "not_needed", "") == (first, "same_request")
    assert remembered.work_list.resolve(one, DR_B, "told_otherwise", "") == (first, "another")
    assert len(changes(remembered)) == 1


def test_two_people_at_once_one_wins_and_the_other_is_told(remembered: Memory) -> None:
    [one] = put(remembered, 1)
    acts = [Act(f"dr-{n}", NOW, f"r{n}") for n in range(8)]
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda act: remembered.work_list.resolve(one, act, "not_needed", ""), acts))
    assert [by for _, by in answers].count("now") == 1
    assert [by for _, by in answers].count("another") == 7
    [(winner, *_)] = changes(remembered)
    assert {item.resolved_by for item, _ in answers} == {winner}


def test_a_mistake_is_taken_back_and_a_late_repeat_of_it_changes_nothing(remembered: Memory) -> None:
    [one] = put(remembered, 1)
    remembered.work_list.resolve(one, DR_A, "not_needed", "")
    again = [remembered.work_list.reopen(one, DR_B, "Wrong entry.") for _ in range(2)]
    assert [item.open for item in again] == [True, True]
    item, by = remembered.work_list.resolve(one, DR_A, "not_needed", "")
    assert (item.open, by) == (True, "another")
    assert [what for _, what, *_ in changes(remembered)] == ["resolved", "reopened"]


def test_an_entry_that_is_not_there_is_not_resolved(remembered: Memory) -> None:
    for call in (
        lambda: remembered.work_list.resolve("none", DR_A, "not_needed", ""),
        lambda: remembered.work_list.reopen("none", DR_A, "why"),
        lambda: remembered.work_list.get("none"),
    ):
        with pytest.raises(KeyError):
            call()
    assert changes(remembered) == []


@pytest.mark.parametrize(("reason", "opens"), [("sender_resends", True), ("not_needed", False)])
def test_what_waits_for_a_corrected_message_opens_when_the_same_one_comes(
    remembered: Memory, reason: str, opens: bool
) -> None:
    [one] = put(remembered, 1)
    remembered.work_list.resolve(one, DR_A, reason, "")
    put(remembered, 1)
    assert remembered.work_list.get(one).open is opens
    assert changes(remembered)[1:] == ([("intake", "reopened", "the same message came again", "")] if opens else [])


def test_the_bytes_are_found_where_they_came_last(remembered: Memory) -> None:
    [one] = put(remembered, 1, raw=RawAt(str(UUID(int=1)), 3, 40))
    put(remembered, 1, raw=RawAt(str(UUID(int=1)), 3, 90))
    put(remembered, 1)
    item = remembered.work_list.get(one)
    assert (item.raw_kept, item.raw) == (True, RawAt(one, 3, 90))
    [large] = put(remembered, 2)
    assert (remembered.work_list.get(large).raw_kept, remembered.work_list.get(large).raw) == (False, None)


def test_entries_from_before_are_open_and_their_bytes_are_to_be_looked_for(url: str) -> None:
    engine = memory.open_memory(url)
    memory.upgrade(url, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into unusable values ('e1', 1773479700000000, 'north-lab', 'mllp', 'no_patient_id', 'PID[1]-3',"
            " true, 'ab', 9)"
        )
        connection.exec_driver_sql("insert into seen values ('log', 'body', 1773479700)")
    memory.upgrade(url)
    opened = Memory(url)
    [item] = opened.work_list.page()
    assert (item.event_id, item.open, item.raw_kept, item.raw) == ("e1", True, None, None)
    assert item.recorded_at == moment_of(1773479700000000)
    assert opened.seen("log", "body", NOW)
    assert not opened.seen("log", "body", NOW, 1_000_001), "which reading was published then is not known"
    opened.close()
    engine.dispose()


def redrive(remembered: Memory, item: Item, act: Act, *left: Quarantined, outcome: str = "published") -> list[Item]:
    kept = [Kept(one, RawAt(str(one.event_id), 0, 7)) for one in left]
    return remembered.redriven(item, act, outcome, "", Stored("log", None, kept=kept), "north-lab")  # type: ignore[arg-type]


def test_a_redrive_settles_all_entries_of_the_message_at_once(remembered: Memory) -> None:
    one, two = put(remembered, 1, 2)
    left = entry(3, reason="code_missing", place="OBX[1]", whole=False)
    entries = redrive(remembered, remembered.work_list.get(one), DR_A, left)
    ends = {item.event_id: item.resolution for item in entries}
    assert ends == {one: "superseded", two: "superseded", str(left.event_id): ""}
    assert redrive(remembered, remembered.work_list.get(one), DR_A, left) == entries, "the same request again"
    assert [what for _, what, *_ in changes(remembered)] == ["resolved", "resolved", "redriven"]
    ended = redrive(remembered, remembered.work_list.get(str(left.event_id)), DR_B)
    assert [item.resolution for item in ended] == ["superseded", "superseded", "redriven"]


def test_a_cause_that_is_back_is_open_again(remembered: Memory) -> None:
    [one] = put(remembered, 1)
    left = entry(3, reason="code_missing", place="OBX[1]", whole=False)
    redrive(remembered, remembered.work_list.get(one), DR_A, left)
    entries = redrive(remembered, remembered.work_list.get(str(left.event_id)), DR_B, entry(1), outcome="quarantined")
    assert {item.event_id: item.resolution for item in entries} == {one: "", str(left.event_id): "superseded"}


def test_what_a_person_decided_no_redrive_of_another_entry_changes(remembered: Memory) -> None:
    one, two = put(remembered, 1, 2)
    remembered.work_list.resolve(two, DR_B, "told_otherwise", "")
    entries = redrive(remembered, remembered.work_list.get(one), DR_A, entry(2), outcome="quarantined")
    assert {item.event_id: item.resolution for item in entries} == {one: "", two: "told_otherwise"}


def test_redrives_from_two_processes_at_once_end_as_one(url: str) -> None:
    memory.upgrade(url)
    houses = [Memory(url) for _ in range(2)]
    [one] = put(houses[0], 1)
    left = entry(3, reason="code_missing", place="OBX[1]", whole=False)
    with ThreadPoolExecutor(2) as two:
        item = houses[0].work_list.get(one)
        both = [two.submit(redrive, house, item, Act("dr-a", NOW, f"r{n}"), left) for n, house in enumerate(houses)]
        ends = [{item.event_id: item.resolution for item in each.result()} for each in both]
    assert ends == [{one: "superseded", str(left.event_id): ""}] * 2
    assert sorted(what for _, what, *_ in changes(houses[0])) == ["redriven", "redriven", "resolved"]
    for house in houses:
        house.close()
