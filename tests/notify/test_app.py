"""The process of notify: what ends in which order, which Kafka it belongs to, what it shows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from refrain.contracts.events import Actor, AlertAmended, AlertRetracted
from refrain.runtime.database import open_database
from refrain.runtime.leaving import ExitCode
from services.notify import metrics
from services.notify.adapters.answers import Answers
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.figures import Figures
from services.notify.adapters.http_server import HttpServer
from services.notify.adapters.origin import confirm_cluster, find_cluster
from services.notify.adapters.outbox import Outbox
from services.notify.adapters.store import Store
from services.notify.adapters.tables import CHANGES, microseconds
from services.notify.app import Notify
from services.notify.domain.life import Acknowledge
from tests.notify.keeping import Clock, a_store, issued, take, thread_of
from tests.notify.telling import NOON, a_thread, an_id, change

NOBODY = "127.0.0.1:9"


class Ended:
    """Writes down in which order things end."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def loop(self, name: str, defect: bool = False) -> Any:
        ended = self

        class Loop:
            async def run(self, until: asyncio.Event) -> None:
                if defect:
                    raise ZeroDivisionError
                await until.wait()
                await asyncio.sleep(0)
                ended.order.append(name)

        return Loop()

    def read(self, stop: threading.Event) -> None:
        stop.wait(30)
        self.order.append("reader")


async def test_nothing_new_is_begun_before_what_is_under_way_is_finished_and_published() -> None:
    ended, until = Ended(), asyncio.Event()
    app = Notify(ended.read, *(ended.loop(name) for name in ("timers", "figures", "dispatcher", "outbox")))
    running = asyncio.create_task(app.run(until))
    await asyncio.sleep(0)
    until.set()
    await running
    assert set(ended.order[:3]) == {"reader", "timers", "figures"}
    assert ended.order[3:] == ["dispatcher", "outbox"]


async def test_a_loop_that_ends_by_a_defect_ends_the_process() -> None:
    ended, until, left = Ended(), asyncio.Event(), []
    loops = [ended.loop("timers", defect=True), *(ended.loop(name) for name in ("figures", "dispatcher", "outbox"))]

    def leave(code: ExitCode, reason: str) -> None:
        left.append((code, reason.partition(" ")[0]))
        until.set()

    with pytest.raises(ZeroDivisionError):
        await Notify(ended.read, *loops, leave=leave).run(until)
    assert left == [(ExitCode.DEFECT, "ZeroDivisionError")]


async def test_an_application_is_served_while_the_loop_runs() -> None:
    async def hello(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["path"].encode()})

    server = HttpServer(hello, address="127.0.0.1", port=0)
    await server.start()
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/cds-services")
        assert (answer.status_code, answer.text) == (200, "/cds-services")
        with pytest.raises(OSError, match="in use"):
            HttpServer(hello, address="127.0.0.1", port=server.port)
        await server.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{server.port}/")


def test_while_kafka_is_away_the_cluster_of_the_last_time_goes_on(database: str) -> None:
    engine = open_database(database, "notify")
    for cluster, minutes in (("first", 0), ("third", 2), ("second", 1)):
        with engine.begin() as sql:
            seen_at = microseconds(NOON + timedelta(minutes=minutes))
            sql.execute(CHANGES.insert().values(cluster=cluster, newest=0, seen_at=seen_at))
    assert find_cluster(engine, NOBODY, NOON, patience_seconds=0) == "third"
    engine.dispose()


@pytest.mark.kafka
def test_another_kafka_than_at_the_start_is_not_read(kafka: str, database: str) -> None:
    engine = open_database(database, "notify")
    cluster = find_cluster(engine, kafka, NOON)
    assert find_cluster(engine, NOBODY, NOON, patience_seconds=0) == cluster
    left: list[ExitCode] = []
    confirm_cluster(cluster, kafka, threading.Event(), lambda code, _: left.append(code))
    assert left == []
    confirm_cluster("another", kafka, threading.Event(), lambda code, _: left.append(code))
    assert left == [ExitCode.KAFKA_AWAY]
    engine.dispose()


