"""What intake remembers, on SQLite and on a real PostgreSQL: the same tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import inspect, text

from refrain.contracts.events import Quarantined
from services.intake.adapters import memory
from services.intake.adapters.memory import SEEN_FOR, Memory, Stored
from services.intake.adapters.tables import metadata
from services.intake.adapters.work_list import Kept

NOW = datetime(2026, 3, 14, 9, 15, tzinfo=UTC)
LOG = "cluster-1/topic-1"


@pytest.fixture
def remembered(url: str) -> Iterator[Memory]:
    memory.upgrade(url)
    opened = Memory(url)
    yield opened
    opened.close()


def unusable(number: int, *, sender: str = "north-lab", reason: str = "no_patient_id") -> Quarantined:
    return Quarantined(
        event_id=UUID(int=number),
        recorded_at=NOW + timedelta(microseconds=number // 2),
        sender=sender,
        reason=reason,
        place="PID[1]-3",
        whole_message=True,
        hash="ab" * 32,
        size=123,
        raw="c2VjcmV0",
    )


def on_list(*entries: Quarantined) -> Stored:
    return Stored(LOG, None, kept=[Kept(entry, None) for entry in entries])


def test_a_body_is_seen_after_it_was_remembered_on_the_same_log(remembered: Memory) -> None:
    assert not remembered.seen(LOG, "b1", NOW)
    remembered.remember(Stored(LOG, "b1"), NOW)
    assert remembered.seen(LOG, "b1", NOW)
    assert not remembered.seen(LOG, "b2", NOW)


def test_another_cluster_or_a_wiped_log_starts_with_its_own_memory(remembered: Memory) -> None:
    remembered.remember(Stored(LOG, "b1"), NOW)
    assert not remembered.seen("cluster-1/topic-2", "b1", NOW)
    assert not remembered.seen("cluster-2/topic-1", "b1", NOW)


@pytest.mark.parametrize(
    ("later", "seen"),
    [
        pytest.param(SEEN_FOR - timedelta(seconds=1), True, id="just within the year"),
        pytest.param(SEEN_FOR, False, id="a year later"),
    ],
)
def test_a_body_counts_as_seen_for_a_year(remembered: Memory, later: timedelta, seen: bool) -> None:
    remembered.remember(Stored(LOG, "b1"), NOW)
    assert remembered.seen(LOG, "b1", NOW + later) is seen
    assert remembered.forget(NOW + later) == (0 if seen else 1)
    remembered.remember(Stored(LOG, "b1"), NOW + later)
    assert remembered.seen(LOG, "b1", NOW + later)


def test_remembering_again_counts_from_then_on(remembered: Memory) -> None:
    remembered.remember(Stored(LOG, "b1"), NOW)
    remembered.remember(Stored(LOG, "b1"), NOW + timedelta(days=300))
    assert remembered.seen(LOG, "b1", NOW + timedelta(days=600))


def test_what_could_not_be_used_is_listed_newest_first_and_once(remembered: Memory) -> None:
    items = [unusable(n) for n in range(1, 6)]
    remembered.remember(on_list(*items), NOW)
    remembered.remember(on_list(*items[:2]), NOW)
    first = remembered.work_list.page(limit=2)
    rest = remembered.work_list.page(limit=10, before=first[-1].event_id)
    assert [UUID(item.event_id).int for item in (*first, *rest)] == [5, 4, 3, 2, 1]
    assert first[0].recorded_at == items[-1].recorded_at
    assert (first[0].reason, first[0].place, first[0].size) == ("no_patient_id", "PID[1]-3", 123)


def test_the_list_can_be_narrowed_by_sender_and_reason(remembered: Memory) -> None:
    entries = unusable(1), unusable(2, sender="south"), unusable(3, reason="too_large")
    remembered.remember(on_list(*entries), NOW)
    assert [UUID(i.event_id).int for i in remembered.work_list.page(sender="south")] == [2]
    assert [UUID(i.event_id).int for i in remembered.work_list.page(reason="too_large")] == [3]


def test_an_unknown_mark_is_refused(remembered: Memory) -> None:
    with pytest.raises(KeyError):
        remembered.work_list.page(before="no such entry")


def test_the_migrated_tables_are_those_of_the_code(url: str) -> None:
    memory.upgrade(url)
    memory.upgrade(url)
    made = memory.open_memory(url)
    with made.connect() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            columns = {column["name"]: column for column in found.get_columns(table.name)}
            assert set(columns) == set(table.columns.keys())
            assert [columns[c.name]["nullable"] for c in table.columns] == [c.nullable for c in table.columns]
            assert {index["name"] for index in found.get_indexes(table.name)} == {i.name for i in table.indexes}
            assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key]
    made.dispose()


def test_a_database_on_another_revision_is_named_in_a_sentence(url: str) -> None:
    assert "has no schema yet" in (memory.check(url) or "")
    memory.upgrade(url)
    assert memory.check(url) is None
    made = memory.open_memory(url)
    with made.begin() as connection:
        connection.execute(text("UPDATE intake_revision SET version_num = 'future'"))
    made.dispose()
    assert "is at schema revision future, but this program needs 0002" in (memory.check(url) or "")


def test_nothing_of_a_message_is_in_the_file(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/intake.db"
    memory.upgrade(url)
    opened = Memory(url)
    opened.remember(Stored(LOG, "b1", kept=[Kept(unusable(1), None)]), NOW)
    opened.close()
    dump = "\n".join(sqlite3.connect(tmp_path / "intake.db").iterdump())
    assert "no_patient_id" in dump
    assert "c2VjcmV0" not in dump
