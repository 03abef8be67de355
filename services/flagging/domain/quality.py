"""Questions for the laboratory's queue: what makes each DQ alert (clinical.md 7.4, 8; feeds.md 12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from refrain.clinical.interpretation import read_flag
from refrain.clinical.quality import QUALITY
from refrain.contracts.events import RuleRef
from services.flagging.domain import rules
from services.flagging.domain.patient import Judged, Patient
from services.flagging.domain.seen import Seen
from services.flagging.domain.series import Switch, signature

UNIT_CODES = ("unit_unknown", "unit_missing", "unit_conflict", "unit_not_listed", "implausible_value")
STATUS_NOTES = ("unsent_value_missing", "status_value_differs")
CODE_QUESTIONS = ("loinc_check_digit", "code_unmapped")
SIDES = {
    "N": "normal", "L": "low", "LU": "low", "LL": "low", "H": "high", "HU": "high", "HH": "high", "A": "abnormal",
    "AA": "abnormal",
}  # fmt: skip
ONCE = frozenset({"DQ_SPECIMEN", "DQ_LOINC", "DQ_SERIES_SWITCH"})
"""Asked once per patient and code: later results add nothing to the question (SER-3, SER-4, feeds.md 12)."""


@dataclass(frozen=True, slots=True)
class Question:
    """One result that needs the laboratory's word; questions of one kind, code and rule are one alert."""

    kind: str
    subject: str
    rule: RuleRef
    evidence: tuple[Seen, ...]
    text: str
    settled: bool = False
    """A person has answered."""


def questions(patient: Patient) -> Iterator[Question]:
    """Every open or answered question about the results that count, in clinical order."""
    taken_back = {
        one.seen.observation.result for one in patient.versions.values() if one.seen.observation.status.strip() == "W"
    }
    for one in patient.current:
        if one.seen.observation.result in taken_back:
            yield _wrong_patient(one.seen)
        yield from _status(one)
        if one.seen.flagged:
            yield from _unit(one.seen)
            yield from _range(one.seen)
            yield from _identity_of_the_test(one.seen)
            yield from _beside(one)
            yield from _conflict(one)
    for ratio in patient.ratios:
        yield Question(
            "DQ_RATIO", ratio.ratio.version.subject, rules.R10, (ratio.ratio, ratio.kappa, ratio.lambda_),
            "the reported ratio is not that of its two chains",
        )  # fmt: skip
    for switch in patient.switches:
        yield _switched(switch)


def _wrong_patient(seen: Seen) -> Question:
    """A ``W`` asks whose result it was. A later version of the result does not answer that; a person does."""
    text = "a result was posted wrongly, perhaps for another patient, and was taken back"
    return Question("DQ_IDENTITY", seen.version.subject, rules.STATUS, (seen,), text)


def _status(one: Judged) -> Iterator[Question]:
    seen, received = one.seen, one.seen.observation
    subject, rule = seen.version.subject, rules.STATUS
    if "identifier_damaged" in received.quality:
        rule = rules.of_quality("identifier_damaged")
        yield Question("DQ_IDENTITY", subject, rule, (seen,), "an identifier of the patient or order is damaged")
    codes = [code for code in STATUS_NOTES if code in one.notes]
    if "correction_without_original" in one.notes and received.status.strip() == "C":
        codes.append("correction_without_original")
    if "status_from_order" in received.quality:
        codes.append("status_from_order")
    elif received.status_class == "unknown":
        codes.append("status_unknown")
    if "fits_no_one_result" in one.notes and seen.status == "withdrawn":
        codes.append("fits_no_one_result")
    for code in codes:
        yield Question("DQ_STATUS", subject, rules.of_quality(code), (seen,), STATUS_TEXT.get(code) or QUALITY[code])


STATUS_TEXT = {
    "status_from_order": "the result came without a status; that of its order was taken",
    "status_unknown": "the result came without a status that is known; it is not taken for final",
}


