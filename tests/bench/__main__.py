"""``make bench``: what this machine does. Figures, no pass or fail; only those of one run compare with one another."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import quantiles

import grpc
from kafka import KafkaAdminClient
from rich.console import Console
from rich.table import Table

from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.cli.kafka import LocalKafka
from refrain.cli.topics import create_topics
from tests.bench import bare, chart, engines
from tests.bench.door import Sending
from tests.faults.processes import ENGINES, Fleet
from tests.faults.stories import Message, Recording, deliveries

SEED = 3
BACKLOG = {"patients": 100, "reports_each": 20}
LIVE = {"patients": 40, "reports_each": 15, "first": 10_000}
CONNECTIONS = (1, 8)
LIVE_PER_SECOND = 25.0
START_SECONDS = 60.0

Rows = list[tuple[str, str]]


def door(fleet: Fleet, messages: Sequence[Message]) -> Rows:
    """Messages per second and the time to an answer, over one connection and over several."""
    rows: Rows = []
    port = fleet.intake_port("mllp")
    share = len(messages) // 4
    for connections, some in zip(CONNECTIONS, (messages[:share], messages[share:]), strict=True):
        sending = Sending(port, connections).all(some)
        rows.append((f"door, {connections} connections: messages/s", f"{sending.rate:,.0f}"))
        rows.append((f"door, {connections} connections: to the answer", in_milliseconds(sending.waits)))
    return rows


def engine(fleet: Fleet, name: str, bootstrap: str) -> Rows:
    """One worker on a backlog beside the bare loop on the same records."""
    records = engines.records_of(name, bootstrap)
    output = f"bench-{name}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    admin.create_topics({output: {"num_partitions": 12, "replication_factor": 1}})
    admin.close()
    loop = asyncio.run(bare.records_per_second(name, bootstrap, records, output))
    worker = engines.records_per_second(fleet, name, records)
    return [
        (f"{name}, one worker: records/s", f"{worker:,.0f} (backlog of {records:,})"),
        (f"{name}, bare aiokafka loop: records/s", f"{loop:,.0f}"),
        (f"{name}, worker to bare loop", f"{worker / loop:.2f}"),
    ]


def live(fleet: Fleet, bootstrap: str) -> Rows:
    """From the door to ``responses.v1`` while reports come at a steady pace; everything on this machine."""
    fleet.start(ENGINES)
    told = deliveries(chance=Random(SEED + 1), **LIVE)
    messages = record_and_leave_messages(fleet, told)
    time.sleep(8)  # the consumer groups come together, the care events go through
    responses = engines.Responses(bootstrap)
    responses.start()
    sending = Sending(fleet.intake_port("mllp"), 4, LIVE_PER_SECOND).all(messages)
    arrived = responses.until_quiet()
    return [
        (f"door to answer at {sending.rate:.0f} messages/s", in_milliseconds(sending.waits)),
        (f"door to response at {sending.rate:.0f} messages/s", in_milliseconds(arrived)),
        ("responses to so many messages", f"{len(arrived):,} to {len(messages):,}"),
    ]


def record_and_leave_messages(fleet: Fleet, told: Sequence[Message | Recording]) -> list[Message]:
    """Record the care events, which come before anything is timed."""
    with grpc.insecure_channel(f"127.0.0.1:{fleet.intake_port('grpc')}") as channel:
        stub = intake_pb2_grpc.IntakeServiceStub(channel)
        for one in told:
            if isinstance(one, Recording):
                stub.RecordCareEvent(one.request, timeout=30)
    return [one for one in told if isinstance(one, Message)]


def in_milliseconds(seconds: Sequence[float]) -> str:
    """Median and the slowest hundredth."""
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:,.0f} ms, p99 {cuts[98] * 1000:,.0f} ms"


def wait_for_intake(fleet: Fleet) -> None:
    """Until the door is open: it stays shut until Kafka takes records."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", fleet.intake_port("mllp")), timeout=5).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
        else:
            return


def main() -> int:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a young Kafka has no group coordinator yet
    rows: Rows = []
    console = Console()
    with tempfile.TemporaryDirectory(prefix="refrain-bench-") as directory:
        folder = Path(directory)
        console.print(f"Starting Kafka and the services, {os.cpu_count()} cores; this takes two or three minutes ...")
        kafka = LocalKafka(folder / "kafka")
        fleet = Fleet(folder, kafka.bootstrap, lambda service: f"sqlite:///{folder}/{service}.db")
        try:
            kafka.start()
            create_topics(kafka.bootstrap)
            fleet.prepare()
            fleet.start(["intake"])
            wait_for_intake(fleet)
            rows += door(fleet, record_and_leave_messages(fleet, deliveries(chance=Random(SEED), **BACKLOG)))
            fleet.stop()
            for name in ENGINES:
                rows += engine(fleet, name, kafka.bootstrap)
            fleet.start(["intake"])
            wait_for_intake(fleet)
            rows += live(fleet, kafka.bootstrap)
        finally:
            fleet.stop()
            kafka.stop()
        console.print("chart: 50,000 alerts and 10,000 results on both databases ...")
        rows += chart.rows_of(folder)
    table = Table("what", "figure", title=f"Refrain on this machine ({os.cpu_count()} cores, shared by everything)")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
