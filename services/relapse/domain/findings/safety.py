"""Findings that matter whatever the clone does: IgG so low that infections threaten, and a low vitamin B12."""

from __future__ import annotations

from collections.abc import Iterator

from refrain.clinical.threevalued import compare
from refrain.contracts.alerting import Finding
from refrain.contracts.events import Assessment, RuleRef
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course
from services.relapse.domain.findings.spans import Effect, Span, spans
from services.relapse.domain.priority import P2_72


def igg_low(course: Course) -> Iterator[Finding]:
    """R-12: IgG below 4 g/L (strict), once per episode, until 4.5 g/L or more. Never from a value under review."""

    def effect(each: Assessment) -> Effect:
        if each.number is None:
            return None
        if compare(each.number, each.comparator, "<", course.site.igg_safety_low):
            return "opens"
        again = compare(each.number, each.comparator, ">=", course.site.igg_safety_rearm)
        return "closes" if again and not each.excluded else None

    text = wording.alert(wording.IGG_LOW, P2_72, wording.IGG_LOW_DO)
    for span in spans(course.of_analyte("IGG"), effect):
        yield _finding(course, "IGG_LOW_SAFETY", "IGG", span, text, rules.IGG_LOW, "IgG is at or above the limit again")


def treatable(course: Course) -> Iterator[Finding]:
    """A low vitamin B12, until the first value inside its own interval (answers 16)."""

    def effect(each: Assessment) -> Effect:
        if each.below:
            return "opens"
        return "closes" if each.inside and not each.excluded else None

    text = wording.alert(wording.B12_LOW, P2_72, wording.B12_LOW_DO)
    for span in spans(course.of_analyte("B12"), effect):
        yield _finding(course, "TREATABLE_FINDING", "B12", span, text, rules.TREATABLE, "a value inside its interval")


def _finding(
    course: Course, kind: str, analyte: str, span: Span, text: str, rule: RuleRef, because: str
) -> Finding:  # fmt: skip
    evidence = course.evidence(each.result for each in span.results)
    return Finding(
        kind=kind, tier=P2_72.tier, due_hours=P2_72.due_hours, subject=analyte, opener=str(span.opener.result),
        text=text, at=course.at(evidence), rule=rule, evidence=evidence,
        state="closed" if span.closed_by else "open", closed_because=because if span.closed_by else "",
        covers=span.covers,
    )  # fmt: skip
