"""Settings, adapters, app: the only place of intake that builds I/O. ``migrate`` brings the database up to date."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.runtime.grpc_server import GrpcServer
from refrain.runtime.logging import start_logging
from refrain.runtime.ports import write_ports
from refrain.runtime.serve_metrics import MetricsServer
from services.intake import metrics
from services.intake.adapters import memory
from services.intake.adapters.code_keeper import CodeKeeper
from services.intake.adapters.files import FileFeed
from services.intake.adapters.grpc_api import NAME, IntakeApi
from services.intake.adapters.mllp_feed import MllpFeed
from services.intake.adapters.profiles import load_profiles
from services.intake.adapters.publisher import Link, Publisher
from services.intake.adapters.raw_messages import RawMessages
from services.intake.adapters.redrive import Redriver
from services.intake.adapters.standing import FeedStanding, Standing, count_framing
from services.intake.app import Intake
from services.intake.domain.profile import ProfileError, permissive
from services.intake.settings import Settings

log = logging.getLogger(__name__)

FORGET_EVERY_SECONDS = 24 * 3600.0
PULSE_SECONDS = 1.0
STALE_SECONDS = 30.0
"""A loop that did not turn for so long is not alive, and whoever watches may start another."""


def _now() -> datetime:
    return datetime.now(UTC)


class Process:
    """Everything that runs, wired once. Build it inside the running loop; OSError when a port is taken."""

    def __init__(self, settings: Settings) -> None:
        profiles = load_profiles(settings.profiles)
        fallback = permissive() if settings.unknown_senders == "permissive" else None
        brokers = settings.kafka_broker.split(",")
        self._settings = settings
        self._publisher = Publisher(lambda: Link(brokers), hold_seconds=settings.hold_seconds)
        self._memory = memory.Memory(settings.ledger)
        self._standing = Standing(profiles, fallback)
        self._intake = Intake(self._publisher, self._memory, self._standing, profiles, fallback, _now)
        self._feed = MllpFeed(
            self._intake.receive,
            count_framing,
            name=settings.mllp_name,
            host=settings.host,
            port=settings.mllp_port,
            max_message_bytes=settings.max_message_bytes,
            idle_seconds=settings.idle_seconds,
            max_connections=settings.max_connections,
        )
        self._files = FileFeed(settings.folder, self._intake.take) if settings.folder else None
        self._raw = RawMessages(brokers)
        self._keeper = CodeKeeper(self._memory.code_maps, self._intake.read_with)
        redriver = Redriver(self._memory, self._raw, self._intake.again)
        api = IntakeApi(self._intake, self._shown, self._memory, redriver, self._keeper, _now)
        self._grpc = GrpcServer(
            [(intake_pb2_grpc.add_IntakeServiceServicer_to_server, api)],
            [NAME],
            address=settings.host,
            port=settings.grpc_port,
            tls=settings.tls,
        )
        self._metrics = MetricsServer(self._alive, address=settings.host, port=settings.metrics_port)
        self._turned = time.monotonic()
        self._ready_tasks: set[asyncio.Task[None]] = set()

    async def run(self, until: asyncio.Event) -> None:
        """Serves until told to stop; then finishes what is in flight. SQLAlchemyError when the database is away."""
        await self._keeper.refresh()
        metrics.CONNECTIONS.set_function(lambda: self._feed.connections)
        self._publisher.on_change(self._ready)
        await self._grpc.start()
        await self._grpc.healthy(False)
        self._metrics.start()
        await self._feed.start()
        if self._files:
            await self._files.start()
        await self._publisher.start()
        ports = {"mllp": self._feed.port, "grpc": self._grpc.port, "metrics": self._metrics.port}
        write_ports(self._settings.ports_file, ports)
        forever = (self._forget(), self._pulse(), self._keeper.follow())
        background = [asyncio.create_task(work) for work in forever]
        await until.wait()
        for task in background:
            task.cancel()
        await self._stop()

    async def _stop(self) -> None:
        await self._grpc.healthy(False)
        await self._feed.stop()
        if self._files:
            await self._files.stop()
        await self._grpc.stop()
        await self._publisher.stop()
        self._raw.close()
        self._intake.close()
        self._memory.close()
        self._metrics.stop()

    def _ready(self, storing: bool) -> None:
        """Opens or closes the door, and says so to health checks."""
        metrics.STORING.set(storing)
        self._feed.admit(storing)
        told = asyncio.get_running_loop().create_task(self._grpc.healthy(storing))
        self._ready_tasks.add(told)
        told.add_done_callback(self._ready_tasks.discard)

    def _shown(self) -> tuple[list[FeedStanding], bool, int]:
        return self._standing.feeds(), self._publisher.storing, self._feed.connections

    def _alive(self) -> bool:
        return time.monotonic() - self._turned < STALE_SECONDS

    async def _pulse(self) -> None:
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(PULSE_SECONDS)

    async def _forget(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._memory.forget, _now())
            except SQLAlchemyError as error:
                log.warning("old bodies were not forgotten", extra={"reason": type(error).__name__})
            await asyncio.sleep(FORGET_EVERY_SECONDS)


async def _serve(settings: Settings) -> None:
    until = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, until.set)
    await Process(settings).run(until)


def main(arguments: list[str]) -> int:
    """Exit code 2 and a sentence when something must be put right first; gRPC says RuntimeError for a taken port."""
    try:
        settings = Settings()
        if arguments == ["migrate"]:
            memory.upgrade(settings.ledger)
            return 0
        if problem := memory.check(settings.ledger):
            print(problem, file=sys.stderr)
            return 2
        start_logging("intake", settings.log_level)
        logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it names files, whose names may name a patient
        asyncio.run(_serve(settings))
    except SQLAlchemyError as error:
        print(f"Intake cannot start: its database cannot be used ({type(error).__name__}).", file=sys.stderr)
        return 2
    except (ProfileError, ValidationError, OSError, RuntimeError) as error:
        print(f"Intake cannot start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
