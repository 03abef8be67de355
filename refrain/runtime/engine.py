"""The life of an engine's process: what is attached to its Faust app, and its two commands."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import faust
from pydantic import ValidationError
from yaml import YAMLError

from refrain.contracts.topics import TOPICS
from refrain.runtime.cluster import cluster_id
from refrain.runtime.database import WrongRevision, check, open_database, upgrade
from refrain.runtime.grpc_server import GrpcServer
from refrain.runtime.known import Issued
from refrain.runtime.leaving import ExitCode, leave, place_of
from refrain.runtime.ledger import Ledger
from refrain.runtime.logging import start_logging
from refrain.runtime.ports import write_ports
from refrain.runtime.serve_metrics import MetricsServer
from refrain.runtime.settings import WorkerSettings
from refrain.runtime.stream import OffsetGuard
from refrain.runtime.worker import Worker

__all__ = ["Program", "attach", "cluster_id", "open_ledger", "run", "tell_lag"]

log = logging.getLogger(__name__)

LAG_SECONDS = 2.0
"""How often the lag is read and health is told."""
STOP_SECONDS = 15.0
"""Longest orderly stop. A stop in the middle of a rebalance may wait for ever for a consumer that lost its group."""

Settings = TypeVar("Settings", bound=WorkerSettings)
Servicers = Sequence[tuple[Callable[[Any, Any], None], Any]]


def attach(
    app: faust.App, worker: Worker[Any], settings: WorkerSettings, servicers: Servicers, names: Sequence[str]
) -> None:
    """Start gRPC, metrics and the watch over the lag with the app, and stop them with it."""
    worker.guard = OffsetGuard(lambda: app.consumer.starts)

    class Doors(faust.Service):
        """Listens while the worker works."""

        grpc: GrpcServer
        metrics: MetricsServer

        async def on_start(self) -> None:
            self.grpc = GrpcServer(
                servicers, names, address=settings.address, port=settings.grpc_port, tls=settings.tls
            )
            self.metrics = MetricsServer(
                lambda: worker.progress.alive, address=settings.address, port=settings.metrics_port
            )
            await self.grpc.start()
            self.metrics.start()
            write_ports(settings.ports_file, {"grpc": self.grpc.port, "metrics": self.metrics.port})
            log.info("listening", extra={"port": f"grpc {self.grpc.port}, metrics {self.metrics.port}"})

        async def on_stop(self) -> None:
            await self.grpc.stop()
            self.metrics.stop()

        @faust.Service.task
        async def watch(self) -> None:
            while not self.should_stop:
                await self.sleep(LAG_SECONDS)
                await tell_lag(app, worker)
                await self.grpc.healthy(worker.progress.alive)

    app.service(Doors)


async def tell_lag(app: faust.App, worker: Worker[Any]) -> None:
    """Show how far behind the worker is; leave it as it was told last when that cannot be read."""
    try:
        await _read_lag(app, worker)
    except Exception as error:  # noqa: BLE001 - a rebalance takes partitions away between two questions
        log.warning("the lag could not be read", extra={"reason": place_of(error)})


async def _read_lag(app: faust.App, worker: Worker[Any]) -> None:
    """Records not fetched yet, and those fetched and not acknowledged."""
    waiting = {topic.name: 0 for topic in worker.inputs}
    for partition in app.consumer.assignment():
        end, position = app.consumer.highwater(partition), await app.consumer.position(partition)
        if end is not None and position is not None and partition.topic in waiting:
            waiting[partition.topic] += max(0, end - position)
    for message in app.consumer.unacked:
        waiting[message.topic] += 1
    for topic, records in waiting.items():
        worker.metrics.lag.labels(topic).set(records)
    worker.progress.behind(sum(waiting.values()))


def open_ledger(service: str, settings: WorkerSettings, nothing_issued: type[Issued]) -> Ledger[Issued]:
    """The service's ledger of the Kafka it is pointed at. WrongRevision when the schema is another one."""
    database = open_database(settings.ledger, service)
    check(database, service)
    cluster = cluster_id(settings.kafka_broker)
    log.info("facts of this Kafka cluster", extra={"cluster": cluster})
    topics = [topic for topic in TOPICS if service in (*topic.read_by, *topic.written_by)]
    return Ledger(database, cluster, topics, nothing_issued)


class Program(faust.Worker):
    """A worker that is gone in time once it was told to go: what it did not finish is finished by another."""

    async def stop(self) -> None:
        watch = threading.Timer(STOP_SECONDS, leave, (ExitCode.STOP_STUCK, "the stop did not come to its end"))
        watch.daemon = True
        watch.start()
        await super().stop()


def run(service: str, settings_type: Callable[[], Settings], build: Callable[[Settings], faust.App]) -> NoReturn:
    """``python -m services.<service> [worker | migrate]``; worker when nothing is said."""
    command = sys.argv[1] if len(sys.argv) > 1 else "worker"
    if command not in ("worker", "migrate"):
        sys.exit(f"{service} knows the commands worker and migrate, not {command}")
    try:
        settings = settings_type()
        if command == "migrate":
            upgrade(settings.ledger, service)
            sys.exit(0)
        start_logging(service, settings.loglevel)
        app = build(settings)
    except (ValidationError, YAMLError, OSError, ValueError) as error:
        _refuse(ExitCode.WRONG_SETTINGS, f"The settings of {service} cannot be used: {_told(error)}")
    except WrongRevision as error:
        _refuse(ExitCode.WRONG_REVISION, str(error))
    Program(
        app, quiet=True, loglevel="WARNING", blocking_timeout=0, redirect_stdouts=False, override_logging=False
    ).execute_from_commandline()  # fmt: skip
    raise AssertionError("Faust's worker ends the process")


def _told(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False, include_url=False)
        )
    return str(error)


def _refuse(code: ExitCode, sentence: str) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(code)
