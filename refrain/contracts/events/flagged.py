"""``flagged-reports.v1``: the report and what flagging makes of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

from refrain.clinical.values import Comparator
from refrain.contracts.events.head import Event, RuleRef, Wire
from refrain.contracts.events.reports import Observation, Order, Processing

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
    issued_together: int = 1
    """How many views of this patient have this revision. Until a reader has them all, they contradict each other: a
    version is replaced in one, and what replaces it stands in another."""
    settings: str = ""
    """Hash of the site settings that judged."""
    sender: str
    processing: Processing = "live"
    translation: int = 0
    order: Order = Order()
    observations: tuple[FlaggedObservation, ...]
