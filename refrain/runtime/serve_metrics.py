"""One small HTTP port per process: ``/metrics`` for Prometheus, ``/live`` for whoever restarts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is not worth a line."""


class MetricsServer:
    """Serves in a thread of its own, so that it answers while the loop is busy."""

    def __init__(
        self,
        alive: Callable[[], bool],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        metrics = make_wsgi_app(registry)

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            match environ.get("PATH_INFO", ""):
                case "/metrics":
                    shown: Iterable[bytes] = metrics(environ, start)
                    return shown
                case "/live":
                    well = alive()
                    start("200 OK" if well else "503 Service Unavailable", [("Content-Type", "text/plain")])
                    return [b"making progress\n" if well else b"work waits and nothing is finished\n"]
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"there are /metrics and /live\n"]

        self._server = make_server(address, port, answer, ThreadingWSGIServer, _Quiet)
        self.port: int = self._server.server_port
        """The bound port, also when 0 was asked for."""
        self._thread = Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
