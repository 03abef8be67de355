"""What relapse can find, written out: this list is what a clinician signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refrain.contracts.alerting import Finding
from services.relapse.domain.course import Course
from services.relapse.domain.findings.bands import drug_band, new_clone
from services.relapse.domain.findings.baseline import summary
from services.relapse.domain.findings.gaps import rechecks, watch_gaps
from services.relapse.domain.findings.ladder_alerts import ladder_alerts
from services.relapse.domain.findings.response_notices import losses, upgrades, withdrawn
from services.relapse.domain.findings.safety import igg_low, treatable
from services.relapse.domain.ladder import Ladders

FROM_COURSE: tuple[Callable[[Course], Iterator[Finding]], ...] = (
    upgrades,
    withdrawn,
    igg_low,
    treatable,
    new_clone,
    drug_band,
    summary,
    rechecks,
)
"""Findings that need the course only."""

FROM_LADDERS: tuple[Callable[[Course, Ladders], Iterator[Finding]], ...] = (
    ladder_alerts,
    losses,
    watch_gaps,
)
"""Findings that need the ladders too."""


def findings(course: Course, ladders: Ladders) -> tuple[Finding, ...]:
    """Every alert that a course calls for, history included."""
    of_ladders = [finding for find in FROM_LADDERS for finding in find(course, ladders)]
    return (*of_ladders, *(finding for find in FROM_COURSE for finding in find(course)))
