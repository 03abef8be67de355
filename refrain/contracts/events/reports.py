"""``lab-reports.v1``: what intake read, raw beside parsed."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field

from refrain.clinical.ranges import Range
from refrain.clinical.repairs import Confidence, Repair, RepairClass, Review
from refrain.clinical.values import Quantity, Value
from refrain.contracts.events.head import Event, PatientId, Wire

StatusClass = Literal["none", "pending", "preliminary", "unknown", "final", "corrected", "unobtainable", "withdrawn"]
Processing = Literal["live", "test", "training"]
TimePrecision = Literal["year", "month", "day", "hour", "minute", "second", "fraction", "relative", "unknown"]
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
    """``unknown`` only for a result that was taken back without saying when it was collected: then both ends of the
    interval are ``issued_at``."""
    collected_from: str
    specimen: Specimen
    specimen_source: Literal["stated", "assumed", "unknown"]
    specimen_raw: str = ""
    method: str = "UNKNOWN"
    lab: str
    isotype: Isotype | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
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
