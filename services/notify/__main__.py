"""``python -m services.notify [worker | migrate | check-roster FILE]``: settings, then adapters, then the app."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from refrain.api.chart.v1 import chart_pb2_grpc
from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.contracts.topics import inputs_of
from refrain.runtime.consume import Consumer
from refrain.runtime.database import WrongRevision, check, open_database, upgrade
from refrain.runtime.grpc_clients import open_channel
from refrain.runtime.grpc_server import GrpcServer
from refrain.runtime.leaving import ExitCode, leave
from refrain.runtime.logging import start_logging
from refrain.runtime.ports import write_ports
from refrain.runtime.produce import Producer
from refrain.runtime.serve_metrics import MetricsServer
from services.notify import metrics
from services.notify.adapters import cds_hooks
from services.notify.adapters.alerts_in import AlertsIn
from services.notify.adapters.answers import Answers
from services.notify.adapters.channels import ChannelsUnusable, Route, build_channels, setting_problems
from services.notify.adapters.chart_context import ChartContexts, NoContexts
from services.notify.adapters.deliveries import ChannelState
from services.notify.adapters.delivery_log import DeliveryLog
from services.notify.adapters.dispatch import Dispatcher
from services.notify.adapters.figures import Figures
from services.notify.adapters.grpc_api import NAME, AlertApi
from services.notify.adapters.http_server import HttpServer
from services.notify.adapters.lanes import Lane
from services.notify.adapters.origin import confirm_cluster, find_cluster
from services.notify.adapters.outbox import Outbox
from services.notify.adapters.store import MIGRATIONS, Store
from services.notify.adapters.timers import Timers
from services.notify.app import SERVICE, Notify
from services.notify.domain.roster import Roster, RosterError, load
from services.notify.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 30.0
"""Longest orderly stop; then whoever watches may start another process."""
PULSE_SECONDS = 1.0
STALE_SECONDS = 30.0
"""A loop that did not turn for so long is not alive."""
THREADS = 12
"""For blocking work: below the fifteen connections that the database pool opens."""

HttpApplication = Callable[[Store, Answers], Any]
"""Builds what is served over HTTP."""


def _now() -> datetime:
    return datetime.now(UTC)


class Process:
    """Everything that runs, wired once. Build it inside the running loop; OSError or RuntimeError for a taken port."""

    def __init__(
        self, settings: Settings, store: Store, routes: Mapping[str, Route], http: HttpApplication | None = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._routes = routes
        self._deliveries = DeliveryLog(store)
        self._answers = Answers(store, _now)
        alerts_in = AlertsIn(store, _now)
        self._consumer = Consumer(
            SERVICE, settings.kafka_broker, inputs_of(SERVICE), alerts_in, metrics.CONSUMER, group=settings.group,
            starts=alerts_in.starts, patience_seconds=settings.patience_seconds,
        )  # fmt: skip
        outbox = Outbox(store, Producer(settings.kafka_broker, SERVICE), _now)
        self._app = Notify(
            read=self._read, timers=Timers(store, _now, metrics.TIMER_FAILURES.inc),
            figures=Figures(store, outbox, self._answers, _now), dispatcher=self._dispatcher(), outbox=outbox,
        )  # fmt: skip
        api = AlertApi(store, self._answers, self._down, _now)
        address, tls = settings.address, settings.tls
        self._grpc = GrpcServer(
            [(alerts_pb2_grpc.add_AlertServiceServicer_to_server, api)], [NAME],
            address=address, port=settings.grpc_port, tls=tls,
        )  # fmt: skip
        served = http(store, self._answers) if http else None
        self._http = HttpServer(served, address=address, port=settings.http_port, tls=tls) if served else None
        self._metrics = MetricsServer(self._alive, address=address, port=settings.metrics_port)
        self._turned = time.monotonic()

    async def run(self, until: asyncio.Event) -> None:
        """Serves until told to stop; then finishes what is in flight."""
        await self._grpc.start()
        if self._http:
            await self._http.start()
        self._metrics.start()
        ports = {"grpc": self._grpc.port, "metrics": self._metrics.port}
        write_ports(self._settings.ports_file, ports | ({"http": self._http.port} if self._http else {}))
        log.info("listening", extra={"port": ports})
        pulse = asyncio.create_task(self._pulse())
        await self._app.run(until)
        self._give_back()
        pulse.cancel()
        await self._grpc.stop()
        if self._http:
            await self._http.stop()
        self._metrics.stop()
        self._store.close()

    def _read(self, stop: threading.Event) -> None:
        confirm_cluster(self._store.cluster, self._settings.kafka_broker, stop, leave)
        if not stop.is_set():
            self._consumer.run(stop)

    def _dispatcher(self) -> Dispatcher:
        settings, roster = self._settings, self._store.roster
        contexts: ChartContexts | NoContexts = NoContexts()
        if settings.chart:
            stub = chart_pb2_grpc.ChartServiceStub(open_channel(settings.chart, settings.client_tls))
            contexts = ChartContexts(stub, lambda outcome: metrics.CONTEXTS.labels(outcome).inc())
        return Dispatcher(self._deliveries, self._routes, roster, contexts, _now, console_url=settings.console_url)

    def _give_back(self) -> None:
        try:
            self._deliveries.leave()
        except SQLAlchemyError as error:
            log.warning("what is on loan will be free in a while", extra={"reason": type(error).__name__})

    def _down(self, states: Collection[ChannelState]) -> Collection[str]:
        """Channels that the dispatcher would go around."""
        found: list[str] = []
        for state in states:
            if route := self._routes.get(state.name):
                lane = Lane(route)
                lane.known = state
                found += [state.name] if lane.is_down(_now()) else []
        return found

    def _alive(self) -> bool:
        return self._consumer.progress.alive and time.monotonic() - self._turned < STALE_SECONDS

    async def _pulse(self) -> None:
        while True:
            self._turned = time.monotonic()
            await self._grpc.healthy(self._consumer.progress.alive)
            await asyncio.sleep(PULSE_SECONDS)


async def _serve(settings: Settings, store: Store, routes: Mapping[str, Route], http: HttpApplication) -> None:
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
    await Process(settings, store, routes, http).run(until)


def _work(settings: Settings) -> None:
    if not settings.console_url:
        raise ValueError("NOTIFY_CONSOLE_URL is not set: messages would have no address where their alert is opened")
    roster = settings.people()
    routes = build_channels(roster, os.environ)
    http = cds_hooks.application(settings, _now)
    engine = open_database(settings.ledger, SERVICE)
    check(engine, SERVICE, MIGRATIONS)
    start_logging(SERVICE, settings.loglevel)
    log.info("telling people of this roster", extra={"settings": roster.revision})
    metrics.initialise()
    store = Store(engine, find_cluster(engine, settings.kafka_broker, _now()), roster, metrics.count)
    asyncio.run(_serve(settings, store, routes, http))


def _check_roster(path: Path) -> int:
    """Say what is wrong with a roster file; secrets are not looked for."""
    roster: Roster = load(path.read_text(encoding="utf-8"))
    if problems := tuple(setting_problems(roster)):
        raise ChannelsUnusable(problems)
    print(f"{path} can be used: {len(roster.people)} people, {len(roster.channels)} channels.")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Exit codes of :mod:`refrain.runtime.leaving`, with a sentence when something must be put right first."""
    try:
        match list(arguments):
            case [] | ["worker"]:
                _work(Settings())
            case ["migrate"]:
                upgrade(Settings().ledger, SERVICE, MIGRATIONS)
            case ["check-roster", path]:
                return _check_roster(Path(path))
            case _:
                print("notify knows the commands worker, migrate and check-roster FILE", file=sys.stderr)
                return ExitCode.WRONG_SETTINGS
    except WrongRevision as error:
        return _refuse(ExitCode.WRONG_REVISION, [str(error)])
    except (RosterError, ChannelsUnusable) as error:
        return _refuse(ExitCode.WRONG_SETTINGS, ["The roster cannot be used:", *error.problems])
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        return _refuse(ExitCode.WRONG_SETTINGS, ["The settings of notify cannot be used:", *told])
    except SQLAlchemyError as error:
        return _refuse(ExitCode.LEDGER_AWAY, [f"The database of notify does not answer ({type(error).__name__})."])
    except (OSError, RuntimeError, ValueError) as error:
        return _refuse(ExitCode.WRONG_SETTINGS, [f"Notify cannot start: {error}"])
    return 0


def _refuse(code: ExitCode, sentences: Sequence[str]) -> int:
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
