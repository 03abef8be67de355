"""The local stack: Kafka, its topics, the ledgers and the services, brought up and taken down in order."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alembic.util import CommandError
from kafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from refrain.cli import jars, kafka
from refrain.cli.home import Home
from refrain.cli.people import create_people
from refrain.cli.problems import CannotStart
from refrain.cli.programs import PEOPLE, SERVICES, first_process, programs, service_environment
from refrain.cli.supervision import Program, Supervisor
from refrain.cli.topics import create_topics
from refrain.runtime import database
from services.intake.adapters import memory

READY_SECONDS = 60.0
"""How long a service may take from its start to its ports."""
DEATHS_WHILE_STARTING = 3
MIGRATIONS = {service: f"services.{service}.adapters:migrations" for service in PEOPLE}
"""Services whose tables are their own; the engines' ledgers are all alike, and intake brings up its own."""
KAFKA_PRIORITY = 10
"""Before the services, and stopped after them."""

Say = Callable[[str], None]
"""Told what happens, one short sentence at a time."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack of one home directory, up or not."""

    home: Home

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.home)

    @property
    def bootstrap(self) -> str | None:
        """Kafka's bootstrap servers as of the last start; None before the first."""
        remembered = self.home.recall("stack")
        return str(remembered["bootstrap"]) if remembered else None

    @property
    def own_kafka(self) -> bool:
        remembered = self.home.recall("stack")
        return bool(remembered and remembered["own_kafka"])

    def database(self, service: str) -> str:
        """URL of a service's database: the one in the environment, else a SQLite file of this home."""
        name = f"{service.upper()}_LEDGER"
        return os.environ.get(name) or service_environment(self.home, service, service, "")[name]

    def is_up(self) -> bool:
        return self.supervisor.is_running()

    def ports(self, service: str) -> dict[str, int]:
        """Ports of the service's first process; empty while it has not told them."""
        return self.home.ports_of(first_process(service))

    @property
    def console(self) -> str | None:
        """Address of the console; None while it is not told."""
        port = self.ports("chart").get("http")
        return f"http://{kafka.HOST}:{port}" if port else None

    def up(self, say: Say, *, workers: int = 1) -> dict[str, str]:
        """Start everything that does not run yet and wait until all of it answers. CannotStart says what is wrong.

        Returns the passwords of people who may now sign in at the console for the first time, by their id.
        """
        self._room_to_write()
        if self.is_up():
            self._same_kafka()
            say("The stack is up already; starting what is missing.")
        else:
            self._start_supervisor(say, workers)
        bootstrap = str(self.bootstrap)
        self._start_kafka(say, bootstrap)
        topics = create_topics(bootstrap, replication=_replication())
        say(f"Created {len(topics)} topics." if topics else "The topics are there.")
        self._migrate()
        say("The ledgers are at this version's schema.")
        made = self._create_people()
        self._start_services(say)
        self._tell_prometheus()
        return made

    def down(self, *, wipe: bool = False) -> list[str]:
        """Stop everything; with ``wipe`` forget everything too. Returns what had to be ended the hard way."""
        left = self.supervisor.stop_everything(last="kafka")
        if wipe and self.home.path.exists():
            shutil.rmtree(self.home.path)
        return left

    def _room_to_write(self) -> None:
        try:
            self.home.make()
        except OSError as problem:
            raise CannotStart(
                f"Cannot write to {self.home.path} ({problem.strerror}). Run refrain in a directory you may write to, "
                "or set REFRAIN_HOME to one."
            ) from problem

    def _same_kafka(self) -> None:
        given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if given and given != self.bootstrap:
            raise CannotStart(
                f"The stack is up on the Kafka at {self.bootstrap}, not on {given} (KAFKA_BOOTSTRAP_SERVERS). "
                "Run refrain down first."
            )

    def _start_supervisor(self, say: Say, workers: int) -> None:
        self.supervisor.stop_everything()  # what a killed supervisor may have left behind
        for old in self.home.ports.glob("*.json"):
            old.unlink()
        started = []
        if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            _answering(given)
            say(f"Using the Kafka at {given}.")
            bootstrap = given
        else:
            node = self._prepare_kafka(say)
            bootstrap = node.bootstrap
            started.append(Program("kafka", node.command, {}, KAFKA_PRIORITY))
        self.home.remember("stack", {"bootstrap": bootstrap, "own_kafka": not given})
        self.supervisor.start([*started, *programs(self.home, bootstrap, workers)])

    def _prepare_kafka(self, say: Say) -> kafka.Node:
        def progress(done: int, total: int) -> None:
            if done % 10 == 0 or done == total:
                say(f"Fetching Apache Kafka {jars.pinned().version}: {done} of {total} jars.")

        before = self.home.recall("kafka") or {}
        wanted = int(os.environ.get("REFRAIN_KAFKA_PORT", "0"))
        return_to = [int(port) for port in (before.get("port", 0), before.get("controller_port", 0))]
        usual = [port if port and kafka.port_is_free(port) else 0 for port in return_to]
        node = kafka.prepare(
            self.home.kafka, port=wanted or usual[0], controller_port=usual[1], progress=progress
        )  # fmt: skip
        self.home.remember("kafka", {"port": node.port, "controller_port": node.controller_port})
        return node

    def _start_kafka(self, say: Say, bootstrap: str) -> None:
        if not self.own_kafka:
            _answering(bootstrap)
            return
        supervisor = self.supervisor
        supervisor.start_process("kafka")
        kafka.wait_until_ready(bootstrap, alive=lambda: _state(supervisor, "kafka") in ("STARTING", "RUNNING"))
        say(f"Apache Kafka {jars.pinned().version} answers at {bootstrap}.")

    def _migrate(self) -> None:
        """Bring every service's database to this version's schema: workers refuse to start on another one."""
        for service in SERVICES:
            url = self.database(service)
            try:
                if service == "intake":
                    memory.upgrade(url)
                else:
                    database.upgrade(url, service, MIGRATIONS.get(service, database.LEDGER_MIGRATIONS))
            except (SQLAlchemyError, CommandError, ValueError) as problem:
                raise CannotStart(
                    f"The database of {service} could not be brought up to date ({type(problem).__name__}). Check "
                    f"{service.upper()}_LEDGER, and that no newer version of Refrain has used it."
                ) from problem

    def _create_people(self) -> dict[str, str]:
        """One of each role, unless the environment says that the console has no people of its own."""
        if os.environ.get("CHART_LOCAL_USERS", "true").lower() not in ("1", "true", "yes", "on"):
            return {}
        return create_people(self.database("chart"), self.home)

    def _start_services(self, say: Say) -> None:
        supervisor = self.supervisor
        names = [process.name for process in supervisor.processes() if process.name != "kafka"]
        for name in names:
            supervisor.start_process(name)
        end = time.monotonic() + READY_SECONDS
        waiting = set(names)
        while waiting:
            ready = {name for name in waiting if self.home.ports_of(name) and _state(supervisor, name) == "RUNNING"}
            for name in sorted(ready):
                say(f"{name} listens: {show_ports(self.home.ports_of(name))}.")
            waiting -= ready
            self._give_up_on_the_dying(waiting)
            if waiting and time.monotonic() > end:
                raise CannotStart(
                    f"{', '.join(sorted(waiting))} did not come up within {READY_SECONDS:.0f} seconds. Their logs say "
                    f"why: refrain logs {min(waiting)}"
                )
            time.sleep(0.1)

    def _give_up_on_the_dying(self, waiting: set[str]) -> None:
        """A service that keeps ending while it starts has said why in its log: pass its last line on."""
        for process in self.supervisor.processes():
            if process.name in waiting and process.deaths >= DEATHS_WHILE_STARTING:
                lines = (self.home.logs / f"{process.name}.log").read_text(errors="replace").strip().splitlines()
                raise CannotStart(
                    f"{process.name} ended {process.deaths} times while it started. It said: "
                    f"{lines[-1] if lines else 'nothing'}"
                )

    def _tell_prometheus(self) -> None:
        targets = []
        for process in self.supervisor.processes():
            if port := self.home.ports_of(process.name).get("metrics"):
                service = process.name.split("-")[0]
                labels = {"service": service, "process": process.name}
                targets.append({"targets": [f"{kafka.HOST}:{port}"], "labels": labels})
        self.home.targets.write_text(json.dumps(targets, indent=1) + "\n")


def _answering(bootstrap: str) -> None:
    try:
        kafka.cluster_id(bootstrap)
    except (KafkaError, ValueError) as problem:
        raise CannotStart(
            f"No Kafka answers at {bootstrap} (KAFKA_BOOTSTRAP_SERVERS). Check the address and that it runs, or unset "
            "the variable to use a local one."
        ) from problem


def show_ports(ports: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {kafka.HOST}:{port}" for name, port in sorted(ports.items()))


def _replication() -> int:
    """Copies of each topic: one on the local node, ``REFRAIN_REPLICATION`` on a cluster that is there."""
    return int(os.environ.get("REFRAIN_REPLICATION", "1"))


def _state(supervisor: Supervisor, name: str) -> str:
    return next((process.state for process in supervisor.processes() if process.name == name), "MISSING")
