"""The hematologic axis (clinical.md 11.1): the line walked day by day, told as it stands after the newest sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

from refrain.clinical.poems import NOTHING_PROVEN
from refrain.contracts.events import Axis, LevelState, Trajectory, Upgrade
from refrain.contracts.site import SiteSettings
from services.response.domain.bands import BandReader
from services.response.domain.complete_response import Complete, Tracks, complete
from services.response.domain.components import Track
from services.response.domain.confirmation import PROGRESSION, UNGRADED, Confirmed, Graded, confirmed_at, shown
from services.response.domain.facts import CourseFacts, Result
from services.response.domain.hematologic_trajectories import Levels, component_trajectory, m_trajectory
from services.response.domain.m_protein import MGrade, MSample, grade, m_samples, source_analyte, summed_spikes
from services.response.domain.rulesets.model import RuleSet
from services.response.domain.series import Mark, Series, Window, series_of
from services.response.domain.verdict import Best, assessability, ids, no_call, once, percent

LEVELS = ("NRH", "PRH", "VGPRH", "CRH")
"""By rank. A rule set without VGPRH simply never reaches it."""
RANK = {NOTHING_PROVEN: UNGRADED, "PDH": PROGRESSION, **{level: rank for rank, level in enumerate(LEVELS)}}
COMPONENTS = {"IFE_S": "IFE_S", "IFE_U": "IFE_U", "BM_FLOW": "MARROW"}
"""Analyte to component."""
TOTAL_IG = ("IGG", "IGA", "IGM")


@dataclass(frozen=True, slots=True)
class HematologicCourse:
    axis: Axis
    trajectories: tuple[Trajectory, ...]
    upgrades: tuple[Upgrade, ...]
    withdrawn: tuple[UUID, ...]
    """Results that took an unconfirmed candidate back (HEM-7)."""


@dataclass(frozen=True, slots=True)
class Told:
    """The axis after one day's samples."""

    as_of: Result
    call: str | None
    candidate: str | None
    reasons: tuple[str, ...]
    levels: dict[str, LevelState]
    confirmed: Confirmed | None
    crh: Complete
    m: MSample | None
    why_not: dict[str, str]


