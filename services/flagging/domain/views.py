"""What readers get of a judged version: a flagged observation with its notes."""

from __future__ import annotations

from collections.abc import Iterator

from refrain.clinical.interpretation import CRITICAL, read_flag
from refrain.clinical.quality import QUALITY
from refrain.clinical.ranges import REASONS, Range
from refrain.contracts.events import FlaggedObservation, Note, Observation
from services.flagging.domain.patient import Judged
from services.flagging.domain.seen import Seen
from services.flagging.domain.series import MATRIX_ASSUMED

TOTAL_IG = frozenset({"IGG", "IGA", "IGM"})
IMMUNOFIXATION = frozenset({"IFE_S", "IFE_U"})
URINE_CHAINS = frozenset({"UFLC_K", "UFLC_L", "UFLC_R"})


def view(one: Judged) -> FlaggedObservation:
    """The flagged observation of one version."""
    seen, flags = one.seen, one.flags
    limits = flags.interval
    return FlaggedObservation(
        observation=_published(seen),
        interpretation=tuple(sorted(one.codes)),
        range_source=one.choice.source if limits is not None or len(one.choice.intervals) > 1 else "none",
        low=limits.low if limits else None,
        high=limits.high if limits else None,
        low_inclusive=limits.low_inclusive if limits else None,
        high_inclusive=limits.high_inclusive if limits else None,
        number=seen.number if seen.flagged else None,
        unit=seen.unit if seen.flagged and seen.number is not None else None,
        comparator=seen.comparator if seen.flagged else None,
        nominal=seen.nominal if seen.flagged else None,
        reasons=tuple(sorted(flags.reasons)),
        quality=tuple(sorted({*seen.observation.quality, *one.notes})),
        notes=tuple(_notes(one)),
        tags=(*tags(seen), *one.expected.tags),
        series=one.place.series if one.place else None,
        caveats=tuple(_caveats(one)),
        current=seen.current,
        usable=not one.held,
        held=tuple(sorted(one.held)),
        previous=one.beside.previous.observation.result if one.beside.previous else None,
        change_percent=one.beside.change_percent,
        critical="yes" if laboratory_critical(seen) else flags.critical,
        rule=flags.rule,
    )


def _published(seen: Seen) -> Observation:
    """The observation with its repair and review; a limit that was refused here is nowhere (R-4)."""
    changed: dict[str, object] = {}
    given = seen.observation.range
    if seen.repaired != seen.observation.repaired:
        changed["repaired"] = seen.repaired
    if given.kind == "interval" and seen.printed.rejected is not None and seen.printed.why == REASONS["absurd"]:
        changed["range"] = Range("unparsed", given.text, reason="absurd")
    return seen.observation.model_copy(update=changed) if changed else seen.observation


def laboratory_critical(seen: Seen) -> tuple[str, ...]:
    """The laboratory's own critical codes, as it sent them: never downgraded (INT-5)."""
    if not seen.flagged:
        return ()
    return tuple(flag for flag in seen.observation.reported_flags if _code(flag) in CRITICAL)


def _code(received: str) -> str | None:
    flag = read_flag(received)
    return flag.code if flag else None


def tags(seen: Seen) -> Iterator[str]:
    """What a person must know before the number: not final yet, or a repaired reading."""
    if seen.status == "provisional":
        yield "provisional"
    if seen.repair_used and seen.repaired is not None and seen.repaired.repair_class == "magnitude":
        yield "repaired"


def _caveats(one: Judged) -> Iterator[str]:
    if one.beside.delta:
        yield "DQ_DELTA"
    if one.place is not None and one.place.linked:
        yield MATRIX_ASSUMED


def _notes(one: Judged) -> Iterator[Note]:
    """Everything about the data of a result that belongs beside it, each a sentence."""
    seen = one.seen
    analyte = seen.observation.analyte or ""
    if seen.repaired is not None:
        yield Note(kind=seen.repaired.repair_rule_id, text=_repair_in_words(seen))
    if analyte in TOTAL_IG:
        yield Note(kind="TOTAL_IG_NOT_M_PROTEIN", text="DQ-02: a total immunoglobulin is not the M-protein (HEM-9)")
    if analyte in IMMUNOFIXATION and seen.nominal == "POS":
        isotype = seen.observation.isotype
        if isotype is None or isotype.light is None:
            yield Note(kind="DQ-04", text="the light chain of the band is not stated")
    if analyte in URINE_CHAINS:
        yield Note(kind="DQ-12", text="a concentration without volume or creatinine: no urine response")
    if seen.analyte is not None and seen.analyte.specimen_must_be_stated and seen.observation.specimen == "UNKNOWN":
        yield Note(kind="DQ-09", text="the specimen must be stated for this analyte, and is not")
    if seen.printed.rejected is not None:
        yield Note(kind=seen.printed.rejected.id, text=f"the printed interval was refused: {seen.printed.why}")
    if one.flags.note:
        yield Note(kind="TEXTBOOK_INTERVAL", text=one.flags.note)
    for code in sorted({*seen.observation.quality, *one.notes}):
        yield Note(kind=code, text=QUALITY.get(code, code.replace("_", " ")))


def _repair_in_words(seen: Seen) -> str:
    repaired, received = seen.repaired, seen.observation
    if repaired is None:
        return ""
    if repaired.repair_class == "range":
        return (
            f"the interval '{received.range.text}' is read as {_interval(repaired.low, repaired.high, repaired.unit)}"
        )
    came = f"{received.value.text} {received.value.unit_raw}".strip()
    state = {"pending": "a person has to accept this", "accepted": "accepted", "rejected": "rejected"}
    return f"received as {came}, read as {repaired.number} {repaired.unit}; {state.get(repaired.review, 'used')}"


def _interval(low: object, high: object, unit: str) -> str:
    return (
        f"up to {high} {unit}" if low is None else f"from {low} {unit}" if high is None else f"{low} to {high} {unit}"
    )
