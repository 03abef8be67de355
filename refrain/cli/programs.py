"""The services as programs of the local stack: which processes, with which settings, at which ports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from importlib.resources import files

from refrain.cli.home import Home
from refrain.cli.kafka import HOST, free_port, port_is_free
from refrain.cli.mailbox import make_secret
from refrain.cli.problems import CannotStart
from refrain.cli.supervision import Program

LISTENERS = {
    "intake": ("mllp", "grpc", "metrics"),
    "flagging": ("grpc", "metrics"),
    "response": ("grpc", "metrics"),
    "relapse": ("grpc", "metrics"),
    "notify": ("grpc", "http", "metrics"),
    "chart": ("http", "grpc", "metrics"),
    "mailbox": ("http",),
}
"""By service, in the order of the flow, what each of its processes listens for; the mailbox is no service of ours."""
SERVICES = ("intake", "flagging", "response", "relapse", "notify", "chart")
ENGINES = ("flagging", "response", "relapse")
"""They decide; as many processes of each as asked."""
PEOPLE = ("notify", "chart")
"""They face people; one process each."""
READERS = (*ENGINES, *PEOPLE)
"""Every service that reads topics, in the order of the flow. Its consumer group has its name."""
ASKS = {"notify": ("chart",), "chart": ("intake", "flagging", "response", "relapse", "notify")}
"""Whose gRPC a service calls: it is told the address as ``NOTIFY_CHART`` and so on."""
ROSTER = files("refrain.cli.demo").joinpath("roster.yaml")
"""Who is told in the local stack; where the mailbox listens is filled in."""
MAILBOX = "mailbox"
PRIORITY = 20
"""After Kafka, which has a lower one."""


def process_names(workers: int) -> list[tuple[str, str]]:
    """Service and process: each engine as often as asked, called ``flagging-1``, ``flagging-2``; the others once."""
    engines = [(service, f"{service}-{number}") for service in ENGINES for number in range(1, workers + 1)]
    return [("intake", "intake"), *engines, *((service, service) for service in PEOPLE)]


def first_process(service: str) -> str:
    """The name of the process that is asked where a service has several."""
    return f"{service}-1" if service in ENGINES else service


def programs(home: Home, bootstrap: str, workers: int) -> list[Program]:
    """The programs, each with ports that stay the same when it is restarted, and over ``down`` and ``up`` if free."""
    ports = _Ports(home)
    processes = process_names(workers)
    listening = {process: ports.of(service, process) for service, process in (*processes, (MAILBOX, MAILBOX))}
    home.remember("ports", ports.chosen)
    _write_roster(home, ports.chosen[MAILBOX]["http"])
    services = [
        Program(
            process,
            (sys.executable, "-m", f"services.{service}"),
            service_environment(home, service, process, bootstrap)
            | listening[process]
            | _unless_given(_addresses(service, ports.chosen)),
            PRIORITY,
        )
        for service, process in processes
    ]
    receiver = (sys.executable, "-m", "refrain.cli.mailbox")
    return [*services, Program(MAILBOX, receiver, _mailbox_settings(home) | listening[MAILBOX], PRIORITY)]


def _mailbox_settings(home: Home) -> dict[str, str]:
    return {
        "MAILBOX_FOLDER": str(home.mailbox),
        "MAILBOX_SECRET_FILE": str(home.mailbox_secret),
        "MAILBOX_PORTS_FILE": str(home.ports / f"{MAILBOX}.json"),
    }


def _write_roster(home: Home, port: int) -> None:
    make_secret(home.mailbox_secret)
    filled = {"${mailbox}": f"http://{HOST}:{port}", "${secret_file}": json.dumps(str(home.mailbox_secret))}
    text = ROSTER.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(name, value)
    home.roster.write_text(text, encoding="utf-8")


def service_environment(home: Home, service: str, process: str, bootstrap: str) -> dict[str, str]:
    """Settings of one process. What the caller's environment says about a ledger or a folder stays as it is."""
    prefix = service.upper()
    defaults = {f"{prefix}_LEDGER": f"sqlite:///{home.ledgers / service}.db"} | _own_settings(home, service)
    return {
        f"{prefix}_KAFKA_BROKER": bootstrap,
        f"{prefix}_PORTS_FILE": str(home.ports / f"{process}.json"),
        "PYTHONUNBUFFERED": "1",
    } | _unless_given(defaults)


def _own_settings(home: Home, service: str) -> dict[str, str]:
    match service:
        case "intake":
            return {"INTAKE_UNKNOWN_SENDERS": "permissive", "INTAKE_FOLDER": str(home.inbox)}
        case "notify":
            return {"NOTIFY_ROSTER": str(home.roster)}
        case "chart":
            return {"CHART_LOCAL_USERS": "true"}
        case _:
            return {}


def _addresses(service: str, ports: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Where a service finds the others; notify also the console, for the links in its messages."""
    prefix = service.upper()
    found = {
        f"{prefix}_{other.upper()}": f"{HOST}:{ports[first_process(other)]['grpc']}" for other in ASKS.get(service, ())
    }
    if service == "notify":
        found["NOTIFY_CONSOLE_URL"] = f"http://{HOST}:{ports['chart']['http']}"
    return found


def _unless_given(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in os.environ}


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
