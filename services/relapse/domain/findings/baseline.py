"""ABNORMAL_SUMMARY: what was abnormal at the last draw before a line's first dose, told once per line."""

from __future__ import annotations

from collections.abc import Iterator

from refrain.contracts.alerting import Finding
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course
from services.relapse.domain.priority import P3


def summary(course: Course) -> Iterator[Finding]:
    """One notice per line, without an opener: a later baseline draw or a correction amends it."""
    for line in course.lines:
        abnormal = line.course.baseline_abnormal if line.course else ()
        if not abnormal:
            continue
        analytes = sorted({flag.analyte for flag in abnormal})
        evidence = course.evidence(flag.result for flag in abnormal)
        yield Finding(
            kind="ABNORMAL_SUMMARY", tier=P3.tier, subject="baseline panel", opener="", text=wording.summary(analytes),
            at=course.at(evidence), rule=rules.SUMMARY, evidence=evidence, line=line.number, notice=True,
            state="closed", subjects=tuple(analytes),
        )  # fmt: skip
