"""Questions about a band: a second clone, or an antibody drug that looks like one (clinical.md 13.1, HEM-8)."""

from __future__ import annotations

from collections.abc import Iterator

from refrain.contracts.alerting import Finding
from refrain.contracts.events import Assessment
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course, Line, counted
from services.relapse.domain.findings.ladder_alerts import LINE_CLOSED
from services.relapse.domain.findings.spans import Effect, Span, spans
from services.relapse.domain.priority import DQ, P2_72

IMMUNOFIXATIONS = ("IFE_S", "IFE_U")
NOT_THE_CLONE = "negative, or typed as the clone"
TYPED = "negative, or typed"


def new_clone(course: Course) -> Iterator[Finding]:
    """HEM-8: another isotype that is no drug band, or a chain unstated off exposure; after the line's first dose."""

    def effect(each: Assessment) -> Effect:
        if each.state == "POS_OTHER" or (each.state == "POS_UNTYPED" and not _may_be_drug(course, each)):
            return "opens"
        return "closes" if each.state in ("NEG", "POS") else None

    for line in course.lines:
        for analyte in IMMUNOFIXATIONS:
            for span in spans(_bands(line, analyte), effect):
                yield _new_clone(course, line, analyte, span)


def drug_band(course: Course) -> Iterator[Finding]:
    """13.1: a band on an antibody drug that may be the drug. One query at a time; NEG, typing or DIRA closes it."""

    def effect(each: Assessment) -> Effect:
        if each.state in ("POS_DRUG_SUSPECTED", "POS_INDISTINGUISHABLE"):
            return "opens"
        if each.state == "POS_UNTYPED":
            return "opens" if _may_be_drug(course, each) else None
        return "closes" if each.state in ("NEG", "POS", "POS_OTHER") else None

    for line in course.lines:
        for analyte in IMMUNOFIXATIONS:
            for span in spans(_bands(line, analyte), effect):
                yield _drug_band(course, line, analyte, span)


def _may_be_drug(course: Course, each: Assessment) -> bool:
    """Whether an untyped band may be the drug's: on exposure, and no stated chain contradicts IgG-kappa."""
    heavy, light = (each.isotype.heavy, each.isotype.light) if each.isotype else (None, None)
    return heavy in (None, "IgG") and light in (None, "kappa") and course.on_band_drug(each.day)


def _bands(line: Line, analyte: str) -> tuple[Assessment, ...]:
    """One immunofixation over all its series in the line, oldest first."""
    found = {each.result: each for t in line.trajectories if t.analyte == analyte for each in counted(t)}
    return tuple(sorted(found.values(), key=lambda each: (each.day, each.collected_at, str(each.result))))


def _new_clone(course: Course, line: Line, analyte: str, span: Span) -> Finding:
    evidence = course.evidence(each.result for each in span.results)
    because = _because(line, span, NOT_THE_CLONE)
    return Finding(
        kind="NEW_CLONE_QUERY", tier=P2_72.tier, due_hours=P2_72.due_hours, subject=analyte,
        opener=str(span.opener.result), text=wording.alert(wording.NEW_CLONE, P2_72, wording.NEW_CLONE_DO),
        at=course.at(evidence), rule=rules.NEW_CLONE, evidence=evidence, line=line.number,
        state="closed" if because else "open", closed_because=because, episode=f"clone {span.opener.result}",
        covers=span.covers,
    )  # fmt: skip


def _drug_band(course: Course, line: Line, analyte: str, span: Span) -> Finding:
    untyped = span.held_by[-1].state == "POS_UNTYPED"
    what = wording.UNTYPED_BAND if untyped else wording.DRUG_BAND
    do = wording.UNTYPED_BAND_DO if untyped else wording.DRUG_BAND_DO
    evidence = course.evidence(each.result for each in span.results)
    because = _because(line, span, TYPED)
    return Finding(
        kind="IFE_DRUG_QUERY", tier=DQ.tier, due_hours=DQ.due_hours, subject=analyte,
        opener=str(span.opener.result), text=wording.alert(what, DQ, do), at=course.at(evidence),
        rule=rules.DRUG_BAND, evidence=evidence, line=line.number, state="closed" if because else "open",
        closed_because=because, episode=f"band {span.opener.result}", covers=span.covers,
    )  # fmt: skip


def _because(line: Line, span: Span, closed: str) -> str:
    return closed if span.closed_by else LINE_CLOSED if line.closed else ""
