"""One OBX becomes one or more drafts: everything that was received about a result, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from refrain.clinical import specimens, statuses
from refrain.clinical.analytes import Analyte
from refrain.clinical.reading import IMMUNOFIXATION, Reading, read_result
from refrain.clinical.values import read_value
from refrain.contracts.events import Isotype, Observation, Repaired, StatusClass
from services.intake.domain.codes import Code
from services.intake.domain.er7 import DELETED, Segment
from services.intake.domain.groups import MAX_RESULTS, Result
from services.intake.domain.identity import ResultKey, damaged, version_id
from services.intake.domain.orders import OrderContext, laboratory, method, questions
from services.intake.domain.profile import Profile
from services.intake.domain.reasons import Rejected, checked
from services.intake.domain.times import Collected, collected_at, taken_back_without_a_time, time_field

_PARAGRAPHS = frozenset({"TX", "FT", "ST", ""})
"""Types whose repetitions without a number are the lines of one text."""
_PROSE = frozenset({"TX", "FT"})
_NUMERIC = frozenset({"quantity", "censored", "titre"})
_TAKES_BACK: frozenset[StatusClass] = frozenset({"unobtainable", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Draft:
    """One received answer with its identity; drafts of one identity still have to be settled with one another."""

    place: str
    order: OrderContext
    key: ResultKey
    code: Code
    status: str
    status_class: StatusClass
    received: tuple[dict[str, Any], ...]
    """What came, one entry for each answer; with the identity it makes the version."""
    reading: Reading
    collected: Collected
    specimen: str
    specimen_source: specimens.SpecimenSource
    lab: str
    method: str
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    quality: tuple[str, ...]
    isotype: Isotype | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def result(self) -> UUID:
        return self.key.id

    @property
    def numeric(self) -> bool:
        """Whether the answer is a number, which two answers of one identity cannot both be."""
        return self.reading.value.kind in _NUMERIC

    def observation(self) -> Observation:
        """The observation as it is published."""
        reading, moment, triplet = self.reading, self.collected.moment, self.code.received
        content = [dict(answer, attributes=sorted(self.attributes)) for answer in self.received]
        return Observation(
            result=self.result,
            version=version_id(self.result, {"answers": content}),
            code=triplet.code,
            system=triplet.system,
            analyte=self.code.analyte.code if self.code.analyte else None,
            name=triplet.name,
            sub_id=self.key.sub_id,
            repeat=self.key.repeat,
            status=self.status,
            status_class=self.status_class,
            issued_at=self.order.issued.at,
            issued_from=self.order.issued.source,
            value=reading.value,
            canonical=reading.canonical,
            repaired=Repaired.of(reading.repaired) if reading.repaired else None,
            range=reading.range,
            reported_flags=self.flags,
            collected_at=moment.start,
            collected_until=moment.end,
            time_precision=moment.precision,
            collected_from=self.collected.source,
            specimen=self.specimen,
            specimen_source=self.specimen_source,
            specimen_raw=self.order.specimen.raw,
            method=self.method,
            lab=self.lab,
            isotype=self.isotype,
            attributes=dict(self.attributes),
            notes=self.notes,
            quality=checked(self.quality),
            segment=self.place,
        )


def drafts_of(result: Result, code: Code, order: OrderContext) -> list[Draft]:
    """Read one OBX that is a result. Rejected with the reason when it cannot be used."""
    obx, message = result.obx, order.message
    specimen, source = specimens.settle(code.analyte, order.specimen.raw)
    code = code.on(specimen)
    status, status_class, status_quality = _status(obx, order)
    collected = _collected(obx, order, status_class)
    notes = (*result.notes, *order.shared_notes)
    quality = [*code.quality, *status_quality, *collected.quality, *_text_quality(obx, order)]
    if order.questioned or questions(result.notes, message.profile):
        quality.append("comment_questions_result")
    unit = _unit(obx, message.profile)
    drafts = []
    for answer in _answers(obx, code.analyte, message.profile):
        reading = _read(obx, answer, unit, code.analyte, message.profile)
        if answer.companion:
            reading = replace(reading, value=replace(reading.value, companion=answer.companion))
        if reading.value.unit is None and damaged(unit, charset_guessed=message.charset_guessed):
            raise Rejected("identifier_damaged", obx.place)
        key = ResultKey(
            message.profile.sender, message.patient.key, order.number, code.received.code, code.received.system,
            obx.text(4), answer.repeat, order.specimen.raw, collected.moment,
        )  # fmt: skip
        draft = Draft(
            place=obx.place, order=order, key=key, code=code, status=status, status_class=status_class,
            received=(_received(obx, answer, status, order, notes),), reading=reading, collected=collected,
            specimen=specimen, specimen_source=source, lab=laboratory(obx, message), method=method(obx),
            flags=_flags(obx), notes=notes, quality=(*quality, *reading.quality), isotype=_isotype(reading),
        )  # fmt: skip
        drafts.append(draft)
    return drafts


def _collected(obx: Segment, order: OrderContext, status_class: StatusClass) -> Collected:
    """When it was collected. What is taken back needs no time where its order has a number to find it by."""
    profile = order.message.profile
    try:
        return collected_at(
            {
                "OBX-14": time_field(obx.text(14), profile.time_zone),
                "OBR-7": order.collected,
                "SPM-17": order.specimen_collected,
            },
            profile.collected_at,
            (order.reported, order.message.sent),
            order.message.received_at,
            obx.place,
        )
    except Rejected as cause:
        if cause.reason == "collection_time_missing" and status_class in _TAKES_BACK and order.number:
            return taken_back_without_a_time(order.issued)
        raise


def _status(obx: Segment, order: OrderContext) -> tuple[str, StatusClass, tuple[str, ...]]:
    """OBX-11, else what carries over from OBR-25 (feeds.md 9)."""
    status = obx.text(11).strip()
    status = "" if status == DELETED else status
    quality: tuple[str, ...] = ()
    if not status:
        status = statuses.from_order(order.status)
        quality = ("status_from_order",) if status else ("status_missing",)
    status_class, _ = statuses.classify(status)
    if status and status_class == "unknown":
        quality = ("status_unknown",)
    return status, status_class, quality


def _text_quality(obx: Segment, order: OrderContext) -> list[str]:
    quality = ["several_specimens"] if order.specimen.several else []
    if order.notes_left_out:
        quality.append("order_comments_left_out")
    if obx.has_bad_escape:
        quality.append("bad_escape")
    if order.message.charset_quality and not all(field.isascii() for field in obx.fields):
        quality.extend(order.message.charset_quality)
    return quality


def _unit(obx: Segment, profile: Profile) -> str:
    """OBX-6's code, else its text; a caret that was not escaped (``10^9/L``) is put back where that is known."""
    parts = obx.components(6)
    if not parts or parts[0] == DELETED:
        return ""
    known = read_value("NM", ["1"], unit_raw="^".join(parts), unit_aliases=profile.units)[0].unit
    if len(parts) > 1 and parts[0].isdigit() and known is not None:
        return "^".join(parts)
    return parts[0] or next((part for part in parts if part), "")


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of OBX-5: its repetition, its components, and what else belongs to it."""

    repeat: int
    components: Sequence[str]
    companion: str | None = None
    further: tuple[tuple[str, ...], ...] = ()


def _answers(obx: Segment, analyte: Analyte | None, profile: Profile) -> list[_Answer]:
    """The answers of OBX-5: several numbers are one each, one number keeps the words beside it (feeds.md 10)."""
    value_type = obx.text(2).strip().upper()
    parts = obx.repeated(5) or (("",),)
    if len(parts) > MAX_RESULTS and value_type not in _PROSE:
        raise Rejected("too_many_results", obx.place)
    if analyte is not None and analyte.code in IMMUNOFIXATION:
        return [_Answer(1, parts[0], further=parts[1:])]
    if len(parts) == 1:
        return [_Answer(1, parts[0])]
    if value_type in _PROSE:
        return [_Answer(1, ["\n".join("^".join(part) for part in parts)])]
    read = [
        read_value(value_type, part, style=profile.numbers.style, missing_words=profile.missing)[0] for part in parts
    ]
    numbers = [at for at, value in enumerate(read) if value.kind in _NUMERIC]
    if not numbers:
        mark = "\n" if value_type in _PARAGRAPHS else obx.delimiters.repetition
        return [_Answer(1, [mark.join("^".join(part) for part in parts)])]
    words = " ".join(value.text for at, value in enumerate(read) if at not in numbers and value.text)
    return [_Answer(place + 1, parts[at], words or None) for place, at in enumerate(numbers)]


def _read(obx: Segment, answer: _Answer, unit: str, analyte: Analyte | None, profile: Profile) -> Reading:
    return read_result(
        analyte,
        obx.text(2),
        answer.components,
        unit,
        obx.components(7, None),
        style=profile.numbers.style,
        unit_aliases=profile.units,
        separators=profile.ranges.separators,
        range_words=profile.ranges.words,
        missing_words=profile.missing,
        further_repetitions=answer.further,
    )


def _isotype(reading: Reading) -> Isotype | None:
    """The chains of a band, each None when it was not named; None when there is no band."""
    band = reading.band
    return Isotype(heavy=band.heavy, light=band.light) if band and band.result == "POS" else None


def _flags(obx: Segment) -> tuple[str, ...]:
    flags = (components[0].strip() for components in obx.repeated(8))
    return tuple(flag for flag in flags if flag and flag != DELETED)


def _received(
    obx: Segment, answer: _Answer, status: str, order: OrderContext, notes: tuple[str, ...]
) -> dict[str, Any]:
    """What makes a version: what came, never what was derived. A time of receipt is not something that came."""
    issued = order.issued
    return {
        "type": obx.text(2), "value": (answer.components, *answer.further), "companion": answer.companion,
        "unit": obx.components(6), "range": obx.components(7, None), "flags": _flags(obx), "status": status,
        "issued": None if issued.source == "receipt" else issued.at, "method": obx.raw(17),
        "lab": [obx.raw(15), obx.raw(23)], "notes": notes,
    }  # fmt: skip
