"""The baseline draw and what must be repeated after it (clinical.md 17.1 ABNORMAL_SUMMARY, 17.4 GAP-1 and GAP-2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from refrain.clinical.analytes import CATALOGUE
from refrain.clinical.interpretation import ABNORMAL, GROUPS
from refrain.contracts.events import BaselineFlag, Recheck
from services.response.domain.facts import AWAITS_REVIEW, CourseFacts, Result
from services.response.domain.series import Window

STILL_CAME = AWAITS_REVIEW | {"SPECIMEN_UNKNOWN", "INTERFERENCE_BEVACIZUMAB"}
"""Holds of a result that is flagged and shown all the same: abnormal is abnormal, and a repeat is a repeat."""


def baseline_draw(facts: CourseFacts, window: Window) -> tuple[datetime | None, tuple[BaselineFlag, ...]]:
    """The last date of collection before the first dose, and every abnormal result of that date."""
    before = [result for result in facts.results if window.baseline(result.day) and _done(result)]
    if not before:
        return None, ()
    last = max(result.day for result in before)
    draw = [result for result in before if result.day == last]
    flags = tuple(_flag(result) for result in draw if _abnormal(result))
    return max(result.collected_at for result in draw), tuple(
        sorted(flags, key=lambda flag: (flag.analyte, flag.result))
    )


def _flag(result: Result) -> BaselineFlag:
    return BaselineFlag(
        analyte=result.analyte, result=result.id, interpretation=_codes(result), text=result.text(),
        version=result.view.observation.version, collected_at=result.collected_at, issued_at=result.issued_at,
    )  # fmt: skip


def _codes(result: Result) -> tuple[str, ...]:
    """Our codes, and the laboratory's where it is the more severe one."""
    others = (code for code in result.view.interpretation if GROUPS.get(code) != "normality")
    return tuple(sorted({*others, *([result.normality] if result.normality else [])}))


def _abnormal(result: Result) -> bool:
    return bool(result.analyte) and result.normality in ABNORMAL


def rechecks(facts: CourseFacts, window: Window) -> tuple[Recheck, ...]:
    """What is due in a line, repeated or not, by analyte."""
    due = [*_abnormal_at_baseline(facts, window), *_urine_immunofixation(facts, window)]
    return tuple(sorted(due, key=lambda recheck: (recheck.analyte, recheck.rule)))


def _abnormal_at_baseline(facts: CourseFacts, window: Window) -> Iterator[Recheck]:
    """GAP-1: abnormal at baseline and to be rechecked; a repeat on the due day itself is in time."""
    due_on = window.line.first_dose + timedelta(days=facts.site.gap_recheck_days)
    if window.line.end is not None and window.line.end <= due_on:
        return
    newest = {result.analyte: result for result in facts.results if window.baseline(result.day) and _done(result)}
    for analyte, result in newest.items():
        entry = CATALOGUE.get(analyte)
        if entry is None or not entry.recheck or not _abnormal(result):
            continue
        repeats = [each for each in facts.of(analyte) if window.during(each.day) and _done(each)]
        yield _recheck(facts, analyte, "GAP-1", due_on, result, repeats)


def _urine_immunofixation(facts: CourseFacts, window: Window) -> Iterator[Recheck]:
    """GAP-2: the first negative serum immunofixation of a line without a urine one in the 42 days before it."""
    serum = [each for each in facts.of("IFE_S") if window.during(each.day) and each.usable]
    first = next((each for each in serum if each.view.nominal == "NEG"), None)
    if first is None:
        return
    since = first.day - timedelta(days=facts.site.crh_ife_pair_days)
    urine = [each for each in facts.of("IFE_U") if _done(each) and each.day >= since]
    if any(each.day <= first.day for each in urine):
        return
    repeats = [each for each in urine if window.during(each.day)]
    yield _recheck(facts, "IFE_U", "GAP-2", first.day, first, repeats)


def _done(result: Result) -> bool:
    """Final with a value, even where a person still has to look at it or no response may use it."""
    return result.usable or set(result.excluded) <= STILL_CAME


def _recheck(
    facts: CourseFacts, analyte: str, rule: str, due_on: date, opened_by: Result, repeats: list[Result]
) -> Recheck:
    repeated = min(repeats, key=lambda each: (each.issued_at, each.id), default=None)
    not_before = opened_by.issued_at if rule == "GAP-2" else None
    due_at = next(
        (
            at for at in facts.moments
            if facts.day(at) >= due_on and (not_before is None or at >= not_before)
            and not (repeated is not None and repeated.issued_at <= at)
        ),
        None,
    )  # fmt: skip
    return Recheck.model_validate(
        {
            "analyte": analyte, "rule": rule, "due_on": due_on, "due_at": due_at, "opened_by": opened_by.id,
            "repeated_by": repeated.id if repeated else None,
        }
    )  # fmt: skip
