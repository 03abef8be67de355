"""What pages, FHIR and gRPC read: a patient's results, course, care events and alerts as they stand. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from refrain.clinical.values import Comparator
from refrain.contracts.events import (
    AlertAction,
    AlertEvent,
    Evidence,
    FlaggedObservation,
    Observation,
    Order,
    PatientId,
    Processing,
    RangeSource,
    RuleRef,
    StatusClass,
    ThreadState,
    Tier,
    ValueChange,
)
from services.chart.domain.coded_values import readable

ResultState = Literal["current", "awaited", "withdrawn", "unobtainable", "removed", "moved", "order_text"]
"""``current`` has a value that counts (preliminary ones too: see the status); ``awaited`` is announced; ``withdrawn``
was deleted by its laboratory, ``unobtainable`` cannot be had; ``removed`` was posted wrongly (OBX-11 W) and is off the
patient's screen; ``moved``: a correction under another identity took its place; ``order_text`` is no result."""

FactState = Literal["open", "closed", "retracted"]
"""What the service that raised an alert says of it; an amended one is open or closed."""

ON_SCREEN: tuple[ResultState, ...] = ("current", "awaited", "withdrawn", "unobtainable")
"""States that a patient's screen shows (clinical.md 5.2); the others are for the audit of one result."""


