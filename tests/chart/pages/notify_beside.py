"""A real notify beside a console under test: its store on SQLite, its AlertService on gRPC, chart's alerts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.contracts.events import Alert, AlertAction
from refrain.contracts.topics import ALERT_ACTIONS
from refrain.runtime.database import upgrade
from refrain.runtime.grpc_server import GrpcServer
from services.notify.adapters.answers import Answers
from services.notify.adapters.grpc_api import NAME, AlertApi
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from tests.chart.pages.stories import Published
from tests.notify.keeping import a_store, take

MIGRATIONS = "services.notify.adapters:migrations"


class Notify:
    """What runs: ``address`` for the console's settings; what it did is published by hand."""

    def __init__(self, store: Store, address: str) -> None:
        self.store = store
        self.address = address
        self._published: set[object] = set()

    def alerts(self, published: Iterable[Published]) -> None:
        """Take the alerts of a story, as they would come from Kafka."""
        for _, event in published:
            if isinstance(event, Alert):
                take(self.store, event)

    def actions(self, published: Iterable[Published]) -> list[Published]:
        """What was done about these alerts and not published yet, for chart's projection."""
        new: list[AlertAction] = []
        for alert in dict.fromkeys(event.alert for _, event in published if isinstance(event, Alert)):
            new += [one for one in Queries(self.store).actions(alert) if one.event_id not in self._published]
        self._published |= {one.event_id for one in new}
        return [(ALERT_ACTIONS, one) for one in new]


@contextmanager
def notify(folder: Path) -> Iterator[Notify]:
    """Serve until left. The loop has a thread of its own, as the console's has."""
    url = f"sqlite:///{folder}/notify.db"
    upgrade(url, "notify", MIGRATIONS)
    store = a_store(url)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def now() -> datetime:
        return datetime.now(UTC)

    async def start() -> GrpcServer:
        api = AlertApi(store, Answers(store, now), lambda _: (), now)
        server = GrpcServer([(alerts_pb2_grpc.add_AlertServiceServicer_to_server, api)], [NAME])
        await server.start()
        return server

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield Notify(store, f"127.0.0.1:{server.port}")
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        store.close()
