"""The feed: several senders over real sockets, each of which sends again what was not answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import grpc

from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.cli.mllp import Answer, MllpClient, Unanswered
from tests.faults.processes import Fleet
from tests.faults.stories import Delivery, Message, Recording

HOST = "127.0.0.1"
AGAIN_SECONDS = 0.2
RECORD_SECONDS = 30.0
"""Longer than intake holds a record while Kafka is away."""


@dataclass
class Feed:
    """Delivers everything, in any order, and remembers what was answered well."""

    deliveries: Sequence[Delivery]
    fleet: Fleet
    connections: int
    acknowledged: list[Message] = field(default_factory=list)
    """Every AA."""
    recorded: list[str] = field(default_factory=list)
    """Event id of every care event that was answered."""
    refused: Counter[str] = field(default_factory=Counter)
    """Answers other than AA, by code and cause."""
    resent: int = 0
    limit: int = 0
    """So many different reports may be acknowledged before the feed waits for the engines."""
    reports: set[str] = field(default_factory=set)
    """Different reports that were acknowledged."""

    def start(self) -> None:
        self._waiting: Iterator[Delivery] = iter(self.deliveries)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._deliver, daemon=True) for _ in range(self.connections)]
        for thread in self._threads:
            thread.start()

    @property
    def finished(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Ends the feed wherever it is; a sender in the middle of a message gives up at its next failure."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _next(self) -> Delivery | None:
        while len(self.reports) > self.limit and not self._stopped.is_set():
            time.sleep(0.05)
        with self._lock:
            return None if self._stopped.is_set() else next(self._waiting, None)

    def _deliver(self) -> None:
        sender = _Sender(self.fleet)
        while (delivery := self._next()) is not None:
            while not self._once(sender, delivery) and not self._stopped.is_set():
                sender.close()
                with self._lock:
                    self.resent += 1
                time.sleep(AGAIN_SECONDS)
        sender.close()

    def _once(self, sender: _Sender, delivery: Delivery) -> bool:
        """Whether it was answered; what was not is sent again."""
        try:
            if isinstance(delivery, Recording):
                event = sender.record(delivery)
                with self._lock:
                    self.recorded.append(event)
                return True
            answer = sender.send(delivery)
        except (OSError, Unanswered, grpc.RpcError):
            return False
        with self._lock:
            if answer.code == "AA":
                self.acknowledged.append(delivery)
                self.reports.add(delivery.original)
            else:
                self.refused[f"{answer.code} {answer.causes}"] += 1
        return True


class _Sender:
    """One MLLP connection and one gRPC channel to wherever intake listens at the moment."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._mllp: MllpClient | None = None
        self._channel: grpc.Channel | None = None

    def send(self, message: Message) -> Answer:
        if self._mllp is None:
            self._mllp = MllpClient(HOST, self._fleet.intake_port("mllp"))
        return self._mllp.send(message.body)

    def record(self, recording: Recording) -> str:
        if self._channel is None:
            self._channel = grpc.insecure_channel(f"{HOST}:{self._fleet.intake_port('grpc')}")
        stub = intake_pb2_grpc.IntakeServiceStub(self._channel)
        return str(stub.RecordCareEvent(recording.request, timeout=RECORD_SECONDS).event_id)

    def close(self) -> None:
        if self._mllp is not None:
            self._mllp.close()
        if self._channel is not None:
            self._channel.close()
        self._mllp = self._channel = None
