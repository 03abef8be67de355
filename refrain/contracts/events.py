"""The events: what one service tells the others, as frozen pydantic models with JSON on the wire.

Numbers are ``Decimal`` and travel as text, times carry their zone, ids are derived (:mod:`refrain.contracts.ids`).
Readers ignore unknown fields; a ``.v1`` topic only grows. The models hide their input in errors, because a
validation error is printed somewhere sooner or later, and it must not print a patient.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from refrain.clinical.ranges import Range
from refrain.clinical.repairs import Confidence, Repair, RepairClass, Review
from refrain.clinical.values import Comparator, Quantity, Value
from refrain.contracts.ids import derive, patient_key

NIL = UUID(int=0)
NOT_CONTENT = frozenset({"event_id", "recorded_at", "trace", "caused_by", "source"})
"""Fields that say how an event travelled, not what it says: outside its id ("no id with two contents")."""


class Wire(BaseModel):
    """Base of everything that travels."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, serialize_by_alias=True)


class PatientId(Wire):
    """A patient: who issued the number, its type, and the number as text (leading zeros count)."""

    authority: str
    type: str
    id: str

    @property
    def key(self) -> str:
        """The Kafka key."""
        return patient_key(self.authority, self.type, self.id)


class RuleRef(Wire):
    """Which rule spoke, and how well its number is known (clinical.md 1.1)."""

    id: str
    version: str
    source: str = ""
    verification: str = ""


class Event(Wire):
    """The common head. ``occurred_at`` is clinical time, ``recorded_at`` when intake had the newest cause."""

    fact: str
    event_id: UUID = NIL
    patient: PatientId
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    caused_by: tuple[UUID, ...] = ()
    trace: str = ""
    rule: RuleRef | None = None

    def content(self) -> dict[str, Any]:
        """What the event says, without how it travelled: the basis of its id."""
        return self.model_dump(mode="json", exclude=set(NOT_CONTENT))

    def identified(self) -> Self:
        """The same event with its derived id."""
        return self.model_copy(update={"event_id": derive(self.fact, self.content())})


# --- lab-reports.v1 -------------------------------------------------------------------------------------------

StatusClass = Literal["none", "pending", "preliminary", "unknown", "final", "corrected", "unobtainable", "withdrawn"]
Processing = Literal["live", "test", "training"]
TimePrecision = Literal["year", "month", "day", "hour", "minute", "second", "fraction", "relative"]
Specimen = Literal["SERUM", "PLASMA_EDTA", "URINE", "URINE_24H", "CSF", "BLOOD", "MARROW", "IMAGE", "UNKNOWN"]


class Repaired(Wire):
    """A repaired reading beside the received one, in the analyte's canonical unit (clinical.md 7.2)."""

    number: Decimal | None
    unit: str
    low: Decimal | None = None
    high: Decimal | None = None
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None
    repair_rule_id: str
    repair_class: RepairClass = Field(alias="class")
    confidence: Confidence
    review: Review

    @classmethod
    def of(cls, repair: Repair) -> Self:
        return cls.model_validate(
            {"number": repair.number, "unit": repair.unit, "low": repair.low, "high": repair.high,
             "low_inclusive": repair.low_inclusive, "high_inclusive": repair.high_inclusive,
             "repair_rule_id": repair.repair_rule_id, "class": repair.repair_class,
             "confidence": repair.confidence, "review": repair.review}
        )  # fmt: skip


class Isotype(Wire):
    """Heavy and light chain of a band; None for a chain that was not named."""

    heavy: Literal["IgG", "IgA", "IgM", "IgD", "IgE"] | None = None
    light: Literal["kappa", "lambda"] | None = None


class Observation(Wire):
    """One version of one result: raw text, parsed value and repaired value apart (feeds.md 13)."""

    result: UUID
    version: UUID
    code: str
    system: str
    analyte: str | None
    """Catalogue code in capitals, or None when the code is not mapped."""
    name: str = ""
    sub_id: str = ""
    repeat: int = 1
    status: str
    status_class: StatusClass
    issued_at: AwareDatetime
    issued_from: str
    value: Value
    canonical: Quantity | None = None
    repaired: Repaired | None = None
    range: Range
    reported_flags: tuple[str, ...] = ()
    collected_at: AwareDatetime
    collected_until: AwareDatetime
    """End (exclusive) of the interval that the received precision leaves open."""
    time_precision: TimePrecision
    collected_from: str
    specimen: Specimen
    specimen_source: Literal["stated", "assumed", "unknown"]
    specimen_raw: str = ""
    method: str = "UNKNOWN"
    lab: str
    isotype: Isotype | None = None
    attributes: dict[str, str] = {}
    """Imaging and marrow: lesion, liver_suvmax, new_lesion (Y/N), statement, clonal (Y/N), light_chain."""
    notes: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    segment: str = ""