def _unit(seen: Seen) -> Iterator[Question]:
    repaired, subject = seen.repaired, seen.version.subject
    if repaired is not None and repaired.repair_class == "magnitude":
        settled = repaired.review in ("accepted", "rejected")
        text = "the printed unit or magnitude does not fit; a repaired reading waits for a person"
        yield Question("DQ_UNIT", subject, rules.of_repair(repaired.repair_rule_id), (seen,), text, settled)
    if seen.analyte is None:
        return
    for code in UNIT_CODES:
        if code in seen.observation.quality:
            settled = code in seen.accepted | seen.rejected
            yield Question("DQ_UNIT", subject, rules.of_quality(code), (seen,), QUALITY[code], settled)


def _range(seen: Seen) -> Iterator[Question]:
    refused = seen.printed.rejected
    if refused is not None and seen.number is not None:
        rebuilt = "; it was rebuilt from an earlier one of the series" if seen.printed.intervals else ""
        text = f"the printed interval was refused: {seen.printed.why}{rebuilt}"
        yield Question("DQ_RANGE", seen.version.subject, refused, (seen,), text)


def _identity_of_the_test(seen: Seen) -> Iterator[Question]:
    received, subject = seen.observation, seen.version.subject
    if seen.analyte is None:
        failed = "loinc_check_digit" in received.quality
        rule = rules.LN1 if failed else rules.of_quality("code_unmapped")
        text = "the LOINC code fails its check digit" if failed else "the code is not mapped to an analyte"
        yield Question("DQ_LOINC", subject, rule, (seen,), f"{text}; the result is in no series")
    elif "SPECIMEN_MISMATCH" in seen.held:
        text = "code and specimen contradict each other; the result is in no series"
        yield Question("DQ_LOINC", subject, rules.LN4, (seen,), text)
    elif seen.analyte.specimen_must_be_stated and received.specimen == "UNKNOWN":
        yield Question("DQ_SPECIMEN", subject, rules.DQ09, (seen,), "the specimen is not stated, and must be")


def _beside(one: Judged) -> Iterator[Question]:
    seen, previous = one.seen, one.beside.previous
    if one.beside.delta and previous is not None:
        settled = "DQ_DELTA" in seen.accepted | seen.rejected
        text = "more than tenfold from the previous result of the series"
        yield Question("DQ_DELTA", seen.version.subject, rules.DELTA, (previous, seen), text, settled)


def _conflict(one: Judged) -> Iterator[Question]:
    ours = next((SIDES[code] for code in sorted(one.flags.codes) if code in SIDES), None)
    theirs = [SIDES[code] for flag in one.seen.observation.reported_flags if (code := _code(flag)) in SIDES]
    if ours and theirs and not any(_agree(ours, other) for other in theirs):
        text = "the laboratory's flag and ours disagree; both are kept, and the more severe counts"
        yield Question("DQ_FLAG_CONFLICT", one.seen.version.subject, rules.INT5, (one.seen,), text)


def _code(received: str) -> str:
    flag = read_flag(received)
    return (flag.code or "") if flag else ""


def _agree(ours: str, theirs: str) -> bool:
    """Abnormal says of a direction neither that it is right nor that it is wrong."""
    return ours == theirs or ("abnormal" in (ours, theirs) and "normal" not in (ours, theirs))


def _switched(switch: Switch) -> Question:
    hint = next((name for first in switch.firsts if (name := _fingerprint(first))), "")
    text = "specimen, method, laboratory or printed limits changed: a new series begins"
    if hint:
        text = f"{text}; its limits are those of {hint}"
    return Question("DQ_SERIES_SWITCH", switch.analyte, rules.SER4, switch.firsts, text, switch.joined)


def _fingerprint(seen: Seen) -> str:
    """The free light chain assay whose published limits were printed: a hint, no proof (4.5)."""
    printed = signature(seen)
    if printed is None or seen.analyte is None or not seen.analyte.method_specific:
        return ""
    for known in seen.analyte.textbook:
        if printed == tuple("" if limit is None else f"{limit.normalize():f}" for limit in (known.low, known.high)):
            return known.who
    return ""
