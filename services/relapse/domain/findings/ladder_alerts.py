"""Alerts of the four ladders: a watch, its confirmation, and what stands at once (clinical.md 12.2 to 12.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from refrain.contracts.alerting import Finding
from refrain.contracts.events import RuleRef
from services.relapse.domain import rules, wording
from services.relapse.domain.course import Course
from services.relapse.domain.ladder import Ladder, Ladders
from services.relapse.domain.priority import P2_24, P2_72, ladder_urgency
from services.relapse.domain.series import Episode

WATCH_KIND = {"VEGF": "VEGF_RISE_WATCH", "HEMATOLOGIC": "HEMATOLOGIC_RISE_WATCH"}
CONFIRMED_KIND = {
    "VEGF": "VEGF_PROGRESSION_CONFIRMED",
    "HEMATOLOGIC": "HEMATOLOGIC_RELAPSE_CONFIRMED",
    "PET": "RADIOGRAPHIC_RELAPSE",
    "CLINICAL": "CLINICAL_RELAPSE",
}
CONFIRMED_TEXT = {
    "VEGF": wording.VEGF_CONFIRMED,
    "HEMATOLOGIC": wording.HEMATOLOGIC_CONFIRMED,
    "PET": wording.RADIOGRAPHIC,
    "CLINICAL": wording.CLINICAL,
}

LINE_CLOSED = "the line is closed"
AGREES = "the next sample agrees: confirmed"
DOES_NOT_AGREE = "the next sample does not agree"
OVERTAKEN = "confirmed in another series"


def ladder_alerts(course: Course, ladders: Ladders) -> Iterator[Finding]:
    """Every episode of every ladder: its watch, what resolved it, or its confirmation."""
    for four in ladders.values():
        multi_axis = sum(ladder.active for ladder in four) > 1
        for ladder in four:
            for episode in ladder.episodes:
                if ladder.axis in WATCH_KIND:
                    yield _watch(course, ladder, episode, multi_axis=multi_axis and ladder.active)
                if episode.state == "CONFIRMED":
                    yield _confirmed(course, ladder, episode, multi_axis=multi_axis and ladder.active)
                if episode.state == "RESOLVED":
                    yield _resolved(course, ladder, episode)


def _watch(course: Course, ladder: Ladder, episode: Episode, *, multi_axis: bool) -> Finding:
    met = episode.met[:-1] if episode.state == "CONFIRMED" else episode.met
    urgency = ladder_urgency(P2_72, multi_axis=multi_axis, infection=episode.deferred)
    what, look_for = _seen(ladder, episode)
    context = [wording.IN_INFECTION] * episode.deferred + [wording.STALLED] * (episode.state == "STALLED")
    context += [wording.MULTI_AXIS] * multi_axis
    because = _why_closed(ladder, episode)
    text = wording.alert(what, urgency, wording.repeat(course.site, look_for), context)
    tags = ["confirmation_deferred:INFECTION"] * (episode.deferred and len(met) > 1)
    tags += ["in_infection_window"] * episode.deferred + ["stalled"] * (episode.state == "STALLED")
    evidence = course.evidence([*episode.basis, *(sample.result for sample in met)])
    return Finding(
        kind=WATCH_KIND[ladder.axis], tier=urgency.tier, due_hours=urgency.due_hours, subject=ladder.axis,
        opener=str(episode.opener.result), text=text, at=course.at(evidence), rule=_rule(ladder, episode),
        evidence=evidence, line=ladder.line, state="closed" if because else "open", closed_because=because,
        episode=_episode(episode), covers=_covers(episode), tags=_tags(episode, tags, multi_axis=multi_axis),
    )  # fmt: skip


def _confirmed(course: Course, ladder: Ladder, episode: Episode, *, multi_axis: bool) -> Finding:
    urgency = ladder_urgency(P2_24, multi_axis=multi_axis, infection=False)
    text = wording.alert(CONFIRMED_TEXT[ladder.axis], urgency, wording.REVIEW_LINE, [wording.MULTI_AXIS] * multi_axis)
    evidence = course.evidence([*episode.basis, *(sample.result for sample in episode.met)])
    return Finding(
        kind=CONFIRMED_KIND[ladder.axis], tier=urgency.tier, due_hours=urgency.due_hours, subject=ladder.axis,
        opener=str(episode.opener.result), text=text, at=course.at(evidence), rule=_rule(ladder, episode),
        evidence=evidence, line=ladder.line, state="closed" if ladder.closed else "open",
        closed_because=LINE_CLOSED if ladder.closed else "", episode=_episode(episode), covers=_covers(episode),
        tags=_tags(episode, _late(course, ladder, episode), multi_axis=multi_axis),
    )  # fmt: skip


def _resolved(course: Course, ladder: Ladder, episode: Episode) -> Finding:
    """The notice that a watch is over; it is told only where the watch itself was (see the judgement)."""
    evidence = course.evidence([*(sample.result for sample in episode.met), episode.judged.result])
    return Finding(
        kind="WATCH_RESOLVED", tier="P3", subject=ladder.axis, opener=str(episode.opener.result),
        text=f"{ladder.axis}: {wording.WATCH_RESOLVED}", at=course.at(evidence), rule=rules.LADDER,
        evidence=evidence, line=ladder.line, state="closed", closed_because=LINE_CLOSED if ladder.closed else "",
        episode=_episode(episode), covers=_covers(episode),
    )  # fmt: skip


def _why_closed(ladder: Ladder, episode: Episode) -> str:
    """Why a watch is no longer open; empty while it is."""
    match episode.state:
        case "CONFIRMED":
            return AGREES
        case "RESOLVED":
            return DOES_NOT_AGREE
        case "WATCH" | "STALLED":
            return LINE_CLOSED if ladder.closed else OVERTAKEN if episode.overtaken else ""


def _seen(ladder: Ladder, episode: Episode) -> tuple[str, str]:
    """What a watch has seen, and what else to look for."""
    if ladder.axis == "VEGF":
        return wording.VEGF_HAS_RISEN, wording.LOOK_FOR_VEGF
    analytes = {sample.analyte for sample in episode.met}
    by_band, by_protein = any(name.startswith("IFE_") for name in analytes), "MPROT_S" in analytes
    seen = [wording.M_PROTEIN_HAS_RISEN] * (by_protein or not by_band) + [wording.BAND_MAY_BE_BACK] * by_band
    return " ".join(seen), wording.LOOK_FOR_BAND


def _rule(ladder: Ladder, episode: Episode) -> RuleRef:
    match ladder.axis:
        case "VEGF":
            return rules.VEGF_RISE
        case "PET":
            return rules.PET_PROGRESSION
        case "CLINICAL":
            return rules.CLINICAL_WORSENING
        case "HEMATOLOGIC":
            return rules.BAND_BACK if episode.opener.analyte.startswith("IFE_") else rules.M_PROTEIN_RISE


def _late(course: Course, ladder: Ladder, episode: Episode) -> list[str]:
    """CONF-7: still confirmed, but the two samples lie far apart."""
    apart = episode.met[-1].day - episode.met[-2].day if len(episode.met) > 1 else timedelta(0)
    late = ladder.axis in WATCH_KIND and apart > timedelta(days=course.site.confirm_late_days)
    return ["LATE_CONFIRMATION"] * late


def _tags(episode: Episode, tags: list[str], *, multi_axis: bool) -> tuple[str, ...]:
    caveats = {caveat for sample in episode.met for caveat in sample.caveats}
    return tuple(sorted({*tags, *caveats, *(["multi_axis"] * multi_axis)}))


def _episode(episode: Episode) -> str:
    return f"ladder {episode.opener.result}"


def _covers(episode: Episode) -> tuple[str, ...]:
    """What may have opened the episode before an earlier sample, or a worse one of its date, became known."""
    others = (result for sample in episode.met for result in sample.stands_for)
    return (*(str(sample.result) for sample in episode.met[1:]), *(str(result) for result in others))
