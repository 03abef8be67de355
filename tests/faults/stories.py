"""Invented patients, as their laboratory and their ward would tell of them: HL7 messages and care events.

Everything comes from one random generator, so that a printed seed brings a run back. Courses fall, rise and confirm;
some results are corrected, some withdrawn, some messages come twice, some under another control id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from refrain.api.intake.v1 import care_pb2, intake_pb2

PROFILE = """\
sender: fault-lab
match: {application: FAULT-LIS, facility: FAULT-LAB}
zone: UTC
patient: {fields: [PID-3], types: [MR], authority: FAULT-LAB}
collected_at: [OBR-7]
"""
AUTHORITY = "FAULT-LAB"
LINE_STARTED = datetime(2024, 1, 8, 8, tzinfo=UTC)
FIRST_VISIT_DAY = -4
DAYS_BETWEEN_VISITS = 28
ACTIVE_PATIENTS = 60
"""So many patients are told of at the same time: several reports of one are under way together."""

CORRECTED, WITHDRAWN, REPEATED, RENUMBERED = 0.08, 0.03, 0.03, 0.03
"""Shares of the reports that are corrected or withdrawn later, and of the messages that come once more."""

POSITIVE, OTHER_BAND, NEGATIVE = "POS^^L~IGG^^L~LAMBDA^^L", "POS^^L~IGG^^L~KAPPA^^L", "NEG^^L"


@dataclass(frozen=True, slots=True)
class Message:
    """One HL7 message. ``original`` is the control id under which its body came first."""

    control: str
    original: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """One care event, told over gRPC."""

    request: intake_pb2.RecordCareEventRequest


Delivery = Message | Recording
Values = dict[str, str]
"""OBX by OBX: the code and kind to the received value; see :data:`CODES`."""

CODES = {
    "VEGF": ("NM", "34694-0^VEGF^LN", "pg/mL", "0-160"),
    "IGG": ("NM", "2465-3^IgG^LN", "g/L", "8.6-17.4"),
    "MPROT_S": ("NM", "33358-3^M-protein^LN", "g/L", ""),
    "IFE_S": ("CWE", "25700-6^Immunofixation^LN", "", ""),
    "IFE_U": ("CWE", "13440-3^Immunofixation^LN", "", ""),
}
SPECIMENS = {"PLASMA": "PLAS^Plasma^HL70487", "SERUM": "SER^Serum^HL70487", "URINE": "UR^Urine^HL70487"}


def deliveries(patients: int, reports_each: int, chance: Random, *, first: int = 0) -> list[Delivery]:
    """All that is told, interleaved: at least ``reports_each`` different reports of every patient from ``first`` on."""
    waiting = [_of_patient(f"{number:06d}", reports_each, chance) for number in range(first, first + patients)]
    active: list[list[Delivery]] = []
    told: list[Delivery] = []
    while waiting or active:
        while waiting and len(active) < ACTIVE_PATIENTS:
            active.append(waiting.pop())
        chosen = chance.choice(active)
        told.append(chosen.pop(0))
        if not chosen:
            active.remove(chosen)
    return told


def _of_patient(number: str, reports: int, chance: Random) -> list[Delivery]:
    """In the order of a ward's life, shaken a little: what is late overtakes and is overtaken."""
    laboratory = _Laboratory(number, chance)
    told: list[tuple[float, Delivery]] = [(chance.uniform(-9, 9), one) for one in _care(number, chance)]
    for place, (at, message) in enumerate(laboratory.reports(reports)):
        told.append((at + chance.uniform(0, 3), message))
        if chance.random() < REPEATED:
            told.append((at + chance.uniform(0, 6), message))
        if chance.random() < RENUMBERED:
            again = laboratory.renumbered(message, place)
            told.append((at + chance.uniform(0, 6), again))
    return [delivery for _, delivery in sorted(told, key=lambda pair: pair[0])]


