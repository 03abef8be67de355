"""``care-events.v1``: what happened to the patient, other than a result."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from refrain.contracts.events.head import Event, Wire


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
    symptoms: dict[str, str] = Field(default_factory=dict)
    findings: tuple[str, ...] = ()
    new_feature: str | None = None
    """A new POEMS feature, one absent at diagnosis included: a clinical relapse (clinical.md 12.2)."""
    scores: dict[str, Decimal] = Field(default_factory=dict)


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
