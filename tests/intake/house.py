"""An intake with everything around it, save Kafka: a door that a test opens and shuts, and reads back from."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

from refrain.contracts.events import LabReport, Quarantined
from refrain.contracts.topics import LAB_REPORTS, QUARANTINE, Topic
from services.intake.adapters.code_keeper import CodeKeeper
from services.intake.adapters.memory import Memory
from services.intake.adapters.publisher import Delivery, NotStored, Place, Record
from services.intake.adapters.raw_messages import Away, Gone
from services.intake.adapters.redrive import Redriver
from services.intake.adapters.standing import Standing
from services.intake.adapters.work_list import Item
from services.intake.app import Intake
from services.intake.domain.framing import Frame
from services.intake.domain.profile import Profile

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
PROFILE = """
sender: north-lab
match: {application: LAB, facility: NORTH}
zone: Europe/Berlin
patient: {fields: [PID-3], types: [MR], authority: NORTH}
"""


def a_message(*obx: str, pid3: str = "0007311234^^^NORTH^MR", control: str = "E1", application: str = "LAB") -> bytes:
    results = obx or ("NM|34694-0^VEGF^LN||4711.25|pg/mL|0-160|H|||F",)
    segments = [
        f"MSH|^~\\&|{application}|NORTH|REFRAIN|WARD|20260314091500+0100||ORU^R01^ORU_R01|{control}|P|2.5.1",
        f"PID|1||{pid3}||Plantedname^Plantedfirst||19570203|F",
        "OBR|1|P100|F200|PAN^Panel^L|||20260314080000+0100|||||||||||||||20260314091400+0100|||F",
        *(f"OBX|{number}|{text}" for number, text in enumerate(results, 1)),
        "NTE|1||PLANTEDCOMMENT",
    ]
    return ("\r".join(segments) + "\r").encode()


def a_frame(payload: bytes) -> Frame:
    return Frame(payload, len(payload), sha256(payload).hexdigest())


class Door:
    """Takes records and gives them back; ``away``, ``expired`` and ``limits`` (bytes by topic) are its moods."""

    def __init__(self) -> None:
        self.storing = True
        self.log_id = "log-1"
        self.records: list[Record] = []
        self.away = False
        self.expired = False
        self.limits: dict[Topic, int] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()

    async def publish(self, records: Sequence[Record]) -> Delivery:
        self.waiting.set()
        await self.gate.wait()
        if self.away and records:
            raise NotStored
        refused = [r for r in records if len(r.value) > self.limits.get(r.topic, 10**9)]
        places = {}
        for record in records:
            if record not in refused:
                places[record] = Place(0, len(self.records))
                self.records.append(record)
        return Delivery(places, tuple(refused))

    async def fetch(self, item: Item, seconds: float) -> bytes:
        """The bytes of an entry, as RawMessages reads them from Kafka."""
        if self.away or seconds <= 0:
            raise Away
        if item.raw is None or self.expired:
            raise Gone
        record = self.records[item.raw.offset]
        assert record.key.decode() == item.raw.event_id
        return b64decode(QUARANTINE.decode(record.value).raw)

    @property
    def reports(self) -> list[LabReport]:
        return [LAB_REPORTS.decode(r.value) for r in self.records if r.topic is LAB_REPORTS]

    @property
    def quarantined(self) -> list[Quarantined]:
        return [QUARANTINE.decode(r.value) for r in self.records if r.topic is QUARANTINE]


class House:
    """An intake with everything around it."""

    def __init__(
        self, url: str, profile: Profile | None, fallback: Profile | None = None, door: Door | None = None
    ) -> None:
        profiles = [profile] if profile else []
        self.door = door or Door()
        self.memory = Memory(url)
        self.standing = Standing(profiles, fallback)
        self.intake = Intake(self.door, self.memory, self.standing, profiles, fallback, lambda: NOW)
        self.keeper = CodeKeeper(self.memory.code_maps, self.intake.read_with)
        self.redriver = Redriver(self.memory, self.door, self.intake.again)

    def close(self) -> None:
        self.intake.close()
        self.memory.close()

    async def send(self, payload: bytes) -> str:
        return b"".join(await self.intake.receive(a_frame(payload), "mllp")).decode("utf-8")

    def outcomes(self) -> dict[str, dict[str, int]]:
        return {feed.sender: dict(feed.outcomes) for feed in self.standing.feeds() if feed.outcomes}