@dataclass(slots=True)
class Walk:
    """State while the line is walked; a fresh one per judgement."""

    rules: RuleSet
    site: SiteSettings
    reader: BandReader
    absent: tuple[Mark | None, tuple[str, ...]]
    """M-protein baseline, or why there is none, while no sample has come in the line."""
    tracks: Tracks
    best: Best = field(default_factory=lambda: Best("HEMATOLOGIC", LEVELS))
    m: MSample | None = None
    chains: dict[str, list[Graded]] = field(default_factory=dict)
    rises: dict[str, list[Graded]] = field(default_factory=dict)
    levels: Levels = field(default_factory=dict)
    withdrawn: list[UUID] = field(default_factory=list)
    told: Told | None = None

    def day(self, samples: Sequence[Result | MSample]) -> None:
        """Take in one day's representatives and judge the axis anew."""
        last: Result | None = None
        for sample in samples:
            if isinstance(sample, MSample):
                self.m, last = sample, sample.sample
            else:
                self._component(sample)
                last = sample
        graded = self._grade()
        if any(isinstance(sample, MSample) for sample in samples):
            self._remember(graded)
        crh = complete(self.tracks, self.site, rank=RANK["CRH"], clone_known=self.reader.clone is not None)
        if last is not None:
            self.told = self._tell(last, crh, graded)

    def _component(self, sample: Result) -> None:
        step = self.tracks[COMPONENTS[sample.analyte]].add(sample)
        if step.withdraws and self.told is not None and "CRH" in (self.told.candidate, self.told.call):
            self.withdrawn.append(sample.id)

    def _grade(self) -> MGrade:
        current = self.tracks["IFE_S"].current
        serum = current.reading if current else None
        if self.m is None:
            return grade(None, *self.absent, serum, self.rules)
        return grade(self.m.sample, self.m.baseline, self.m.obstacles, serum, self.rules)

    def _remember(self, graded: MGrade) -> None:
        """Put the day's M-protein into its chains; what it confirms may be a new best."""
        if self.m is None:
            return
        sample, key = self.m.sample, self.m.series.key
        if self.m.p is not None:
            self.rises.setdefault(key, []).append(Graded(sample, PROGRESSION if self.m.p else 0))
        level = "PDH" if self.m.p else (NOTHING_PROVEN if graded.below else graded.call)
        if level is None or not (self.m.p or (self.m.p is False and (graded.decided or graded.below))):
            return
        chain = self.chains.setdefault(key, [])
        chain.append(Graded(sample, RANK[level]))
        self.levels[sample.id] = level
        step = confirmed_at(chain, len(chain) - 1, self.site.confirm_late_days)
        if step is not None and step.rank >= 0:
            self.best.reach(step)

    def _tell(self, last: Result, crh: Complete, graded: MGrade) -> Told:
        levels: dict[str, LevelState] = {"CRH": crh.state, **graded.levels}
        why_not = {"CRH": crh.why_not} if crh.truth is not True else {}
        why_not |= graded.why_not
        if self.m is not None and self.m.nadir is not None and self.m.sample.usable and not self.m.p:
            rise = "may or may not be" if self.m.p is None else "is not"
            why_not["PDH"] = f"{self.m.sample.text()} {rise} a quarter and 5 g/L over the nadir"
        rising = self._rising()
        call = "PDH" if rising else ("CRH" if crh.truth else graded.call)
        candidate, reasons = self._open(call, crh, graded)
        confirmed = self._confirmed(call, crh)
        if call == "CRH":
            self._complete(crh)
        return Told(last, call, candidate, reasons, levels, confirmed, crh, self.m, why_not)

    def _rising(self) -> bool:
        steps = [track.current for track in self.tracks.values() if track.current]
        return bool(self.m and self.m.p) or any(step.p is True for step in steps)

    def _open(self, call: str | None, crh: Complete, graded: MGrade) -> tuple[str | None, tuple[str, ...]]:
        """The best level still possible, and the reasons of every level better than the call (HEM-1)."""
        if call in ("PDH", "CRH"):
            return None, ()
        names = ["CRH", *graded.levels]
        better = names[: names.index(call)] if call in names else names
        open_levels = [
            name for name in better
            if (crh.possible if name == "CRH" else graded.levels[name] in ("INCOMPLETE", "INDETERMINATE"))
        ]  # fmt: skip
        reasons = list(crh.reasons) if "CRH" in better else []
        for name in better[1:] if call is None else [one for one in open_levels if one != "CRH"]:
            reasons += graded.reasons[name]
        return next(iter(open_levels), None), once(reasons)

    def _confirmed(self, call: str | None, crh: Complete) -> Confirmed | None:
        if call == "CRH":
            return crh.confirmed
        found: list[Confirmed | None] = []
        if call == "PDH":
            found = [track.progression() for track in self.tracks.values()]
        if self.m is not None and call is not None and (call != "PDH" or self.m.p):
            chain = (self.rises if call == "PDH" else self.chains).get(self.m.series.key, [])
            if chain and chain[-1].sample.id == self.m.sample.id:
                found.append(shown(chain, len(chain) - 1, self.site.confirm_late_days))
        known = [each for each in found if each is not None]
        return min(known, key=lambda each: (each.sample.collected_at, each.sample.id), default=None)

    def _complete(self, crh: Complete) -> None:
        serum = self.tracks["IFE_S"].current
        if serum is not None:
            self.levels[serum.sample.id] = "CRH"
        if crh.confirmed is not None:
            self.best.hold(RANK["CRH"], crh.confirmed.sample, crh.confirmed.by, crh.evidence)


def hematologic_course(facts: CourseFacts, window: Window, rules: RuleSet) -> HematologicCourse:
    """Axis, trajectories, upgrades and withdrawn candidates of one line."""
    site, reader = facts.site, BandReader.of(facts.care, facts.site)
    analyte = source_analyte(window.line.m_component_source)
    m_series = series_of(summed_spikes(facts.of(analyte)), window) if analyte else ()
    parts = series_of(facts.of(*COMPONENTS), window, reader.severity)
    tracks = {name: Track(reader, name == "MARROW", site.confirm_late_days) for name in COMPONENTS.values()}
    walk = Walk(rules, site, reader, _absent(m_series), tracks)
    samples = m_samples(m_series, window)
    for _, day in groupby(_in_order(samples, parts, reader), key=lambda each: _result(each).day):
        walk.day(tuple(day))
    axis = _axis(walk, facts, window, analyte)
    return HematologicCourse(
        axis=axis,
        trajectories=(
            *(m_trajectory(series, m_series, samples, walk.chains.get(series.key, []), walk.levels, window)
              for series in m_series),
            *(component_trajectory(series, parts, tracks[COMPONENTS[series.analyte]], walk.levels, window)
              for series in parts),
        ),
        upgrades=tuple(walk.best.upgrades),
        withdrawn=tuple(walk.withdrawn),
    )  # fmt: skip


def _absent(series: Sequence[Series]) -> tuple[Mark | None, tuple[str, ...]]:
    """The newest baseline while the line has no M-protein of its own."""
    known = [each.baseline for each in series if each.baseline is not None]
    newest = max(known, key=lambda result: (result.collected_at, result.id), default=None)
    mark = Mark.of(newest) if newest else None
    if mark is not None:
        return mark, ()
    pending = any(result.awaits_review for each in series for result in each.results)
    return None, ("REVIEW_PENDING",) if pending else ("BASELINE_NOT_QUANTIFIED",)


def _result(sample: Result | MSample) -> Result:
    return sample.sample if isinstance(sample, MSample) else sample