class Order(Wire):
    """The order a report answers, as received."""

    placer: str = ""
    filler: str = ""
    code: str = ""
    status: str = ""


class AgeAtCollection(Wire):
    """Age as a half-open interval of days: a report carries this, not the birth date."""

    days: tuple[int, int]


class Source(Wire):
    """Where the bytes came from: sha256 of the message, its control id as received, its place."""

    hash: str
    message: str = ""
    listener: str = ""


class LabReport(Event):
    """All results of one patient in one message that belong to one order and specimen.

    The id is made of the content, so of the result versions and of the translation that read them
    (profile and code map): re-driving with a better code map is another event about the same versions.
    """

    fact: Literal["lab_report"] = "lab_report"
    patient_received: PatientId | None = None
    other_ids: tuple[PatientId, ...] = ()
    """Further numbers of the patient as the message gave them, such as a national one; never merged by us."""
    sender: str
    profile: str
    translation: int = 0
    """Revision of profile and code map; of one version the highest counts."""
    processing: Processing = "live"
    alert_on_preliminary: tuple[str, ...] = ()
    sex: str | None = None
    age_at_collection: AgeAtCollection | None = None
    order: Order = Order()
    observations: tuple[Observation, ...]
    part: int = 1
    parts: int = 1
    source: Source


# --- care-events.v1 -------------------------------------------------------------------------------------------


class CloneStated(Wire):
    """The heavy and light chain of the patient's clone, each with its evidence."""

    type: Literal["clone_stated"] = "clone_stated"
    heavy: Literal["IgG", "IgA", "IgM", "IgD", "IgE"] | None = None
    light: Literal["kappa", "lambda"] | None = None
    evidence: tuple[str, ...] = ()


class LineStarted(Wire):
    """A therapy line, which a clinician opens (clinical.md LINE-2)."""

    type: Literal["line_started"] = "line_started"
    line: int
    start: date
    rule_set: str
    second_rule_set: str | None = None
    m_component_source: str = "MPROT_S"
    plan: tuple[str, ...] = ()


class LineStopped(Wire):
    type: Literal["line_stopped"] = "line_stopped"
    line: int
    end: date
    reason: str = ""


class Drug(Wire):
    """A drug on one day or over one period; exposure is the union of the given ones."""

    type: Literal["drug"] = "drug"
    drug: str
    first: date
    last: date
    dose: str = ""
    status: Literal["given", "planned"] = "given"


class Transplant(Wire):
    type: Literal["transplant"] = "transplant"
    on: date
    kind: str = "autologous"


class Collection(Wire):
    """Cells collected; ``text`` is what was written, ``repair_rule_id`` when the number is a repaired reading."""

    type: Literal["collection"] = "collection"
    on: date
    cell: str
    number: Decimal | None = None
    unit: str = ""
    text: str = ""
    repair_rule_id: str | None = None


class Engraftment(Wire):
    type: Literal["engraftment"] = "engraftment"
    on: date
    cell: str


class Infection(Wire):
    type: Literal["infection"] = "infection"
    name: str = ""
    onset: date
    end: date | None = None


class ClinicalFinding(Wire):
    """What a clinician saw. ``symptoms``: name to better, much better, unchanged, worse, much worse."""

    type: Literal["clinical_finding"] = "clinical_finding"
    on: date
    symptoms: dict[str, str] = {}
    findings: tuple[str, ...] = ()
    new_feature: str | None = None
    """A new POEMS feature, one absent at diagnosis included: a clinical relapse (clinical.md 12.2)."""
    scores: dict[str, Decimal] = {}


class RepairReviewed(Wire):
    """A person's word on a repair that waited for review (clinical.md 7.2)."""

    type: Literal["repair_reviewed"] = "repair_reviewed"
    result: UUID
    repair_rule_id: str
    decision: Literal["accepted", "rejected"]
    by: str
    at: AwareDatetime


