"""What notify keeps, on SQLite and on a real PostgreSQL: one transaction per happening, versions, reads in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError

from refrain.contracts.events import PatientId
from refrain.runtime.database import check, open_database
from refrain.runtime.produce import Outgoing
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.desk import Conflict, Desk
from services.notify.adapters.outbox import Outbox
from services.notify.adapters.queries import NotOurs, Place, Queries, Wanted
from services.notify.adapters.store import MIGRATIONS, Contradiction, Store
from services.notify.adapters.tables import ACTIONS, METADATA, THREADS
from services.notify.domain.happenings import Outcome
from tests.notify.keeping import CLUSTER, Committed, a_store, an_action, ids, put
from tests.notify.telling import NOON, a_message, a_thread, told

POSTGRES_ONLY = pytest.mark.parametrize(
    "database", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""Somebody else in the middle of a transaction: in SQLite writers wait for one another before they begin."""


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


def test_the_migration_makes_the_tables_that_the_code_uses(database: str) -> None:
    engine = open_database(database, "notify")
    check(engine, "notify", MIGRATIONS)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "notify_revision"})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_thread_its_actions_and_its_messages_are_kept_together(store: Store) -> None:
    thread = a_thread(1)
    put(store, Outcome(thread, (an_action(thread, 1),), (a_message(thread),)))
    assert Queries(store).thread(thread.alert) == thread
    assert [action.number for action in Queries(store).actions(thread.alert)] == [1]
    assert Queries(store).unsent() == {"mail": 1}


def test_what_a_decision_raises_undoes_everything(store: Store) -> None:
    thread = a_thread(1)

    def decide(desk: Desk) -> None:
        desk.put(Outcome(thread))
        desk.write()
        raise LookupError

    with pytest.raises(LookupError):
        store.work(decide)
    assert Queries(store).thread(thread.alert) is None


def test_an_outcome_that_changes_nothing_writes_nothing(database: str) -> None:
    committed = Committed()
    store = a_store(database, committed=committed)
    thread = a_thread(1)
    put(store, Outcome(thread))
    put(store, Outcome(thread))
    assert Queries(store).newest_change() == 1
    assert [step.before for step in committed.steps] == [None]
    store.close()


@POSTGRES_ONLY
def test_somebody_who_comes_in_between_makes_the_decision_be_taken_again(database: str) -> None:
    first, second = a_store(database), a_store(database)
    put(first, Outcome(a_thread(1)))
    seen: list[int] = []

    def escalate(desk: Desk) -> None:
        thread = desk.thread(a_thread(1).alert)
        assert thread is not None
        seen.append(thread.level)
        if len(seen) == 1:
            put(second, Outcome(thread.model_copy(update={"repeats": 5})))
        desk.put(Outcome(thread.model_copy(update={"level": thread.level + 1})))

    first.work(escalate)
    thread = Queries(first).thread(a_thread(1).alert)
    assert thread is not None
    assert (thread.level, thread.repeats, len(seen)) == (1, 5, 2)
    first.close()
    second.close()


def test_an_error_of_the_database_never_quotes_what_was_written(store: Store) -> None:
    """It may end in a traceback or in somebody's log."""
    thread = a_thread(1)
    put(store, Outcome(thread))
    with store.reading() as sql:
        row = dict(sql.execute(select(THREADS)).mappings().one())
    with pytest.raises(IntegrityError) as caught, store.writing() as sql:
        sql.execute(THREADS.insert(), row)
    assert thread.patient.id not in f"{caught.value} {caught.value!r}"


def test_many_at_once_lose_nothing(database: str) -> None:
    stores = [a_store(database) for _ in range(2)]
    put(stores[0], Outcome(a_thread(1)))

    def more(desk: Desk) -> None:
        thread = desk.thread(a_thread(1).alert)
        assert thread is not None
        after = thread.model_copy(update={"repeats": thread.repeats + 1, "number": thread.number + 1})
        desk.put(Outcome(after, (an_action(after, after.number),)))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(stores[number % 2].work, more) for number in range(24)]:
            done.result()
    thread = Queries(stores[0]).thread(a_thread(1).alert)
    assert thread is not None
    assert thread.repeats == 24
    assert [one.number for one in Queries(stores[0]).actions(thread.alert)] == list(range(1, 25))
    for store in stores:
        store.close()


@POSTGRES_ONLY
def test_a_thread_that_changed_is_a_conflict_once_the_attempts_are_used_up(database: str) -> None:
    store, other = a_store(database), a_store(database)
    put(store, Outcome(a_thread(1)))

    def unlucky(desk: Desk) -> None:
        thread = desk.thread(a_thread(1).alert)
        assert thread is not None
        put(other, Outcome(thread.model_copy(update={"repeats": thread.repeats + 1})))
        desk.put(Outcome(thread.model_copy(update={"level": 1})))

    with pytest.raises(Conflict):
        store.work(unlucky, attempts=2)
    store.close()
    other.close()