@dataclass(frozen=True, slots=True)
class PatientRow:
    """A patient as lists show one."""

    key: str
    """The Kafka key; goes to no page and no URL."""
    patient: PatientId
    chart_id: UUID
    """What pages and FHIR call the patient: ``derive("patient", key)``."""
    newest_fact_at: datetime
    """``recorded_at`` of the newest record."""
    results: int
    """On the patient's screen."""
    waiting_alerts: int
    worst_tier: Tier | None
    """Of the alerts that wait; None when none does."""
    sex: str | None = None
    """As the newest report said, if any did."""
    processing: Processing = "live"
    """What the pages show: live where anything is live, else test or training, marked."""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One result: the version that counts, and its newest flags.

    ``awaiting_flags``: flagging has not spoken about this version yet. Then nothing here says that the value is
    normal, abnormal or usable, and ``number`` is intake's reading.
    """

    key: str
    result: UUID
    version: UUID
    report: UUID
    """The newest lab report that brought the version."""
    processing: Processing
    state: ResultState
    analyte: str | None
    """Catalogue code in capitals; None when the code is not mapped."""
    name: str
    """Of the catalogue, else as received."""
    code: str
    system: str
    series: str | None
    """None while awaiting flags, or when it belongs to no series."""
    status: str
    """OBX-11 as received."""
    status_class: StatusClass
    issued_at: datetime
    collected_at: datetime
    time_precision: str
    specimen: str
    method: str
    lab: str
    value_kind: str
    text: str
    """The value as received, with its unit."""
    number: Decimal | None
    """What was judged, canonical; None for words, for what is not believed, and while a magnitude repair waits."""
    unit: str | None
    comparator: Comparator | None
    nominal: str | None
    low: Decimal | None
    high: Decimal | None
    low_inclusive: bool | None
    high_inclusive: bool | None
    range_text: str
    """As received."""
    range_source: RangeSource
    interpretation: tuple[str, ...]
    awaiting_flags: bool
    usable: bool
    held: tuple[str, ...]
    quality: tuple[str, ...]
    caveats: tuple[str, ...]
    tags: tuple[str, ...]
    reasons: tuple[str, ...]
    critical: Literal["yes", "possible"] | None
    review: str | None
    """Of a repaired reading: pending, not_required, accepted or rejected; None without one."""
    repair_rule: str | None
    change_percent: Decimal | None
    previous: UUID | None
    versions: int
    """How many were received; more than one: ask ``versions`` for the old values."""
    corrected: bool
    """An earlier version had another value."""
    recorded_at: datetime
    """Of the newest record about the version that counts."""

    @property
    def subject(self) -> str:
        """The analyte's code, or the code as received."""
        return self.analyte or self.code

    @property
    def shown(self) -> str:
        """Value and unit as people read them: the judged number where there is one, else what came, codes in words."""
        if self.number is None:
            return readable(self.text)
        return f"{self.comparator or ''}{self.number:f} {self.unit or ''}".strip()


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One received version of a result."""

    result: UUID
    version: UUID
    key: str
    processing: Processing
    counts: bool
    """The version that counts now."""
    status: str
    status_class: StatusClass
    issued_at: datetime
    recorded_at: datetime
    """When Refrain had it first."""
    text: str
    sender: str
    report: UUID
    observation: Observation
    flagged: FlaggedObservation | None
    """Newest flags; None while flagging has not spoken."""


@dataclass(frozen=True, slots=True)
class ObservationView:
    """A result in full: for FHIR, and for the page of one result."""

    row: ResultRow
    patient: PatientId
    chart_id: UUID
    versions: tuple[VersionRow, ...]
    """Oldest issue first."""


@dataclass(frozen=True, slots=True)
class ReportView:
    """One lab report as it was published."""

    report: UUID
    key: str
    patient: PatientId
    chart_id: UUID
    processing: Processing
    sender: str
    order: Order
    occurred_at: datetime
    recorded_at: datetime
    translation: int
    sex: str | None
    versions: tuple[UUID, ...]
    """In the order of the report."""
    results: tuple[UUID, ...]
    """The result of each version."""


@dataclass(frozen=True, slots=True)
class SeriesView:
    """Results that may be compared: one analyte, specimen, method and laboratory, or what was linked to them."""

    series: str | None
    """None: results in no series (unmapped, not believed, or still awaiting flags), for the list, not the curve."""
    analyte: str
    name: str
    unit: str | None
    specimen: str
    method: str
    lab: str
    results: tuple[ResultRow, ...]
    """Oldest collection first."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The calls as they were at one time."""

    as_of: datetime
    revision: int
    recorded_at: datetime
    calls: dict[str, str]
    """``line:AXIS`` to the call in words, e.g. ``CRV confirmed``."""
    changed: bool
    """Whether a call is another than at the moment before."""
    event: UUID


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as lists show one: its newest event beside where it stands with people."""

    alert: UUID
    key: str
    patient: PatientId
    chart_id: UUID
    kind: str
    tier: Tier
    due_hours: int | None
    subject: str
    line: int | None
    text: str
    at: datetime
    """Latest issue time among its evidence."""
    raised_at: datetime
    """``recorded_at`` of its first event."""
    fact_state: FactState
    notice: bool
    state: ThreadState
    """Where it stands with people."""
    waiting: bool
    """Somebody still has to answer."""
    due_at: datetime | None
    assigned_to: str
    level: int
    """Escalation level reached since it was last answered or opened again."""
    acknowledged_by: str
    acknowledged_at: datetime | None
    acknowledge_reason: str
    snoozed_until: datetime | None
    events: int
    """How often its service spoke; more than one: it was amended, closed or retracted."""
    repeats: int
    """Amendments after which it still was open: counted, not told anew."""
    number: int
    """Of its newest action."""
    processing: Processing
    what_changed: str
    """Of the newest event: why it was amended, closed or retracted."""
    superseded_by: UUID | None

    def overdue(self, now: datetime) -> bool:
        """Whether it waits longer than its tier allows: escalated, or its time is over."""
        return self.waiting and (self.state == "escalated" or (self.due_at is not None and self.due_at < now))


@dataclass(frozen=True, slots=True)
class EvidenceNow:
    """A result that an alert rests on: as it was told, and as it is now."""

    evidence: Evidence
    now: str | None
    """Value and unit as they are now; None when the result no longer counts, or was never seen here."""
    state: ResultState | None
    changed: bool


@dataclass(frozen=True, slots=True)
class AlertView:
    """An alert with its whole life."""

    row: AlertRow
    rule: RuleRef | None
    events: tuple[AlertEvent, ...]
    """By sequence."""
    retracted_by: AlertEvent | None
    """The event that took it back together with another alert, where that is how it ended."""
    actions: tuple[AlertAction, ...]
    """By number."""
    values: tuple[EvidenceNow, ...]
    """Evidence of the newest event."""
    corrections: tuple[ValueChange, ...] = ()
    """Old and new value of every correction that its events told of, oldest first."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Alerts of one tier that wait for somebody."""

    waiting: int
    overdue: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a service could not use. The record itself stays on Kafka."""

    id: str
    """As ``refrain dead-letters`` names it."""
    service: str
    topic: str
    partition: int
    offset: int
    cause: str
    stage: str
    patient_known: bool
    """Whether its key is that of a patient whose chart exists."""
    chart_id: UUID | None
    at: datetime
    redriven: bool
    """Whether somebody has sent it again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the read model is."""

    read: int
    """Records taken, of ``end``."""
    end: int
    rebuilding: bool
    """What is here is a part only: the records that were there when reading began are not all read yet."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that changed about one patient. ``number`` only grows."""

    number: int
    key: str
    what: Literal["report", "course", "alert", "action", "care_event"]
    event: str


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What notify needs to word an alert; sentences without identifiers."""

    chart_id: UUID
    path: str
    course: tuple[str, ...] = field(default=())
    previous: str = ""
