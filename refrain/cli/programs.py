"""The services as programs of the local stack: which processes, with which settings, at which ports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from refrain.cli.home import Home
from refrain.cli.kafka import free_port, port_is_free
from refrain.cli.problems import CannotStart
from refrain.cli.supervision import Program

LISTENERS = {
    "intake": ("mllp", "grpc", "metrics"),
    "flagging": ("grpc", "metrics"),
    "response": ("grpc", "metrics"),
    "relapse": ("grpc", "metrics"),
}
"""By service, in the order of the flow, what each of its processes listens for."""
SERVICES = tuple(LISTENERS)
ENGINES = SERVICES[1:]
PRIORITY = 20
"""After Kafka, which has a lower one."""


def process_names(workers: int) -> list[tuple[str, str]]:
    """Service and process: intake once, each engine as often as asked, called ``flagging-1``, ``flagging-2``."""
    engines = [(service, f"{service}-{number}") for service in ENGINES for number in range(1, workers + 1)]
    return [("intake", "intake"), *engines]


def service_programs(home: Home, bootstrap: str, workers: int) -> list[Program]:
    """The programs, each with ports that stay the same when it is restarted, and over ``down`` and ``up`` if free."""
    ports = _Ports(home)
    programs = [
        Program(
            process,
            (sys.executable, "-m", f"services.{service}"),
            service_environment(home, service, process, bootstrap) | ports.of(service, process),
            PRIORITY,
        )
        for service, process in process_names(workers)
    ]
    home.remember("ports", ports.chosen)
    return programs


def service_environment(home: Home, service: str, process: str, bootstrap: str) -> dict[str, str]:
    """Settings of one process. What the caller's environment says about a ledger or a folder stays as it is."""
    prefix = service.upper()
    defaults = {f"{prefix}_LEDGER": f"sqlite:///{home.ledgers / service}.db"}
    if service == "intake":
        defaults |= {"INTAKE_UNKNOWN_SENDERS": "permissive", "INTAKE_FOLDER": str(home.inbox)}
    return {
        f"{prefix}_KAFKA_BROKER": bootstrap,
        f"{prefix}_PORTS_FILE": str(home.ports / f"{process}.json"),
        "PYTHONUNBUFFERED": "1",
    } | {name: value for name, value in defaults.items() if name not in os.environ}


class _Ports:
    """Chooses ports: what the environment fixes, else those of the last time, else free ones."""

    def __init__(self, home: Home) -> None:
        self._before: dict[str, dict[str, int]] = home.recall("ports") or {}
        self._fixed: set[int] = set()
        self.chosen: dict[str, dict[str, int]] = {}

    def of(self, service: str, process: str) -> dict[str, str]:
        """Environment variables for the ports of one process. CannotStart when a fixed one is taken."""
        names = {purpose: f"{service.upper()}_{purpose.upper()}_PORT" for purpose in LISTENERS[service]}
        mine = {purpose: self._fixed_by(name) or self._usual(process, purpose) for purpose, name in names.items()}
        self.chosen[process] = mine
        return {name: str(mine[purpose]) for purpose, name in names.items()}

    def _fixed_by(self, name: str) -> int:
        port = int(os.environ.get(name) or 0)
        if not port or port in self._fixed:  # a second worker cannot have it too
            return 0
        self._fixed.add(port)
        if not port_is_free(port):
            raise CannotStart(
                f"Port {port} ({name}) is in use by another program. Stop that program, or set {name} to another port "
                "or to 0 for a free one."
            )
        return port

    def _usual(self, process: str, purpose: str) -> int:
        before = self._before.get(process, {}).get(purpose, 0)
        if before and before not in self._taken() and port_is_free(before):
            return before
        while (port := free_port()) in self._taken():
            continue
        return port

    def _taken(self) -> set[int]:
        return self._fixed | set(_flat(self.chosen.values()))


def _flat(groups: Iterable[dict[str, int]]) -> Iterable[int]:
    return (port for group in groups for port in group.values())