class SeriesJoined(Wire):
    """A person joins two series of one analyte (clinical.md SER-4)."""

    type: Literal["series_joined"] = "series_joined"
    series: str
    into: str
    by: str
    at: AwareDatetime


class RuleSetAssigned(Wire):
    type: Literal["rule_set_assigned"] = "rule_set_assigned"
    line: int
    rule_set: str
    at: AwareDatetime


CareBody = Annotated[
    CloneStated | LineStarted | LineStopped | Drug | Transplant | Collection | Engraftment | Infection
    | ClinicalFinding | RepairReviewed | SeriesJoined | RuleSetAssigned,
    Field(discriminator="type"),
]  # fmt: skip


class CareEvent(Event):
    """Something that happened to the patient, other than a result. Written by intake only.

    ``key`` identifies it for its caller: the same key with other content is a new version of the same
    event (the latest ``recorded_at`` counts, then the event id), and ``withdrawn`` removes it.
    ``known_from`` is when it became known; None means before the first observation (answers 20).
    """

    fact: Literal["care_event"] = "care_event"
    key: str
    withdrawn: bool = False
    known_from: AwareDatetime | None = None
    request: str = ""
    """The caller's mark of one recording. Saying again what was said before and changed since needs another one,
    because the same content has the same id, and an id that was seen is dropped."""
    body: CareBody


# --- quarantine.v1 --------------------------------------------------------------------------------------------


class Quarantined(Wire):
    """What could not be used: cause, place and the raw bytes. Restricted topic, keyed by its own id."""

    fact: Literal["quarantined"] = "quarantined"
    event_id: UUID
    recorded_at: AwareDatetime
    sender: str
    listener: str = ""
    profile: str = ""
    trace: str = ""
    reason: str
    place: str = ""
    whole_message: bool
    hash: str
    size: int
    raw: str | None
    """Base64 of the message as received; None when it was too large to keep."""


# --- flagged-reports.v1 ---------------------------------------------------------------------------------------

RangeSource = Literal["reported", "reported_repaired", "site", "none"]


class Note(Wire):
    """A data-quality note: a code of the closed lists and a sentence."""

    kind: str
    text: str


class FlaggedObservation(Wire):
    """An observation and what Refrain makes of it, with everything needed to see why."""

    observation: Observation
    """As published; ``repaired`` may hold a repair that needed the series (DQ-07) or its review outcome."""
    interpretation: tuple[str, ...]
    """Sorted HL7 0078 codes, at most one of each group (clinical.md 5.1)."""
    range_source: RangeSource
    low: Decimal | None = None
    high: Decimal | None = None
    low_inclusive: bool | None = None
    high_inclusive: bool | None = None
    number: Decimal | None = None
    """What was judged: canonical, repaired where a repair may be used for flagging."""
    unit: str | None = None
    comparator: Comparator | None = None
    nominal: Literal["POS", "NEG", "IND"] | None = None
    reasons: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    tags: tuple[str, ...] = ()
    series: str | None
    """Opaque id of the series within the patient, after provisional links; None when in no series."""
    caveats: tuple[str, ...] = ()
    """E.g. matrix_assumed, DQ_DELTA: travel to every call that uses the result."""
    current: bool
    """This version counts for its result."""
    usable: bool
    """May feed baseline, nadir, response and ladder (clinical.md 3.3), interference aside."""
    held: tuple[str, ...] = ()
    """Why it is not usable: REVIEW_PENDING, DQ_DELTA, NOT_FINAL, WITHDRAWN, NO_VALUE, UNIT_UNKNOWN, ..."""
    previous: UUID | None = None
    change_percent: Decimal | None = None
    critical: Literal["yes", "possible"] | None = None
    rule: RuleRef


class FlaggedReport(Event):
    """A report with flags: a view that may be issued again when a later fact changes a neighbour (answers 10)."""

    fact: Literal["flagged_report"] = "flagged_report"
    report: UUID
    """Event id of the LabReport."""
    revision: int
    """Number of facts in flagging's ledger for this patient; of one observation version the highest counts."""
    settings: str = ""
    """Hash of the site settings that judged."""
    sender: str
    processing: Processing = "live"
    translation: int = 0
    order: Order = Order()
    observations: tuple[FlaggedObservation, ...]


# --- responses.v1 ---------------------------------------------------------------------------------------------

