"""A real intake beside a console under test, save Kafka: its RecordCareEvent over gRPC, and a door that may be shut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from refrain.api.intake.v1.intake_pb2_grpc import add_IntakeServiceServicer_to_server
from refrain.contracts.events import CareEvent
from refrain.contracts.topics import CARE_EVENTS
from services.intake.adapters import memory
from services.intake.adapters.grpc_api import NAME, IntakeApi
from services.intake.domain.profile import load_profile
from tests.chart.pages.served import served
from tests.chart.pages.stories import Published
from tests.intake.house import PROFILE, House


class Intake:
    """``address`` for the console's settings; what it put through the door is published by hand."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.address = ""

    @property
    def recorded(self) -> list[CareEvent]:
        """What Kafka would have, each record once."""
        records = [record for record in self.house.door.records if record.topic is CARE_EVENTS]
        return [CARE_EVENTS.decode(record.value) for record in records]

    @property
    def published(self) -> list[Published]:
        return [(CARE_EVENTS, event) for event in self.recorded]


@contextmanager
def intake(folder: Path) -> Iterator[Intake]:
    url = f"sqlite:///{folder}/intake.db"
    memory.upgrade(url)
    house = House(url, load_profile(PROFILE))
    running = Intake(house)

    def build() -> IntakeApi:
        return IntakeApi(
            house.intake, lambda: ((), True, 0), house.memory, house.redriver, house.keeper, lambda: datetime.now(UTC)
        )

    try:
        with served(build, add_IntakeServiceServicer_to_server, NAME) as address:
            running.address = address
            yield running
    finally:
        house.close()
