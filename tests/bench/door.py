"""Senders that keep the time: how long from the last byte of a message to its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from refrain.cli.mllp import MllpClient
from tests.faults.stories import Message

HOST = "127.0.0.1"


@dataclass
class Sending:
    """Messages over several connections, as fast as they are answered or at a steady pace."""

    port: int
    connections: int
    per_second: float | None = None
    waits: list[float] = field(default_factory=list)
    """Seconds to each answer."""
    seconds: float = 0.0

    def all(self, messages: Sequence[Message]) -> Sending:
        """Returns when every message is answered; ValueError when one is refused."""
        self._started = time.monotonic()
        self._waiting: Iterator[tuple[int, Message]] = iter(enumerate(messages))
        self._lock = threading.Lock()
        self._refused: list[str] = []
        threads = [threading.Thread(target=self._send, daemon=True) for _ in range(self.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.monotonic() - self._started
        if self._refused or len(self.waits) != len(messages):
            raise ValueError(f"{len(messages) - len(self.waits)} of {len(messages)} messages got no AA")
        return self

    @property
    def rate(self) -> float:
        """Messages per second."""
        return len(self.waits) / self.seconds

    def _send(self) -> None:
        with MllpClient(HOST, self.port) as client:
            while (following := self._next()) is not None:
                place, message = following
                if self.per_second:
                    time.sleep(max(0.0, self._started + place / self.per_second - time.monotonic()))
                sent = time.perf_counter()
                answer = client.send(message.body)
                with self._lock:
                    if answer.code == "AA":
                        self.waits.append(time.perf_counter() - sent)
                    else:
                        self._refused.append(answer.code)

    def _next(self) -> tuple[int, Message] | None:
        with self._lock:
            return next(self._waiting, None)
