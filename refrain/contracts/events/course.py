"""``responses.v1``: the course of a patient, axis by axis, with all that relapse needs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from refrain.clinical.values import Comparator
from refrain.contracts.events.head import Event, Wire
from refrain.contracts.events.reports import Isotype, Processing

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
    levels: dict[str, LevelState] = Field(default_factory=dict)
    components: dict[str, Component] = Field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    best_response: str | None = None
    baseline: Point | None = None
    nadir: Point | None = None
    nadir_confirmed: bool | None = None
    percent_from_baseline: Decimal | None = None
    percent_over_nadir: Decimal | None = None
    last_assessable: str | None = None
    symptoms: dict[str, str] = Field(default_factory=dict)
    rule_id: str
    rule_version: str
    source: str = ""
    verification: str = ""
    evidence: tuple[UUID, ...] = ()
    why_not: dict[str, str] = Field(default_factory=dict)
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
