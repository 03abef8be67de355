"""People at the other end: they answer some of what they are told over gRPC, now and then two at once.

Whoever got no answer asks again with the same request id, at the other replica, until there is one.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from threading import Condition, Lock, Thread
from typing import Any
from uuid import UUID, uuid4

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from refrain.api.events.v1.people_pb2 import Actor
from refrain.api.notify.v1 import alerts_pb2, alerts_pb2_grpc
from refrain.cli.kafka import HOST
from tests.faults.people.receivers import MAIL, Accepted
from tests.faults.people.replicas import CLINICAL, LABORATORY, Replicas

DEADLINE_SECONDS = 4.0
AGAIN_SECONDS = 0.3
PEOPLE_AT_WORK = 4
ANSWERED = 0.4
"""So many of the alerts that somebody is told of are answered."""
BOTH = 0.25
"""So many of the acknowledgements come from two people at once."""
DONE, UNANSWERED = "done", "unanswered"


@dataclass(frozen=True, slots=True)
class Request:
    """What one person asked for. ``outcome``: done, unanswered, or the reason of the refusal."""

    request: UUID
    kind: str
    alert: UUID
    person: str
    to: str
    outcome: str
    begun: float
    ended: float
    tries: int


@dataclass(order=True, slots=True)
class _Plan:
    due: float
    number: int
    kind: str = field(compare=False)
    alert: UUID = field(compare=False)
    person: str = field(compare=False)


class Answering:
    """Threads that answer. ``heard`` is called for each message that is new."""

    def __init__(self, replicas: Replicas, chance: Random, laboratory: frozenset[UUID]) -> None:
        self._replicas = replicas
        self._chance = chance
        self._laboratory = laboratory
        self._plans: list[_Plan] = []
        self._numbers = count()
        self._changed = Condition(Lock())
        self._stopped = False
        self._considered: set[UUID] = set()
        self.requests: list[Request] = []
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(PEOPLE_AT_WORK)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """What was not begun is left; who waits for an answer gives up."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(60)

    def heard(self, message: Accepted) -> None:
        """Somebody was told: they may answer, now or a little later."""
        for alert in message.alerts:
            with self._changed:
                if alert in self._considered or (message.channel == MAIL and message.person in CLINICAL[2:]):
                    continue
                self._considered.add(alert)
                if self._chance.random() < ANSWERED:
                    self._decide(alert, message.person)

    def unprompted(self, alert: UUID) -> None:
        """Somebody sees it on the work list before anybody was told."""
        with self._changed:
            self._decide(alert, self._chance.choice(LABORATORY if alert in self._laboratory else CLINICAL))

    def _decide(self, alert: UUID, person: str) -> None:
        now, chance = time.monotonic(), self._chance
        due = now + chance.choice((chance.uniform(0, 1), chance.uniform(0, 12)))
        kind = chance.choices(("acknowledge", "read_back", "snooze", "reassign"), (60, 15, 12, 13))[0]
        plans = [(due, kind, person)]
        if kind == "acknowledge" and chance.random() < BOTH:
            plans.append((due, kind, self._other(alert, person)))
        if kind == "acknowledge" and chance.random() < 0.5:
            plans.append((due + chance.uniform(1, 6), "read_back", person))
        for at, what, who in plans:
            heapq.heappush(self._plans, _Plan(at, next(self._numbers), what, alert, who))
        self._changed.notify_all()

    def _other(self, alert: UUID, person: str) -> str:
        team = LABORATORY if alert in self._laboratory else CLINICAL
        return self._chance.choice([one for one in team if one != person])

    def _work(self) -> None:
        while (plan := self._next()) is not None:
            to = self._other(plan.alert, plan.person) if plan.kind == "reassign" else ""
            begun, key = time.time(), uuid4()
            message, method = _message(plan, key, to)
            outcome, tries = self._ask(method, message)
            done = Request(key, plan.kind, plan.alert, plan.person, to, outcome, begun, time.time(), tries)
            with self._changed:
                self.requests.append(done)

    def _next(self) -> _Plan | None:
        with self._changed:
            while not self._stopped:
                pause = self._plans[0].due - time.monotonic() if self._plans else 1.0
                if self._plans and pause <= 0:
                    return heapq.heappop(self._plans)
                self._changed.wait(min(pause, 1.0))
            return None

    def _ask(self, method: str, message: Any) -> tuple[str, int]:
        """The outcome, and how many tries it took."""
        for tries in count(1):
            try:
                slot = self._replicas.of("notify")[(tries + message.alert_id.__hash__()) % 2]
                with grpc.insecure_channel(f"{HOST}:{slot.port('grpc')}") as channel:
                    getattr(alerts_pb2_grpc.AlertServiceStub(channel), method)(message, timeout=DEADLINE_SECONDS)
                return DONE, tries
            except (OSError, IndexError, ValueError):
                pass  # it is just starting
            except grpc.RpcError as error:
                if (refused := _refusal(error)) is not None:
                    return refused, tries
            if self._stopped:
                return UNANSWERED, tries
            time.sleep(AGAIN_SECONDS)
        raise AssertionError


def _refusal(error: grpc.RpcError) -> str | None:
    """Why it was refused; None where it is not known whether it was done."""
    if error.code() == grpc.StatusCode.NOT_FOUND:
        return "NOT_FOUND"
    if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT):
        return None
    info = error_details_pb2.ErrorInfo()
    for detail in rpc_status.from_call(error).details:
        if detail.Unpack(info):
            return str(info.reason)
    return error.code().name


def _message(plan: _Plan, key: UUID, to: str) -> tuple[Any, str]:
    common = {"alert_id": str(plan.alert), "request_id": str(key), "actor": Actor(id=plan.person, via="console")}
    match plan.kind:
        case "acknowledge":
            return alerts_pb2.AcknowledgeRequest(reason="will_act", **common), "Acknowledge"
        case "read_back":
            confirmed = dict.fromkeys(("name_confirmed", "identifier_confirmed", "result_confirmed"), True)
            return alerts_pb2.RecordReadBackRequest(by="ward 4", **confirmed, **common), "RecordReadBack"
        case "snooze":
            until = Timestamp()
            until.FromDatetime(datetime.now(UTC) + timedelta(seconds=6))
            return alerts_pb2.SnoozeRequest(until=until, reason="in theatre", **common), "Snooze"
    return alerts_pb2.ReassignRequest(to=to, reason="knows the patient", **common), "Reassign"
