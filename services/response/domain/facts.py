"""What counts: of every result the version that stands, as flagging saw it last, and when each fact became known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from refrain.clinical.interpretation import for_alerting
from refrain.clinical.threevalued import Span, Truth, every, exceeds, falls_below, negation
from refrain.clinical.versions import current
from refrain.contracts.care import Line, current_care_events, exposed, in_infection_window, lines
from refrain.contracts.events import CareEvent, Event, FlaggedObservation, FlaggedReport, PatientId, Processing
from refrain.contracts.site import SiteSettings

NO_RESULT = frozenset({"none", "pending", "unobtainable", "withdrawn"})
"""Status classes that carry no value (clinical.md 5.2)."""
AWAITS_REVIEW = frozenset({"REVIEW_PENDING", "DQ_DELTA"})
"""Holds that a person or a second sample can lift."""
BEVACIZUMAB = frozenset({"bevacizumab"})
M_PROTEIN = frozenset({"MPROT_S", "MPROT_U24"})


@dataclass(frozen=True, slots=True)
class Result:
    """One result that stands: its counting version as flagged, its date, and why it may not be used, if so."""

    view: FlaggedObservation
    analyte: str
    day: date
    """Calendar date of collection in the site's zone (clinical.md SER-5)."""
    excluded: tuple[str, ...]
    order: str = ""

    @property
    def id(self) -> UUID:
        return self.view.observation.result

    @property
    def series(self) -> str:
        return self.view.series or ""

    @property
    def collected_at(self) -> datetime:
        return self.view.observation.collected_at

    @property
    def issued_at(self) -> datetime:
        return self.view.observation.issued_at

    @property
    def usable(self) -> bool:
        return not self.excluded

    @property
    def awaits_review(self) -> bool:
        return bool(AWAITS_REVIEW & set(self.excluded))

    @property
    def bounds(self) -> Span | None:
        """Where the value lies, canonical unit. "Not detected" on an M-protein is 0 (clinical.md HEM-3, NAD-3)."""
        if self.view.number is not None:
            return Span.of(self.view.number, self.view.comparator)
        if self.analyte in M_PROTEIN and self.view.nominal == "NEG":
            return Span.of(Decimal(0))
        return None

    @property
    def normality(self) -> str | None:
        """Ours or the laboratory's, whichever is more severe: what alerting goes by (INT-5), never grading."""
        return for_alerting(self.view.interpretation, self.view.observation.reported_flags)

    def above(self) -> Truth:
        """Above its own interval; a limit printed ``<b`` is itself outside (clinical.md R-2). None: cannot say."""
        if (bounds := self.bounds) is None or self.view.high is None:
            return None
        return exceeds(bounds, Span.of(self.view.high), or_equal=self.view.high_inclusive is False)

    def below(self) -> Truth:
        """Below its own interval; false where the interval has no lower end."""
        bounds, view = self.bounds, self.view
        if bounds is None or (view.low is None and view.high is None):
            return None
        if view.low is None:
            return False
        return falls_below(bounds, Span.of(view.low), or_equal=view.low_inclusive is False)

    def inside(self) -> Truth:
        if self.view.low is None and self.view.high is None:
            return None
        above = False if self.view.high is None and self.bounds is not None else self.above()
        return every((negation(above), negation(self.below())))

    def text(self) -> str:
        """Value and unit for a person, e.g. ``42.35 pg/mL``, ``<5 pg/mL``, ``POS IgG``."""
        view = self.view
        if view.number is not None:
            return f"{view.comparator or ''}{format(view.number, 'f')} {view.unit or ''}".strip()
        chains = view.observation.isotype
        named = (chains.heavy, chains.light) if chains else ()
        return " ".join(part for part in (view.nominal or view.observation.value.text, *named) if part)


@dataclass(frozen=True, slots=True)
class CourseFacts:
    """One patient's facts, ready to be judged."""

    patient: PatientId
    results: tuple[Result, ...]
    """Of each result the version that stands, oldest collection first."""
    care: tuple[CareEvent, ...]
    lines: tuple[Line, ...]
    moments: tuple[datetime, ...]
    """When facts that still stand became known, ascending; ``as_of`` is the last."""
    as_of: datetime | None
    """Latest ``issued_at`` (or ``known_from``) of all facts, or a later time asked for; None before the first."""
    revision: int
    """Grows with every fact, also when a view takes the place of an older one."""
    processing: Processing
    site: SiteSettings

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.time_zone)

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def in_infection_window(self, day: date) -> bool:
        """Whether a VEGF of this day confirms no rise (clinical.md 13.4)."""
        return in_infection_window(self.care, day, self.site.infection_window_days)

    def of(self, *analytes: str) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.analyte in analytes)