@dataclass
class _Laboratory:
    """Writes the messages of one patient."""

    number: str
    chance: Random
    written: int = 0
    levels: dict[str, float] = field(default_factory=lambda: {"VEGF": 900.0, "MPROT_S": 14.0, "IGG": 15.0})

    def reports(self, wanted: int) -> Iterator[tuple[int, Message]]:
        """Place in time (one visit is three places) and message, until so many different reports are written."""
        visit = 0
        while self.written < wanted:
            for specimen, values in self._visit(visit).items():
                place, order = 3 * visit, f"{self.number}-{visit}-{specimen}"
                yield place, self._message(order, specimen, values, visit, "F", hours=8)
                if self.chance.random() < CORRECTED:
                    other = self._corrected(values)
                    yield place + 4, self._message(order, specimen, other, visit, "C", hours=60)
                elif self.chance.random() < WITHDRAWN:
                    yield place + 4, self._message(order, specimen, values, visit, "W", hours=60)
            visit += 1

    def _visit(self, visit: int) -> dict[str, Values]:
        falling = visit < 3 + self.chance.randrange(4)
        for analyte, value in self.levels.items():
            factor = self.chance.uniform(0.35, 0.9) if falling else self.chance.uniform(0.9, 1.9)
            self.levels[analyte] = max(value * factor, 0.2)
        negative = self.levels["MPROT_S"] < 2
        serum = NEGATIVE if negative else self.chance.choice([POSITIVE, POSITIVE, POSITIVE, OTHER_BAND])
        return {
            "PLASMA": {"VEGF": f"{self.levels['VEGF'] + 12:.2f}"},
            "SERUM": {
                "MPROT_S": "0" if negative else f"{self.levels['MPROT_S']:.1f}",
                "IGG": f"{self.levels['IGG'] + 3:.2f}",
                "IFE_S": serum,
            },
            "URINE": {"IFE_U": self.chance.choice([NEGATIVE, NEGATIVE, POSITIVE]) if visit else POSITIVE},
        }

    def _corrected(self, values: Values) -> Values:
        factor = self.chance.choice([0.3, 1.1, 3.0])
        return {
            analyte: value if CODES[analyte][0] == "CWE" else f"{float(value) * factor + 0.1:.2f}"
            for analyte, value in values.items()
        }

    def _message(self, order: str, specimen: str, values: Values, visit: int, status: str, *, hours: int) -> Message:
        self.written += 1
        control = f"{self.number}-{self.written}"
        collected = LINE_STARTED + timedelta(days=FIRST_VISIT_DAY + DAYS_BETWEEN_VISITS * visit)
        issued = collected + timedelta(hours=hours)
        rows = [
            f"OBX|{place}|{CODES[analyte][0]}|{CODES[analyte][1]}||{value}|{CODES[analyte][2]}|{CODES[analyte][3]}"
            f"||||{status}||||{AUTHORITY}"
            for place, (analyte, value) in enumerate(values.items(), 1)
        ]
        segments = [
            rf"MSH|^~\&|FAULT-LIS|{AUTHORITY}|REFRAIN||{issued:%Y%m%d%H%M%S}||ORU^R01^ORU_R01|{control}|P|2.5.1",
            f"PID|1||{self.number}^^^{AUTHORITY}^MR||Invented^Person||19600101|F",
            f"OBR|1||{order}^FAULT-LIS|{specimen}^Panel^L|||{collected:%Y%m%d%H%M%S}|||||||||||||||"
            f"{issued:%Y%m%d%H%M%S}|||{status}",
            *rows,
            f"SPM|1|||{SPECIMENS[specimen]}",
        ]
        return Message(control, control, ("\r".join(segments) + "\r").encode())

    def renumbered(self, message: Message, place: int) -> Message:
        """The same body under a control id of its own: laboratories do that (feeds.md 9)."""
        control = f"{message.control}-again-{place}"
        body = message.body.replace(f"|{message.control}|P|".encode(), f"|{control}|P|".encode())
        return Message(control, message.original, body)


def _care(number: str, chance: Random) -> Iterator[Recording]:
    day = LINE_STARTED.date()
    yield _recorded(number, clone_stated=care_pb2.CloneStated(heavy="IgG", light="lambda"))
    yield _recorded(number, line_started=care_pb2.LineStarted(line=1, start=f"{day}", rule_set="poems"))
    yield _recorded(number, drug=care_pb2.Drug(drug="lenalidomide", first=f"{day}", last=f"{day + timedelta(20)}"))
    if chance.random() < 0.3:
        yield _recorded(number, drug=care_pb2.Drug(drug="daratumumab", first=f"{day}", last=f"{day + timedelta(60)}"))
    if chance.random() < 0.3:
        onset = day + timedelta(chance.randrange(30, 150))
        yield _recorded(number, infection=care_pb2.Infection(name="pneumonia", onset=f"{onset}"))


def _recorded(number: str, **body: object) -> Recording:
    patient = care_pb2.PatientId(authority=AUTHORITY, type="MR", id=number)
    request = intake_pb2.RecordCareEventRequest(patient=patient, body=care_pb2.CareBody(**body))  # type: ignore[arg-type]
    return Recording(request)
