"""``python -m services.chart [COMMAND]``: settings, then adapters, then the app; the only place that builds I/O."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from kafka.errors import KafkaError
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from refrain.api.chart.v1 import chart_pb2_grpc
from refrain.runtime.database import WrongRevision, check, open_database, upgrade
from refrain.runtime.grpc_server import GrpcServer
from refrain.runtime.leaving import ExitCode, leave
from refrain.runtime.logging import start_logging
from refrain.runtime.ports import write_ports
from refrain.runtime.serve_metrics import MetricsServer
from services.chart import metrics
from services.chart.adapters.freshness import LOOK_SECONDS, Freshness
from services.chart.adapters.grpc_api import NAME, ChartApi
from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.reading import Reader, TopicMissing, look_at
from services.chart.adapters.rebuild import MIGRATIONS, rebuild
from services.chart.adapters.web import by_hand
from services.chart.adapters.web.application import create_application
from services.chart.adapters.web.audit import Audit
from services.chart.adapters.web.building import build_console
from services.chart.adapters.web.serving import WebServer
from services.chart.adapters.web.users import Refused
from services.chart.app import SERVICE, Chart
from services.chart.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 30.0
"""Longest orderly stop; then whoever watches may start another process."""
PULSE_SECONDS = 1.0
STALE_SECONDS = 30.0
"""A loop that did not turn for so long is not alive."""
THREADS = 12
"""For blocking work: below the fifteen connections that the database pool opens."""


def _now() -> datetime:
    return datetime.now(UTC)


class Process:
    """Everything that runs, wired once. Build it inside the running loop; OSError or RuntimeError for a taken port."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        read_model = ReadModel(engine)
        projection = Projection(engine, metrics.BATCH)
        self._freshness = Freshness(lambda: look_at(settings.kafka_broker).goals, projection.starts, _now)
        self._reader = Reader(
            projection, settings.kafka_broker,
            group=settings.group, patience_seconds=settings.patience_seconds,
        )  # fmt: skip
        console = build_console(settings, engine, read_model, _now, self._freshness.behind_since)
        self._web = WebServer(create_application(console), settings)
        self._grpc = GrpcServer(
            [(chart_pb2_grpc.add_ChartServiceServicer_to_server, ChartApi(read_model, Audit(engine), _now))], [NAME],
            address=settings.address, port=settings.grpc_port, tls=settings.tls,
        )  # fmt: skip
        self._metrics = MetricsServer(self._alive, address=settings.address, port=settings.metrics_port)
        self._turned = time.monotonic()

    async def run(self, until: asyncio.Event) -> None:
        """Serves until told to stop; then finishes what is in flight."""
        self._metrics.start()
        beside = [asyncio.create_task(self._pulse()), asyncio.create_task(self._look_at_kafka())]
        await Chart(self._reader.run, [self._grpc, self._web]).run(until, self._opened)
        for task in beside:
            task.cancel()
        self._metrics.stop()

    def _opened(self) -> None:
        ports = {"http": self._web.port, "grpc": self._grpc.port, "metrics": self._metrics.port}
        write_ports(self._settings.ports_file, ports)
        log.info("listening", extra={"port": ports})

    def _alive(self) -> bool:
        return self._reader.alive and time.monotonic() - self._turned < STALE_SECONDS

    async def _pulse(self) -> None:
        while True:
            self._turned = time.monotonic()
            await self._grpc.healthy(self._reader.alive)
            await asyncio.sleep(PULSE_SECONDS)

    async def _look_at_kafka(self) -> None:
        while True:
            await asyncio.to_thread(self._freshness.look)
            await asyncio.sleep(LOOK_SECONDS)


async def _serve(settings: Settings, engine: Engine) -> None:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "work"))

    def stop() -> None:
        watch = threading.Timer(STOP_SECONDS, leave, (ExitCode.STOP_STUCK, "the stop did not come to its end"))
        watch.daemon = True
        watch.start()
        until.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    await Process(settings, engine).run(until)


def _work(settings: Settings) -> None:
    engine = _opened(settings)
    start_logging(SERVICE, settings.loglevel)
    logging.captureWarnings(True)  # libraries print them between the lines
    metrics.initialise()
    asyncio.run(_serve(settings, engine))
    engine.dispose()


def _opened(settings: Settings) -> Engine:
    engine = open_database(settings.ledger, SERVICE)
    check(engine, SERVICE, MIGRATIONS)
    return engine


def _by_hand(work: Callable[[Engine, argparse.Namespace, datetime], None], told: argparse.Namespace) -> None:
    engine = _opened(Settings())
    try:
        work(engine, told, _now())
    finally:
        engine.dispose()


def _told(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.chart", description="Shows what is known.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("worker", help="read Kafka, serve people and machines (when nothing is said)")
    commands.add_parser("migrate", help="bring the database to this version")
    commands.add_parser("rebuild", help="empty the read model and read all of Kafka again")
    by_hand.add_commands(commands)
    return parser.parse_args(arguments)


def _do(told: argparse.Namespace) -> None:
    match told.command:
        case "migrate":
            upgrade(Settings().ledger, SERVICE, MIGRATIONS)
        case "rebuild":
            rebuild(Settings(), print)
        case "add-user":
            _by_hand(by_hand.add_user, told)
        case "add-token":
            _by_hand(by_hand.add_token, told)
        case _:
            _work(Settings())


def main(arguments: Sequence[str]) -> int:
    """Exit codes of :mod:`refrain.runtime.leaving`, with a sentence when something must be put right first."""
    told = _told(arguments)
    try:
        _do(told)
    except WrongRevision as error:
        return _refuse(ExitCode.WRONG_REVISION, [str(error)])
    except Refused as error:
        return _refuse(ExitCode.WRONG_SETTINGS, [str(error)])
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        return _refuse(ExitCode.WRONG_SETTINGS, ["The settings of chart cannot be used:", *wrong])
    except SQLAlchemyError as error:
        return _refuse(ExitCode.LEDGER_AWAY, [f"The database of chart does not answer ({type(error).__name__})."])
    except (KafkaError, TopicMissing) as error:
        return _refuse(ExitCode.KAFKA_AWAY, [f"Kafka does not answer, or has not all topics ({type(error).__name__})."])
    except (OSError, RuntimeError, ValueError, YAMLError) as error:
        return _refuse(ExitCode.WRONG_SETTINGS, [f"Chart cannot start: {error}"])
    return 0


def _refuse(code: ExitCode, sentences: Sequence[str]) -> int:
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