def test_two_actions_with_one_number_are_a_defect_and_not_a_race(store: Store) -> None:
    thread = a_thread(1)
    put(store, Outcome(thread, (an_action(thread, 1),)))
    again = thread.model_copy(update={"level": 1})
    with pytest.raises(Contradiction):
        store.work(lambda desk: desk.put(Outcome(again, (an_action(again, 1),))), attempts=2)


@POSTGRES_ONLY
def test_change_numbers_become_visible_in_their_order(database: str) -> None:
    """A watcher that saw number 7 must never miss 6, which was taken earlier and committed later."""
    slow, fast = a_store(database), a_store(database)
    put(slow, Outcome(a_thread(0)))
    taken, go_on = threading.Event(), threading.Event()

    def lingers(desk: Desk) -> None:
        desk.put(Outcome(a_thread(1)))
        desk.finally_(lambda _: (taken.set(), go_on.wait(20)))

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slow.work, lingers)
        assert taken.wait(20)
        second = pool.submit(put, fast, Outcome(a_thread(2)))
        assert Queries(fast).newest_change() == 1
        go_on.set()
        first.result()
        second.result()
    assert ids([thread for _, thread in Queries(fast).changes(1, (), 10)]) == ids([a_thread(1), a_thread(2)])
    slow.close()
    fast.close()


def test_a_watcher_gets_the_newest_state_of_each_alert_and_not_each_step(store: Store) -> None:
    queries = Queries(store)
    put(store, Outcome(a_thread(1)), Outcome(a_thread(2)))
    seen = queries.newest_change()
    put(store, Outcome(a_thread(1, repeats=1)))
    put(store, Outcome(a_thread(1, repeats=2)))
    changes = queries.changes(seen, (), 10)
    assert [(thread.alert, thread.repeats) for _, thread in changes] == [(a_thread(1).alert, 2)]
    assert queries.changes(changes[-1][0], (), 10) == []
    assert queries.changes(0, ("DQ",), 10) == []


def test_another_cluster_starts_with_threads_of_its_own(database: str) -> None:
    store, other = a_store(database), a_store(database, cluster="cluster-2")
    put(store, Outcome(a_thread(1), (), (a_message(a_thread(1)),)))
    assert Queries(other).thread(a_thread(1).alert) is None
    assert Queries(other).alerts(Wanted(), 10) == []
    assert Queries(other).due(NOON + timedelta(days=400), 10) == []
    assert Queries(other).unsent() == {}
    put(other, Outcome(a_thread(1, repeats=3)))
    thread = Queries(store).thread(a_thread(1).alert)
    assert thread is not None
    assert thread.repeats == 0
    store.close()
    other.close()


def test_alerts_come_most_urgent_first_then_oldest_page_by_page(store: Store) -> None:
    minutes = iter(range(100))
    given = [
        a_thread(number, tier=tier, due_hours=hours, raised_at=NOON - timedelta(minutes=next(minutes)))
        for number, (tier, hours) in enumerate(
            [("DQ", None), ("P2", 72), ("P1", None), ("P3", None), ("P2", 24), ("P1", None), ("P2", 72)]
        )
    ]
    put(store, *map(Outcome, given))
    expected = ids([given[5], given[2], given[4], given[6], given[1], given[3], given[0]])
    queries, found, after = Queries(store), [], None
    while page := queries.alerts(Wanted(), 3, after):
        found += page
        after = Place.read(Place.of(page[-1]).token())
    assert ids(found) == expected
    assert ids(queries.alerts(Wanted(tiers=("P2", "DQ")), 10)) == ids([given[4], given[6], given[1], given[0]])


def test_alerts_are_selected_by_patient_by_who_holds_them_and_by_whether_they_wait(store: Store) -> None:
    held = a_thread(1, assigned_to="m.lee")
    answered = a_thread(2, tier="P2", due_hours=24, state="acknowledged")
    other = a_thread(3, patient={"authority": "NORTHWARD", "type": "MR", "id": "7700416"})
    put(store, Outcome(held), Outcome(answered), Outcome(other))
    queries = Queries(store)
    assert ids(queries.alerts(Wanted(assigned_to="m.lee"), 10)) == [held.alert]
    assert ids(queries.alerts(Wanted(patient_key=other.patient.key), 10)) == [other.alert]
    assert set(ids(queries.alerts(Wanted(waiting=True), 10))) == {held.alert, other.alert}


def test_what_comes_from_a_test_system_is_kept_and_never_listed(store: Store) -> None:
    put(store, Outcome(a_thread(1, processing="test")))
    queries = Queries(store)
    assert queries.thread(a_thread(1).alert) is not None
    assert queries.alerts(Wanted(), 10) == []
    assert queries.changes(0, (), 10) == []
    assert queries.open_since([NOON]) == {}


@pytest.mark.parametrize("token", ["", "x", "bm90IGpzb24=", "WzEsMiwzXQ==", "WzEsMiwibm8gaWQiXQ==", "WzEsMl0="])
def test_a_page_token_of_somebody_else_is_told_apart(token: str) -> None:
    with pytest.raises(NotOurs):
        Place.read(token)