Assessability = Literal["ASSESSED", "NOT_ASSESSABLE", "INCOMPLETE", "INDETERMINATE", "NE"]
Confirmation = Literal["confirmed", "unconfirmed", "not_required"]
AxisName = Literal["HEMATOLOGIC", "VEGF", "PET", "CLINICAL"]
LevelState = Literal["MET", "NOT_MET", "NOT_ASSESSABLE", "INCOMPLETE", "INDETERMINATE"]


class Point(Wire):
    """A result used as baseline or nadir."""

    result: UUID
    number: Decimal | None
    comparator: Comparator | None = None
    collected_at: AwareDatetime


class Component(Wire):
    """A part of the hematologic call: IFE_S, IFE_U, MARROW."""

    state: str
    """NEG, POS, POS_DRUG_SUSPECTED, POS_INDISTINGUISHABLE, POS_UNTYPED, POS_OTHER, IND, MISSING."""
    confirmation: Confirmation | None = None
    confirmed_as_of: UUID | None = None
    result: UUID | None = None


class Axis(Wire):
    """One axis at its newest sample: the object of clinical.md section 10."""

    axis: AxisName
    as_of: UUID | None = None
    call: str | None
    candidate: str | None = None
    assessability: Assessability
    reasons: tuple[str, ...] = ()
    confirmation: Confirmation = "unconfirmed"
    confirmed_as_of: UUID | None = None
    levels: dict[str, LevelState] = {}
    components: dict[str, Component] = {}
    caveats: tuple[str, ...] = ()
    best_response: str | None = None
    baseline: Point | None = None
    nadir: Point | None = None
    nadir_confirmed: bool | None = None
    percent_from_baseline: Decimal | None = None
    percent_over_nadir: Decimal | None = None
    last_assessable: str | None = None
    symptoms: dict[str, str] = {}
    rule_id: str
    rule_version: str
    source: str = ""
    verification: str = ""
    evidence: tuple[UUID, ...] = ()
    why_not: dict[str, str] = {}
    """Neighbouring level to the sentence that says why it was not given."""


class Assessment(Wire):
    """One usable, decidable daily representative of a series (SER-5), as a step of the course."""

    result: UUID
    version: UUID
    analyte: str
    series: str
    day: date
    """Calendar date of collection, site zone."""
    collected_at: AwareDatetime
    issued_at: AwareDatetime
    number: Decimal | None = None
    comparator: Comparator | None = None
    nominal: str | None = None
    text: str = ""
    """Value and unit as shown to a person."""
    low: Decimal | None = None
    high: Decimal | None = None
    above: bool | None = None
    """Above its own interval; None undecidable."""
    inside: bool | None = None
    below: bool | None = None
    excluded: tuple[str, ...] = ()
    """Why it is shown but not used: INTERFERENCE_BEVACIZUMAB, REVIEW_PENDING, ... Empty for an assessment."""
    before_line: bool = False
    """Collected before the line's first dose: the baseline, or older."""
    p: Literal["met", "not_met", "undecidable"] | None = None
    """Condition P of the ladder (clinical.md 12.2) against ``nadir``; None where no ladder looks."""
    nadir: Point | None = None
    level: str | None = None
    """Response level proven at this sample, whether or not confirmed."""
    level_confirmed_by: UUID | None = None
    state: str | None = None
    """Immunofixation and marrow: the component state."""
    isotype: Isotype | None = None
    caveats: tuple[str, ...] = ()


class Trajectory(Wire):
    """One series of one line, oldest first, unusable results included with their reason."""

    axis: AxisName | None
    """The ladder and axis it feeds; None for series that only carry safety or recheck findings."""
    analyte: str
    series: str
    assessments: tuple[Assessment, ...]
    switched_to: str | None = None
    """The series that took over within this line (SER-6), named by its first result's series id."""
    switched_at: UUID | None = None
    """First result of that series."""


class Upgrade(Wire):
    """A better level became confirmed, or needs no confirmation (RESPONSE_UPGRADE)."""

    axis: AxisName
    level: str
    sample: UUID
    """As of which result the level holds."""
    by: UUID
    """The result that confirmed it; the sample itself where none is needed."""
    at: AwareDatetime
    evidence: tuple[UUID, ...] = ()
    """Further results the level rests on: the other components of a complete response, the lesions of a scan."""