def _in_order(samples: Sequence[MSample], parts: Sequence[Series], reader: BandReader) -> Iterator[Result | MSample]:
    """By day; within a day the worse band later, so that it is the one that stands."""
    found: list[Result | MSample] = [*samples, *(result for series in parts for result in series.during)]

    def place(sample: Result | MSample) -> tuple[object, ...]:
        result = _result(sample)
        severity = -1 if isinstance(sample, MSample) else reader.severity(result)
        return result.day, severity, result.collected_at, result.analyte != "IFE_S", result.id

    yield from sorted(found, key=place)


# --- the axis after the newest sample ---


def _axis(walk: Walk, facts: CourseFacts, window: Window, analyte: str | None) -> Axis:
    told = walk.told
    if told is None:
        return _nothing(walk, facts, window)
    rule = walk.rules.rule(told.call, told.candidate, "NEH")
    baseline = told.m.baseline if told.m else walk.absent[0]
    running = told.m.running_nadir if told.m else None
    now = told.m.mark if told.m else None
    return Axis(
        axis="HEMATOLOGIC", as_of=told.as_of.id, call=told.call or "NEH", candidate=told.candidate,
        assessability=assessability(told.call is not None, told.reasons), reasons=told.reasons,
        confirmation="confirmed" if told.confirmed else "unconfirmed",
        confirmed_as_of=told.confirmed.sample.id if told.confirmed else None, levels=told.levels,
        components=told.crh.components, caveats=_caveats(told, walk, window, analyte), best_response=walk.best.level,
        baseline=baseline.point() if baseline else None, nadir=running.point() if running else None,
        nadir_confirmed=_nadir_confirmed(walk, running), percent_from_baseline=percent(now, baseline),
        percent_over_nadir=percent(now, running), last_assessable=_last_assessable(told, walk),
        rule_id=rule.id, rule_version=rule.version, source=rule.source, verification=rule.how_verified,
        evidence=ids(*told.crh.evidence, told.m.sample if told.m else None), why_not=told.why_not,
    )  # fmt: skip


def _nothing(walk: Walk, facts: CourseFacts, window: Window) -> Axis:
    """No sample of the axis in the line: not begun, nothing collected, or nothing but total immunoglobulin (HEM-9)."""
    rule = walk.rules.rule("NEH")
    begun = [result for result in facts.results if window.during(result.day)]
    totals = [result for result in begun if result.analyte in TOTAL_IG]
    baseline, obstacles = walk.absent
    if totals:
        axis = no_call("HEMATOLOGIC", rule, "TOTAL_IG_NOT_M_PROTEIN", *obstacles, call="NEH").model_copy(
            update={
                "as_of": totals[-1].id, "assessability": "NOT_ASSESSABLE", "evidence": (totals[-1].id,),
                "why_not": {"PRH": f"{totals[-1].text()} is total immunoglobulin, not M-protein"},
            }
        )  # fmt: skip
    else:
        axis = no_call("HEMATOLOGIC", rule, "NO_DATA", call="NEH" if begun else None)
    return axis.model_copy(update={"baseline": baseline.point() if baseline else None})


def _last_assessable(told: Told, walk: Walk) -> str | None:
    """After a switch of series, the last level of the M-protein in another one (SER-6)."""
    if told.m is None or "SERIES_CHANGED" not in told.m.obstacles:
        return None
    others = [graded for key, chain in walk.chains.items() if key != told.m.series.key for graded in chain]
    last = max(others, key=lambda graded: (graded.sample.collected_at, graded.sample.id), default=None)
    return walk.levels.get(last.sample.id) if last else None


def _nadir_confirmed(walk: Walk, nadir: Mark | None) -> bool | None:
    """Whether an assessment next to the nadir stayed in its response level (NAD-2)."""
    if nadir is None or walk.m is None:
        return None
    chain = walk.chains.get(walk.m.series.key, [])
    at = next((i for i, graded in enumerate(chain) if graded.sample.id == nadir.result), None)
    if at is None:
        return False
    return any(graded.rank == chain[at].rank for graded in (*chain[max(at - 1, 0) : at], *chain[at + 1 : at + 2]))


def _caveats(told: Told, walk: Walk, window: Window, analyte: str | None) -> tuple[str, ...]:
    found: list[str] = []
    for result in told.crh.evidence:
        found += result.view.caveats
    if told.m is not None:
        found += told.m.sample.view.caveats
        baseline = told.m.series.baseline
        if baseline is not None:
            found += baseline.view.caveats
            if baseline.day == window.line.first_dose:
                found.append("same_day_as_dose")
        if walk.reader.drug_spike(told.m.sample):
            found.append("INTERFERENCE_DARATUMUMAB")
        if analyte in TOTAL_IG:
            found.append("quantitative_ig_as_m")
    if told.confirmed is not None and told.confirmed.late:
        found.append("LATE_CONFIRMATION")
    return once(found)