def test_open_alerts_are_counted_by_tier_and_age(store: Store) -> None:
    put(
        store,
        Outcome(a_thread(1, raised_at=NOON)),
        Outcome(a_thread(2, raised_at=NOON - timedelta(hours=2))),
        Outcome(a_thread(3, raised_at=NOON - timedelta(hours=2), state="read_back")),
        Outcome(a_thread(4, tier="DQ", raised_at=NOON - timedelta(days=2))),
    )
    moments = [NOON, NOON - timedelta(hours=1), NOON - timedelta(days=1)]
    assert Queries(store).open_since(moments) == {"P1": [2, 1, 0], "DQ": [1, 1, 1]}


def test_alerts_are_counted_of_which_somebody_should_have_heard_and_nobody_did(store: Store) -> None:
    due = {"not_before": NOON}
    held = {"not_before": NOON + timedelta(hours=8)}
    given: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, due), ({}, held), ({}, held | {"round": 1}), ({"told": (told(),)}, due), ({"state": "read_back"}, due),
        ({"told": (told() | {"sure": False},)}, due),
        ({"told": (told(),), "clock_from": NOON + timedelta(hours=1)}, due),  # and again since
        ({"tier": "DQ"}, due),
    ]  # fmt: skip
    for number, (thread, message) in enumerate(given):
        about = a_thread(number, **thread)
        put(store, Outcome(about, (), (a_message(about, **message),)))
    assert Queries(store).untold(NOON) == {"P1": 4, "DQ": 1}


def test_one_holder_has_a_work_until_its_time_is_over_or_it_lets_go(store: Store) -> None:
    assert store.hold("outbox", "a", NOON, 10)
    assert store.hold("outbox", "a", NOON + timedelta(seconds=5), 10)
    assert not store.hold("outbox", "b", NOON + timedelta(seconds=14), 10)
    assert store.hold("outbox", "b", NOON + timedelta(seconds=15), 10)
    store.let_go("outbox", "a")
    assert not store.hold("outbox", "a", NOON + timedelta(seconds=16), 10)
    store.let_go("outbox", "b")
    assert store.hold("outbox", "a", NOON + timedelta(seconds=16), 10)


class Nowhere:
    def send(self, records: Sequence[Outgoing]) -> None:
        raise AssertionError(len(records))


def asked(store: Store, ask: Callable[[], object]) -> tuple[str, Any]:
    """The last statement that something sends to the database, with its parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    with store.reading() as sql:
        engine = sql.engine
    event.listen(engine, "before_cursor_execute", note)
    ask()
    event.remove(engine, "before_cursor_execute", note)
    return statements[-1]


OFTEN: dict[str, Callable[[Store], object]] = {
    "thread_waking": lambda store: Queries(store).due(NOON, 9),
    "thread_change": lambda store: Queries(store).changes(990, (), 9),
    "thread_held": lambda store: Queries(store).alerts(Wanted(assigned_to="person-7"), 9),
    "thread_patient": lambda store: Queries(store).alerts(Wanted(patient_key=_patient(7).key), 9),
    "thread_waiting": lambda store: Queries(store).alerts(Wanted(waiting=True), 9, Place(1, 2, "x")),
    "thread_urgency": lambda store: Queries(store).alerts(Wanted(tiers=("DQ",)), 9),
    "delivery_due": lambda store: DeliveryLog(store).due_channels(NOON - timedelta(days=1)),
    "action_unpublished": lambda store: Outbox(store, Nowhere(), lambda: NOON).unpublished(9),
}
"""By index, the question that it answers."""


def _patient(number: int) -> PatientId:
    return PatientId(authority="NORTHWARD", type="MR", id=f"77{number:05}")


def test_what_is_asked_often_has_an_index(store: Store) -> None:
    threads = [
        a_thread(
            number, patient=_patient(number), assigned_to=f"person-{number % 50}", tier=("P1", "P2", "P3")[number % 3],
            wake_at=NOON + timedelta(minutes=number), raised_at=NOON - timedelta(minutes=number),
        )
        for number in range(1000)
    ]  # fmt: skip
    put(store, *(Outcome(thread, (an_action(thread, 1),), (a_message(thread),)) for thread in threads))
    with store.writing() as sql:
        sql.execute(ACTIONS.update().where(ACTIONS.c.number == 1).values(published_at=1))
        sql.execute(text("analyze"))
    missed = {index: plan for index, ask in OFTEN.items() if index not in (plan := plan_of(store, ask))}
    assert missed == {}


def plan_of(store: Store, ask: Callable[[Store], object]) -> str:
    statement, parameters = asked(store, lambda: ask(store))
    with store.reading() as sql:
        explain = "explain query plan " if sql.dialect.name == "sqlite" else "explain "
        return " ".join(map(str, sql.exec_driver_sql(explain + statement, parameters)))


def test_rows_of_two_clusters_are_counted_apart(store: Store) -> None:
    put(store, Outcome(a_thread(1), (an_action(a_thread(1), 1),)))
    with store.reading() as sql:
        assert sql.scalar(select(func.count()).select_from(THREADS).where(THREADS.c.cluster == CLUSTER)) == 1
        assert sql.scalar(select(func.count()).select_from(ACTIONS).where(ACTIONS.c.cluster == "another")) == 0