class Recheck(Wire):
    """Something due that has not come (GAP-1, GAP-2)."""

    analyte: str
    rule: Literal["GAP-1", "GAP-2"]
    due_on: date
    due_at: AwareDatetime | None
    """The first moment with a fact on or after the due day while it was unrepeated; None when not yet due."""
    opened_by: UUID | None
    repeated_by: UUID | None = None


class BaselineFlag(Wire):
    """An abnormal result of the last baseline draw."""

    analyte: str
    result: UUID
    interpretation: tuple[str, ...]
    text: str = ""
    version: UUID | None = None
    collected_at: AwareDatetime | None = None
    issued_at: AwareDatetime | None = None
    """With ``version`` and ``collected_at``: what evidence needs where no trajectory holds the result."""


class LineCourse(Wire):
    """Everything known about one therapy line under one rule set."""

    line: int
    rule_set: str
    start: date
    end: date | None = None
    first_dose: date
    closed: bool = False
    axes: dict[str, Axis]
    """By axis name in capitals."""
    trajectories: tuple[Trajectory, ...] = ()
    upgrades: tuple[Upgrade, ...] = ()
    withdrawn_candidates: tuple[UUID, ...] = ()
    """Results that took an unconfirmed candidate back (HEM-7)."""
    rechecks: tuple[Recheck, ...] = ()
    baseline_at: AwareDatetime | None = None
    baseline_abnormal: tuple[BaselineFlag, ...] = ()


class AxisChange(Wire):
    """How one axis differs from the assessment before."""

    line: int
    axis: AxisName
    before: str
    after: str


class ResponseAssessed(Event):
    """A snapshot of the whole course after the newest fact; relapse keeps the highest revision (answers 11)."""

    fact: Literal["response_assessed"] = "response_assessed"
    revision: int
    as_of: AwareDatetime
    """Latest ``issued_at`` of the facts: no clock is read."""
    lines: tuple[LineCourse, ...]
    trajectories: tuple[Trajectory, ...] = ()
    """Series outside any line that safety rules need (IGG, B12), whole history."""
    changes: tuple[AxisChange, ...] = ()
    settings: str = ""
    processing: Processing = "live"


# --- alerts.v1 ------------------------------------------------------------------------------------------------

Tier = Literal["P1", "P2", "P3", "DQ"]
AlertState = Literal["open", "amended", "closed", "retracted"]


class Evidence(Wire):
    """A result that an alert rests on, with the value it had when the alert was issued."""

    result: UUID
    version: UUID
    analyte: str
    text: str
    collected_at: AwareDatetime


class Alert(Event):
    """Head of the four alert events. One alert id over the alert's whole life."""

    alert: UUID
    kind: str
    tier: Tier
    due_hours: int | None = None
    subject: str
    """Axis or analyte code the alert is about."""
    line: int | None = None
    episode: UUID
    text: str
    evidence: tuple[Evidence, ...] = ()
    at: AwareDatetime
    """Latest ``issued_at`` among the evidence."""
    sequence: int
    """How many events this alert id had before this one."""
    tags: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    settings: str = ""
    processing: Processing = "live"


class AlertRaised(Alert):
    """A new alert. A notice is born closed: it tells, and waits for nothing."""

    fact: Literal["alert_raised"] = "alert_raised"
    notice: bool = False


class ValueChange(Wire):
    """Old and new text of one result that an alert rested on."""

    result: UUID
    analyte: str
    before: str
    after: str | None
    """None when the result was withdrawn or no longer counts."""


class AlertAmended(Alert):
    """The same alert with other evidence, tier or text; ``what_changed`` says so in a sentence."""

    fact: Literal["alert_amended"] = "alert_amended"
    what_changed: str
    values: tuple[ValueChange, ...] = ()
    """Results it rests on whose value was corrected, with both values."""
    still_open: bool = True
    """False when the alert had been closed, or was born closed, and stays so."""


class AlertClosed(Alert):
    """The reason ended in the normal course of things."""

    fact: Literal["alert_closed"] = "alert_closed"
    reason: str
    superseded_by: UUID | None = None


class AlertRetracted(Alert):
    """The reason never held, as is now known; ``with_alerts`` are taken back by the same event."""

    fact: Literal["alert_retracted"] = "alert_retracted"
    reason: str
    values: tuple[ValueChange, ...] = ()
    with_alerts: tuple[UUID, ...] = ()


AlertEvent = Annotated[AlertRaised | AlertAmended | AlertClosed | AlertRetracted, Field(discriminator="fact")]
