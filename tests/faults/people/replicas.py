"""Two replicas of notify and two of chart, each pair on one database, and the roster they tell people by."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from refrain.runtime.database import upgrade
from tests.faults.people.receivers import DOMAIN, MAIL, SECRET, WEBHOOK
from tests.faults.processes import Fleet, Slot

PAIRS = ("notify", "notify", "chart", "chart")
MIGRATIONS = "services.{}.adapters:migrations"
CLINICAL = ("ana", "ben", "cho")
LABORATORY = ("queue", "dai")
LEASE_SECONDS = 3 * 1.5 + 15.0
"""A loan of the webhook below: three of its timeouts and the margin of services/notify/adapters/dispatch.py."""

ROSTER = """
zone: UTC
channels:
  {webhook}: {{type: webhook, secret_env: PAGE_SECRET, timeout_seconds: 1.5, parallel: 12,
               down_after_failures: 8, down_after_seconds: 6}}
  {mail}: {{type: smtp, host: 127.0.0.1, port: {port}, security: none, sender: refrain@{domain}, timeout_seconds: 3,
            parallel: 6}}
people:
{people}
chains:
  P1: {{levels: [{{to: [ana]}}, {{to: [ben], after: {second} s}}, {{to: [cho], after: {third} s}}], remind: 2 h,
        resend: {resend} s, read_back: {third} s, give_up: 7 s}}
  P2_24: {{levels: [{{to: [ana]}}, {{to: [ben], after: {second} s}}, {{to: [cho], after: {third} s}}], remind: 2 h,
           snooze_max: 1 h, give_up: 12 s}}
  P2_72: {{levels: [{{to: [ana, ben]}}, {{to: [cho], after: {third} s}}], remind: 2 h, snooze_max: 1 h, give_up: 12 s}}
  P3: {{levels: [{{to: [ana, ben]}}], give_up: 10 s}}
  DQ: {{levels: [{{to: [queue]}}, {{to: [dai], after: {second} s}}], remind: 2 h, snooze_max: 1 h, give_up: 12 s}}
fallback: {{clinical: [cho], laboratory: [dai]}}
digest: {{weekday: {weekday}, time: "{time}"}}
settle_seconds: {{P1: 1, P2: 2, P3: 2, DQ: 2}}
working_days: [monday, tuesday, wednesday, thursday, friday, saturday, sunday]
"""


def roster_text(url: str, mail_port: int, digest: datetime, pace: float) -> str:
    """Chains of seconds, at pace 1: 10, 20 and 40; the page first, then the mail. ``digest``: its next hour, in UTC."""
    people = "\n".join(
        f"  {name}: {{name: {name}, team: {team}, channels: [{{channel: {WEBHOOK}, address: {url}/{name}}}, "
        f"{{channel: {MAIL}, address: {name}@{DOMAIN}}}]}}"
        for team, names in (("clinical", CLINICAL), ("laboratory", LABORATORY))
        for name in names
    )
    return ROSTER.format(
        webhook=WEBHOOK, mail=MAIL, port=mail_port, domain=DOMAIN, people=people,
        weekday=f"{digest:%A}".lower(), time=f"{digest:%H:%M:%S}",
        resend=round(10 * pace), second=round(20 * pace), third=round(40 * pace),
    )  # fmt: skip


def digest_hour(seconds: float) -> datetime:
    """The digest's hour of this run: so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


@dataclass
class Replicas(Fleet):
    """The four processes, watched as a supervisor does."""

    roster: str = ""
    _begun: dict[int, float] = field(default_factory=dict)
    """When each process was first seen, by its id."""

    def prepare(self) -> None:
        (self.folder / "roster.yaml").write_text(self.roster)
        for service in dict.fromkeys(PAIRS):
            upgrade(self.ledger(service), service, MIGRATIONS.format(service))

    def start(self, services: Sequence[str] = PAIRS) -> list[Slot]:
        return super().start(services)

    def _slot(self, service: str, place: int) -> Slot:
        log = self.folder / f"{service}-{place}.log"
        settings = {
            "KAFKA_BROKER": self.bootstrap, "LEDGER": self.ledger(service), "PORTS_FILE": str(log.with_suffix(".json")),
            "ROSTER": str(self.folder / "roster.yaml"), "CONSOLE_URL": "https://console.example",
        }  # fmt: skip
        environment = {f"{service.upper()}_{name}": value for name, value in settings.items()}
        return Slot(service, os.environ | environment | {"PAGE_SECRET": SECRET}, log)

    def look_after(self) -> None:
        super().look_after()
        for slot in self.slots:
            if slot.process is not None:
                self._begun.setdefault(slot.process.pid, time.time())

    def serves(self, slot: Slot) -> bool:
        """Whether this process, and not only the one before it, has opened its ports."""
        ports = slot.log.with_suffix(".json")
        begun = self._begun.get(slot.process.pid) if slot.process else None
        return begun is not None and ports.exists() and ports.stat().st_mtime >= begun

    @property
    def ready(self) -> bool:
        return all(self.serves(slot) for slot in self.slots)

    def log(self) -> str:
        """Everything that was logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(Path(self.folder).glob("*-?.log")))