def test_a_stop_ends_the_waiting_for_kafka() -> None:
    stop = threading.Event()
    stop.set()
    confirm_cluster("cluster", NOBODY, stop, lambda code, _: pytest.fail(str(code)))


# --- what it shows ---


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"refrain_notify_{name}", labels) or 0.0


class Nowhere:
    def send(self, records: Any) -> None:
        raise AssertionError(len(records))


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database, committed=metrics.count)
    yield opened
    opened.close()


def test_the_closed_loop_is_counted_by_kind_and_tier(store: Store) -> None:
    clock, log = Clock(), DeliveryLog(store)
    names = ("alerts_total", "told_total", "retracted_total", "overridden_total")
    labels = {"kind": "CRITICAL_RESULT", "tier": "P1"}
    before = {name: value(name, **labels) for name in names}
    delivered = value("delivery_seconds_sum", tier="P1"), value("delivery_seconds_count", tier="P1")
    acknowledged = value("acknowledgement_seconds_sum", tier="P1")
    expected = value("acknowledged_total", **labels, reason="expected")
    take(store, issued(1), issued(2), issued(3, processing="test"), now=clock)
    take(store, issued(1), now=clock)
    clock.passes(seconds=7)
    for due in log.lease(clock(), 10, 30):
        log.sent(due.message, clock())
        log.sent(due.message, clock())
    clock.passes(seconds=60)
    answer = Acknowledge(Actor(type="person", id="m.lee"), "expected", "", clock())
    Answers(store, clock).give(an_id("request"), "hash", a_thread(1).alert, answer)
    values = (change("871.5 pg/mL", None),)
    take(store, issued(2, fact=AlertRetracted, sequence=1, reason="withdrawn", values=values), now=clock)
    after = {name: value(name, **labels) - before[name] for name in names}
    assert after == {"alerts_total": 2, "told_total": 2, "retracted_total": 1, "overridden_total": 1}
    assert value("delivery_seconds_sum", tier="P1") - delivered[0] == 14
    assert value("delivery_seconds_count", tier="P1") - delivered[1] == 2
    assert value("acknowledgement_seconds_sum", tier="P1") - acknowledged == 67
    assert value("acknowledged_total", **labels, reason="expected") - expected == 1


def test_the_time_to_an_answer_counts_from_when_the_alert_began_to_wait(store: Store) -> None:
    clock = Clock()
    answers = Answers(store, clock)

    def seconds_to_answer() -> float:
        before = value("acknowledgement_seconds_sum", tier="P1")
        clock.passes(seconds=60)
        answer = Acknowledge(Actor(type="person", id="m.lee"), "will_act", "", clock())
        answers.give(an_id("request", clock().isoformat()), "hash", a_thread(1).alert, answer)
        return value("acknowledgement_seconds_sum", tier="P1") - before

    take(store, issued(1), now=clock)
    assert seconds_to_answer() == 60
    clock.passes(days=3)
    corrected = {"values": (change("871.5 pg/mL", "915 pg/mL"),), "what_changed": "corrected"}
    take(store, issued(1, fact=AlertAmended, sequence=1, **corrected), now=clock)
    assert seconds_to_answer() == 60


def test_open_alerts_are_shown_by_age_and_what_waits_by_channel(store: Store) -> None:
    clock = Clock()
    take(store, issued(1), issued(2, tier="P2"), now=clock)
    clock.passes(hours=2)
    take(store, issued(3), now=clock)
    outbox = Outbox(store, Nowhere(), clock)
    Figures(store, outbox, Answers(store, clock), clock).turn()
    shown = {(tier, age): value("open_records", tier=tier, age=age) for tier in ("P1", "P2") for age, _ in metrics.AGES}
    assert {key: count for key, count in shown.items() if count} == {
        ("P1", "under_15m"): 1, ("P1", "under_1d"): 1, ("P2", "under_1d"): 1,
    }  # fmt: skip
    assert value("unsent_records", channel="pager") == 3
    assert (value("untold_records", tier="P1"), value("untold_records", tier="P2")) == (1, 1)  # the newest settles
    assert value("unpublished_records") == outbox.waiting()
    assert thread_of(store, 3).waiting