def gather(
    facts: Sequence[FlaggedReport | CareEvent], site: SiteSettings, until: datetime | None = None
) -> CourseFacts:
    """Sort out what counts. ``facts`` of one patient, at least one, in any order, repeats allowed.

    ``until`` moves ``as_of`` on to a time after the newest fact (answers 19); an earlier one changes nothing.
    """
    care = [fact for fact in facts if isinstance(fact, CareEvent)]
    standing = current_care_events(care)
    reports, processing = _live([fact for fact in facts if isinstance(fact, FlaggedReport)])
    zone = ZoneInfo(site.time_zone)
    newest = _newest_views(reports)
    results = tuple(
        sorted(_results(newest.values(), standing, site, zone), key=lambda result: (result.collected_at, result.id))
    )
    issued = [view.observation.issued_at for _, view in newest.values()]
    known = [*issued, *(event.known_from for event in care if event.known_from), *((until,) if until else ())]
    as_of = max(known, default=None)
    moments = {result.issued_at for result in results} | {event.known_from for event in standing if event.known_from}
    return CourseFacts(
        patient=facts[0].patient,
        results=results,
        care=standing,
        lines=lines(standing),
        moments=tuple(sorted(moments | ({as_of} if as_of else set()))),
        as_of=as_of,
        revision=_revision(facts),
        processing=processing,
        site=site,
    )


def whole(facts: Sequence[Event]) -> bool:
    """Whether every view of flagging's newest decision is among the facts.

    Flagging tells one decision in several records. Between them a corrected result counts nowhere: judged there, a
    course would lose a value for a moment, and an alert would be taken back that stands.
    """
    views = [fact for fact in facts if isinstance(fact, FlaggedReport)]
    last = max((view.revision for view in views), default=0)
    newest = {view.report: view.issued_together for view in views if view.revision == last}
    return len(newest) >= max(newest.values(), default=0)


def _revision(facts: Sequence[FlaggedReport | CareEvent]) -> int:
    """Care events, plus of every report the number of its newest view.

    A ledger keeps only the newest view of a report, so the plain number of facts would stand still when a
    view is issued again, and two snapshots would have one revision.
    """
    care = {fact.event_id for fact in facts if isinstance(fact, CareEvent)}
    views: dict[UUID, int] = {}
    for fact in facts:
        if isinstance(fact, FlaggedReport):
            views[fact.report] = max(views.get(fact.report, 0), fact.revision)
    return len(care) + sum(views.values())


def _live(reports: Sequence[FlaggedReport]) -> tuple[Sequence[FlaggedReport], Processing]:
    """Reports of a test feed never touch the course of a patient who has live ones."""
    live = [report for report in reports if report.processing == "live"]
    if live or not reports:
        return live, "live"
    return reports, min(report.processing for report in reports)


def _newest_views(reports: Iterable[FlaggedReport]) -> dict[UUID, tuple[FlaggedReport, FlaggedObservation]]:
    """Of each observation version the view of the highest translation, then revision (answers 9 and 10)."""
    newest: dict[UUID, tuple[FlaggedReport, FlaggedObservation]] = {}
    for report in reports:
        for view in report.observations:
            known = newest.get(view.observation.version)
            if known is None or _precedence(report) > _precedence(known[0]):
                newest[view.observation.version] = (report, view)
    return newest


def _precedence(report: FlaggedReport) -> tuple[int, int, UUID]:
    return report.translation, report.revision, report.event_id


def _results(
    views: Iterable[tuple[FlaggedReport, FlaggedObservation]],
    care: Sequence[CareEvent],
    site: SiteSettings,
    zone: ZoneInfo,
) -> Iterator[Result]:
    by_result: dict[UUID, dict[UUID, tuple[FlaggedReport, FlaggedObservation]]] = {}
    for report, view in views:
        by_result.setdefault(view.observation.result, {})[view.observation.version] = (report, view)
    for chain in by_result.values():
        counting = current([view.observation for _, view in chain.values()])
        if counting is None or counting.status_class in NO_RESULT:
            continue
        report, view = chain[counting.version]
        day = counting.collected_at.astimezone(zone).date()
        analyte = counting.analyte or ""
        excluded = () if view.usable else (view.held or ("NOT_USABLE",))
        if analyte == "VEGF" and exposed(care, BEVACIZUMAB, day, site.washout_bevacizumab_days):
            excluded = (*excluded, "INTERFERENCE_BEVACIZUMAB")
        yield Result(view, analyte, day, excluded, report.order.filler)
