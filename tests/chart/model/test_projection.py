"""Records into the read model: one end state for every order, repetition and cut of the same records."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from drawn_stories import CASE, a_timeline
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import Feed, actions_for, arrived, note, records_of, topic_of
from sqlalchemy import Engine, select

from refrain.contracts.events import Event, LabReport, ResponseAssessed
from refrain.contracts.topics import ALERT_ACTIONS, ALERTS, CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES
from refrain.runtime.consume import Batch, MovedElsewhere, Noted
from refrain.runtime.database import open_database, upgrade
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.tables import READ_MODEL

ON_ONE_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@st.composite
def a_corrected_timeline(draw: st.DrawFn) -> dict[str, Any]:
    """A story in which results are corrected, deleted, posted for somebody else and issued again."""
    document = draw(a_timeline())
    later = []
    for original in draw(
        st.lists(st.sampled_from(document["observations"]), max_size=3, unique_by=lambda one: one["id"])
    ):
        status = draw(st.sampled_from(["C", "D", "W", "F"]))
        value = draw(st.sampled_from(["41", "POS", original["received"]["value"]]))
        issued = draw(st.sampled_from(["2026-10-01T08:00:00Z", "2026-10-02T08:00:00Z"]))
        later.append(
            original | {"status": status, "issued_at": issued, "received": original["received"] | {"value": value}}
        )
    return document | {"observations": [*document["observations"], *later]}


@st.composite
def a_log(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    """All records of a story, some of them written twice, and the same records otherwise ordered, repeated and cut."""
    told = records_of(draw(a_corrected_timeline()))
    records = [*told, *actions_for(told)]
    reports = [event for event in told if isinstance(event, LabReport)]
    for report in draw(st.lists(st.sampled_from(reports), max_size=2)):  # driven again with another code map
        fresh = tuple(one.model_copy(update={"method": "REREAD"}) for one in report.observations)
        records.append(
            report.model_copy(update={"translation": report.translation + 1, "observations": fresh}).identified()
        )
    again = draw(st.lists(st.sampled_from(records), max_size=4))
    records += [
        one.model_copy(update={"recorded_at": one.recorded_at + timedelta(hours=1), "trace": "b"}) for one in again
    ]
    repeated = draw(st.lists(st.sampled_from(records), max_size=6))
    order = draw(st.permutations([*records, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=8)))
    return records, [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that are a function of the records."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in READ_MODEL
        }


@ON_ONE_DATABASE
@given(log=a_log())
def test_the_set_of_records_decides_and_not_their_arrival(
    engine: Engine, projection: Projection, log: tuple[list[Event], list[list[Event]]]
) -> None:
    records, delivery = log
    projection.empty("one", {})
    Feed(projection.take)(records)
    in_order, digest = contents(engine), projection.digest()
    projection.empty("one", {})
    feed = Feed(projection.take)
    for batch in delivery:
        feed(batch)
    assert contents(engine) == in_order
    assert projection.digest() == digest


@settings(ON_ONE_DATABASE, max_examples=10)
@given(log=a_log(), data=st.data())
def test_a_rebuild_that_is_killed_and_begun_again_is_identical(
    engine: Engine, projection: Projection, log: tuple[list[Event], list[list[Event]]], data: st.DataObject
) -> None:
    """Corrections, repeats, dead letters and what was driven again included; whatever was read before the kill."""
    records = log[0]
    again = data.draw(st.lists(st.sampled_from(range(len(records))), max_size=4, unique=True))
    letters = [note(topic_of(records[at]), LETTER_OF[topic_of(records[at]).name], number, of=at) for number, at in
               enumerate(again)]  # fmt: skip
    batches = read_from_kafka(records, letters, again, data.draw(st.integers(5, 60)))
    goals = dict(pair for batch in batches for pair in batch.after.items())
    digests = []
    for killed_after in (len(batches), data.draw(st.integers(0, len(batches) - 1)), len(batches)):
        projection.empty("one", goals)
        for batch in batches[:killed_after]:
            Projection(engine).take(batch)
        whole = killed_after == len(batches)
        assert ReadModel(engine).progress().rebuilding is not whole
        digests += [projection.digest()] if whole else []
    assert digests[0] == digests[1]
    redriven = {letter.id for letter in ReadModel(engine).dead_letters(500) if letter.redriven}
    assert len(redriven) == len({letter.headers["id"] for letter in letters})


LETTER_OF = {
    LAB_REPORTS.name: "flagging", FLAGGED_REPORTS.name: "response", RESPONSES.name: "relapse",
    CARE_EVENTS.name: "relapse",
    ALERTS.name: "notify", ALERT_ACTIONS.name: "chart",
}  # fmt: skip
"""A service that reads each topic."""


def read_from_kafka(
    records: list[Event], letters: list[Noted], again: list[int], size: int
) -> list[Batch]:  # fmt: skip
    """The batches of one consumer: records, then dead letters about some of them, which were then driven again."""
    batches: list[Batch] = []
    feed = Feed(batches.append)
    for start in range(0, len(records), size):
        feed(records[start : start + size])
    by_topic: dict[str, list[Noted]] = {}
    for letter in letters:
        at = by_topic.setdefault(letter.topic, [])
        at.append(dataclasses.replace(letter, offset=len(at)))
    for topic in by_topic.values():
        feed([], noted=topic)
    for letter, at in zip(letters, again, strict=True):
        place = topic_of(records[at]).name, 0
        offset = feed.at[place]
        fact = arrived(records[at], offset=offset, redrives=letter.headers["id"].decode())
        feed.at[place] = offset + 1
        batches.append(Batch((fact,), {place: offset}, {place: offset + 1}))
    return batches


def test_the_digest_tells_read_models_apart(projection: Projection) -> None:
    records = records_of(CASE)
    feed = Feed(projection.take)
    feed(records[:-1])
    before = projection.digest()
    feed(records[-1:])
    assert projection.digest() != before
    assert projection.rows() > 100


@pytest.mark.postgres
def test_both_databases_hold_the_same(postgres: str, tmp_path: Path) -> None:
    """To the last digit of a number and the last microsecond."""
    records = records_of(CASE)
    digests = []
    for url in (f"sqlite:///{tmp_path}/other.db", postgres):
        engine = open_database(url, "chart")
        upgrade(url, "chart", "services.chart.adapters:migrations")
        projection = Projection(engine)
        projection.empty("one", {})
        Feed(projection.take)([*records, *actions_for(records)])
        digests.append(projection.digest())
        engine.dispose()
    assert digests[0] == digests[1]


def test_the_course_of_the_highest_revision_stays(projection: Projection, read_model: ReadModel) -> None:
    assessed = [event for event in records_of(CASE) if isinstance(event, ResponseAssessed)]
    newest = max(assessed, key=lambda event: event.revision)
    key = newest.patient.key
    feed = Feed(projection.take)
    feed(assessed[:1])
    feed([newest])
    assert read_model.course(key) == newest
    feed(assessed[:-1])
    assert read_model.course(key) == newest, "an older one that comes later changes nothing"


def test_a_batch_of_other_offsets_is_refused_and_leaves_nothing(projection: Projection, read_model: ReadModel) -> None:
    records = records_of(CASE)
    place = LAB_REPORTS.name, 0
    fact = next(arrived(event) for event in records if event.fact == "lab_report")
    with pytest.raises(MovedElsewhere):
        projection.take(Batch((fact,), {place: 7}, {place: 8}))
    assert read_model.search_patients() == []
    projection.take(Batch((fact,), {place: 0}, {place: 1}, ends={place: 5}))
    assert projection.starts([place, (FLAGGED_REPORTS.name, 3)]) == {place: 1, (FLAGGED_REPORTS.name, 3): 0}
    with pytest.raises(MovedElsewhere):
        projection.take(Batch((fact,), {place: 0}, {place: 1}))
    assert (read_model.progress().read, read_model.progress().end) == (1, 5)


def test_offsets_may_have_holes_and_may_go_back(projection: Projection) -> None:
    """A log that lost its beginning starts later; one whose topic was made anew starts again."""
    place = LAB_REPORTS.name, 0
    projection.take(Batch((), {place: 0}, {place: 900}))
    projection.take(Batch((), {place: 900}, {place: 4}))
    assert projection.starts([place]) == {place: 4}


def test_another_kafka_empties_the_read_model(projection: Projection, read_model: ReadModel) -> None:
    place = LAB_REPORTS.name, 0
    assert projection.settle_on("cluster-a/1", {place: 40}, {}) is False, "nothing was there to be emptied"
    Feed(projection.take)(records_of(CASE))
    read = projection.starts([place])[place]
    change = read_model.newest_change()
    assert projection.settle_on("cluster-a/1", {place: read}, {place: read}) is False
    assert read_model.search_patients()
    assert projection.settle_on("cluster-b/1", {place: read}, {place: read}) is True
    assert read_model.search_patients() == []
    assert projection.starts([place]) == {place: 0}
    assert read_model.progress().rebuilding
    assert read_model.newest_change() > change, "pages notice"


def test_a_log_that_ends_before_what_was_read_was_wiped(projection: Projection, read_model: ReadModel) -> None:
    place = LAB_REPORTS.name, 0
    projection.settle_on("cluster-a/1", {}, {})
    Feed(projection.take)(records_of(CASE))
    assert projection.settle_on("cluster-a/1", {place: 1}, {place: 1}) is True
    assert read_model.search_patients() == []


def test_a_part_of_a_first_log_is_not_passed_off_as_the_whole(projection: Projection, read_model: ReadModel) -> None:
    """A new read model beside a Kafka that is full: an empty work list would look like a ward without alerts."""
    full, expired = (LAB_REPORTS.name, 0), (FLAGGED_REPORTS.name, 1)
    assert read_model.progress().rebuilding, "Kafka was never reached"
    assert projection.settle_on("cluster-a/1", {full: 2, expired: 900}, {full: 2}) is False
    assert read_model.progress().rebuilding
    projection.take(Batch((), {full: 0}, {full: 2}))
    assert not read_model.progress().rebuilding, "nobody waits for what retention has deleted"


def test_a_first_log_that_is_empty_is_the_whole(projection: Projection, read_model: ReadModel) -> None:
    projection.settle_on("cluster-a/1", {(LAB_REPORTS.name, 0): 0}, {})
    assert not read_model.progress().rebuilding


def test_a_rebuild_is_over_when_what_was_there_at_its_start_is_read(
    projection: Projection, read_model: ReadModel
) -> None:  # fmt: skip
    places = {(LAB_REPORTS.name, 0): 2, (FLAGGED_REPORTS.name, 1): 3, (FLAGGED_REPORTS.name, 2): 0}
    projection.empty("one", places)
    assert read_model.progress().rebuilding
    assert (read_model.progress().read, read_model.progress().end) == (0, 5)
    projection.take(Batch((), {(LAB_REPORTS.name, 0): 0}, {(LAB_REPORTS.name, 0): 2}))
    assert read_model.progress().rebuilding
    projection.take(Batch((), {(FLAGGED_REPORTS.name, 1): 0}, {(FLAGGED_REPORTS.name, 1): 4}))
    assert not read_model.progress().rebuilding
    assert (read_model.progress().read, read_model.progress().end) == (6, 6)


def test_two_replicas_that_hear_of_one_alert_from_two_topics_lose_nothing(url: str, projection: Projection) -> None:
    """Each folds what it wrote and what the other one wrote, whoever comes first (the patient's row is locked)."""
    records = records_of(CASE)
    events = [event for event in records if event.fact.startswith("alert_")]
    done = actions_for(records)
    feed = Feed(projection.take)
    feed([*events, *done])
    expected = projection.digest()
    projection.empty("one", {})
    engines = [open_database(url, "chart") for _ in range(2)]
    failures: list[BaseException] = []

    def replica(engine: Engine, facts: list[Event]) -> None:
        mine = Feed(Projection(engine).take)
        try:
            for fact in facts:
                mine([fact])
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [
        threading.Thread(target=replica, args=pair) for pair in zip(engines, (events, done), strict=True)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for engine in engines:
        engine.dispose()
    assert failures == []
    assert projection.digest() == expected


def test_a_rebuild_beside_a_batch_that_is_being_taken_leaves_nothing_of_it(url: str, projection: Projection) -> None:
    """What is first in its topic is rightly taken after a rebuild too, so those come before it; one comes after it."""
    told = records_of(CASE)
    firsts = {topic_of(record).name: record for record in reversed(told)}
    *records, last = [*firsts.values(), *(record for record in told if record not in firsts.values())]
    other = open_database(url, "chart")
    begun, emptied = threading.Event(), threading.Event()
    moved: list[bool] = []

    def busy() -> None:
        mine = Feed(Projection(other).take)
        try:
            for record in records:
                mine([record])
                if len(mine.at) == len(firsts):
                    begun.set()
            emptied.wait(60)
            mine([last])
        except MovedElsewhere:
            moved.append(True)

    thread = threading.Thread(target=busy)
    thread.start()
    assert begun.wait(60)
    projection.empty("one", {})
    emptied.set()
    thread.join(60)
    other.dispose()
    assert moved
    assert projection.rows() == 0


def test_dead_letters_of_all_services_are_noted_and_redriven_ones_marked(
    projection: Projection, read_model: ReadModel
) -> None:  # fmt: skip
    records = records_of(CASE)
    key = records[0].patient.key.encode()
    feed = Feed(projection.take)
    feed(records[:1], noted=[note(LAB_REPORTS, "flagging", 0, of=12, key=key)])
    feed([], noted=[note(FLAGGED_REPORTS, "response", 0, of=3), note(LAB_REPORTS, "flagging", 1, of=12, key=key)])
    letters = {letter.id: letter for letter in read_model.dead_letters()}
    assert len(letters) == 2, "the same letter twice is one"
    mine = letters["flagging-lab-reports.v1-0-12"]
    assert (mine.service, mine.topic, mine.partition, mine.offset) == ("flagging", LAB_REPORTS.name, 0, 12)
    assert (mine.cause, mine.stage, mine.patient_known, mine.redriven) == ("KeyError", "step", True, False)
    assert letters["response-flagged-reports.v1-0-3"].patient_known is False
    place = LAB_REPORTS.name, 0
    lab = next(event for event in records if event.fact == "lab_report")
    sent_again = arrived(lab, redrives="flagging-lab-reports.v1-0-12")
    projection.take(Batch((sent_again,), {place: 0}, {place: 1}))
    assert {letter.id for letter in read_model.dead_letters() if letter.redriven} == {mine.id}
    assert [letter.id for letter in read_model.dead_letters(key=key.decode())] == [mine.id]


def test_a_letter_without_headers_and_one_that_is_garbage_are_noted_too(
    projection: Projection, read_model: ReadModel
) -> None:  # fmt: skip
    bare = note(LAB_REPORTS, "flagging", 0, of=1)
    bare = type(bare)(bare.topic, 0, 0, b"\xff\x00|", {"id": b"", "cause": b"\xff\x00"}, bare.at_milliseconds)
    Feed(projection.take)([], noted=[bare])
    [letter] = read_model.dead_letters()
    assert letter.service == "flagging"
    assert letter.patient_known is False


def test_a_text_with_a_nul_character_is_kept_in_both_databases(projection: Projection, read_model: ReadModel) -> None:
    records = records_of(CASE)
    lab = next(event for event in records if event.fact == "lab_report")
    sent = lab.model_copy(
        update={
            "observations": tuple(
                one.model_copy(update={"method": "kit\x002", "name": "\x00"}) for one in lab.observations
            )
        }
    )
    Feed(projection.take)([sent.identified()])
    [patient] = read_model.search_patients()
    rows = read_model.results(patient.key)
    assert {row.method for row in rows} == {"kit�2"}
    version = read_model.versions(rows[0].result)[0]
    assert version.observation.method == "kit\x002", "the record itself is kept as it came"


def test_changes_are_numbered_and_only_the_newest_are_kept(
    projection: Projection, read_model: ReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("services.chart.adapters.standing.KEPT_CHANGES", 5)
    records = records_of(CASE)
    feed = Feed(projection.take)
    feed(records[:3])
    assert read_model.newest_change() == 3
    assert [one.number for one in read_model.changes(1)] == [2, 3]
    feed(records[3:10])
    newest = read_model.newest_change()
    assert newest == 10
    assert [one.number for one in read_model.changes(0)] == [6, 7, 8, 9, 10]
    key = records[0].patient.key
    assert [one.number for one in read_model.changes(8, key)] == [9, 10]
    assert read_model.changes(0, "nobody") == []
    assert {one.what for one in read_model.changes(0)} <= {"report", "course", "alert", "action", "care_event"}
