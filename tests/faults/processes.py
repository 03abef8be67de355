"""The services as processes: two workers of each engine on one ledger, and intake. Stopped, watched, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from refrain.runtime.database import upgrade
from services.intake.adapters import memory
from tests.faults.stories import PROFILE

ENGINES = ("flagging", "response", "relapse")
WORKERS = 2
"""Of each engine: the losses that are known from stream processors need an overlap."""
STOP_SECONDS = 60.0
"""Longest orderly stop; what takes longer is killed and counted as hung."""
BY_ITSELF = "by itself"
EVERYTHING = ("intake", *(engine for engine in ENGINES for _ in range(WORKERS)))


@dataclass
class Slot:
    """A place for one process, as a supervisor has it."""

    service: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    told: str = ""
    """The signal that was sent to the process; empty while nobody stopped it."""
    told_at: float = 0.0
    paused_until: float = 0.0
    """When a process that stands still goes on; 0 while none does."""

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", f"services.{self.service}"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        self.told = ""

    def port(self, name: str) -> int:
        """Where the process listens, or the one before it; OSError before any did."""
        return int(json.loads(self.log.with_suffix(".json").read_text())[name])

    def tell(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.told, self.told_at = how.name, time.monotonic()
            self.process.send_signal(how)

    def pause(self, seconds: float) -> None:
        """As if its machine stood still: its partitions are given away, and it comes back with a batch in hand."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
            self.paused_until = time.monotonic() + seconds

    def go_on(self, *, now: bool = False) -> None:
        """Continue after a pause, when it is over."""
        if self.process is not None and self.paused_until and (now or time.monotonic() > self.paused_until):
            self.process.send_signal(signal.SIGCONT)
            self.paused_until = 0.0

    @property
    def hung(self) -> bool:
        return bool(self.told) and time.monotonic() - self.told_at > STOP_SECONDS


@dataclass
class Fleet:
    """All processes of one run. ``exits`` counts service, how it was told to go and its exit code."""

    folder: Path
    bootstrap: str
    ledger: Callable[[str], str]
    """The database URL of a service."""
    exits: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    slots: list[Slot] = field(default_factory=list)

    def prepare(self) -> None:
        """The sender's profile and empty databases."""
        profiles = self.folder / "profiles"
        profiles.mkdir()
        (profiles / "fault-lab.yaml").write_text(PROFILE)
        memory.upgrade(self.ledger("intake"))
        for engine in ENGINES:
            upgrade(self.ledger(engine), engine)

    def start(self, services: Sequence[str] = EVERYTHING) -> list[Slot]:
        """A process for each name; a name twice is two workers."""
        started = [self._slot(service, len(self.slots) + place) for place, service in enumerate(services)]
        for slot in started:
            slot.start()
        self.slots += started
        return started

    def _slot(self, service: str, place: int) -> Slot:
        log = self.folder / f"{service}-{place}.log"
        settings = {
            "KAFKA_BROKER": self.bootstrap, "LEDGER": self.ledger(service), "PORTS_FILE": str(log.with_suffix(".json")),
        }  # fmt: skip
        if service == "intake":
            settings["PROFILES"] = str(self.folder / "profiles")
        environment = os.environ | {f"{service.upper()}_{name}": value for name, value in settings.items()}
        return Slot(service, environment, log)

    def intake_port(self, name: str) -> int:
        """Where intake listens now; OSError before it does. It changes with every start."""
        return self.of("intake")[0].port(name)

    def of(self, service: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.service == service]

    def look_after(self) -> None:
        """Count who is gone and start another in its place; kill who does not go; wake who stood still."""
        for slot in self.slots:
            if slot.process is None:
                continue
            slot.go_on()
            if slot.hung:
                slot.told = f"{slot.told}, hung"
                slot.told_at = time.monotonic()
                slot.process.kill()
            if (code := slot.process.poll()) is not None:
                slot.paused_until = 0.0
                self.exits[slot.service, slot.told or BY_ITSELF, code] += 1
                slot.start()

    def stop(self) -> None:
        """All of them in good order, as at the end of a day; leaves nothing running."""
        for slot in self.slots:
            slot.go_on(now=True)
            slot.tell(signal.SIGTERM)
        for slot in self.slots:
            if slot.process is None:
                continue
            try:
                code = slot.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                slot.process.kill()
                slot.told, code = "SIGTERM, hung", slot.process.wait()
            self.exits[slot.service, slot.told or BY_ITSELF, code] += 1
        self.slots = []
