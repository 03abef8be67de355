"""``refrain assess``: flags, course and alerts of one timeline as one JSON object (a stable, additive output)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import Timeline, TimelineError, read_timeline
from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Axis,
    FlaggedObservation,
    LineCourse,
    Point,
)
from services.relapse.domain.ladder import ladders
from services.response.domain.rulesets import RULESETS

Json = dict[str, Any]
AXES = ("HEMATOLOGIC", "VEGF", "PET", "CLINICAL")
NOT_JUDGED_YET = ("imwg",)
"""Rule sets that a timeline may name and nothing judges yet: its axes then say RULE_SET_UNKNOWN."""
NOT_STARTED = {"vegf": "NONE", "hematologic": "NONE", "radiographic": "NONE", "clinical": "NONE"}


def assess(
    document: Mapping[str, Any], *, ruleset: str | None = None, until: date | None = None, as_received: bool = False
) -> Json:
    """Run the three pure steps over a timeline, and on to ``until`` if that is later than its newest fact.

    Raises :class:`refrain.cli.timeline.TimelineError`.
    """
    if ruleset is not None and ruleset not in (*RULESETS, *NOT_JUDGED_YET):
        raise TimelineError(f"rule set {ruleset!r} is not known; there are {', '.join(RULESETS)}")
    timeline = read_timeline(document, ruleset=ruleset, until=until, as_received=as_received)
    pipeline = Pipeline(timeline.site)
    course: list[Json] = []
    pipeline.add(timeline.standing)
    for moment in timeline.moments:
        pipeline.add(moment.facts)
        course.extend(_entries(pipeline, moment.at, timeline))
    if until is not None:
        course.extend(_waited(pipeline, until, timeline, course))
    views = sorted(
        pipeline.observations().values(), key=lambda view: (view.observation.collected_at, _name(view, timeline))
    )
    return {
        "flags": [_flag(view, timeline) for view in views],
        "course": course,
        "alerts": _alerts(pipeline.alerts, timeline),
        "quality": [note for view in views for note in _quality(view, timeline)],
    }


def _name(view: FlaggedObservation, timeline: Timeline) -> str:
    return timeline.names[view.observation.result]


def _flag(view: FlaggedObservation, timeline: Timeline) -> Json:
    seen, repaired = view.observation, view.observation.repaired
    return {
        "id": _name(view, timeline), "at": _when(seen.collected_at), "analyte": seen.analyte or seen.code,
        "value": view.nominal if view.number is None else _number(view.number),
        "unit": view.unit if view.number is not None else ("nominal" if view.nominal else None),
        "comparator": view.comparator, "interpretation": list(view.interpretation), "range_source": view.range_source,
        "low": _number(view.low), "high": _number(view.high), "low_inclusive": view.low_inclusive,
        "high_inclusive": view.high_inclusive, "reasons": list(view.reasons), "quality": list(view.quality),
        "tags": list(view.tags), "status": seen.status, "lab_interpretation": list(seen.reported_flags),
        "series": view.series, "usable": view.usable, "held": list(view.held), "caveats": list(view.caveats),
        "change_percent": _percent(view.change_percent),
        "repair": repaired.model_dump(mode="json") if repaired else None,
    }  # fmt: skip


def _quality(view: FlaggedObservation, timeline: Timeline) -> Iterator[Json]:
    """Notes on one result. Ids are unique: a second note of one kind is ``NAME/KIND/2``."""
    at, name = _when(view.observation.issued_at), _name(view, timeline)
    kinds: Counter[str] = Counter()
    for note in view.notes:
        kinds[note.kind] += 1
        again = f"/{kinds[note.kind]}" if kinds[note.kind] > 1 else ""
        yield {"id": f"{name}/{note.kind}{again}", "at": at, "kind": note.kind, "observation": name, "text": note.text}


def _waited(pipeline: Pipeline, until: date, timeline: Timeline, before: Sequence[Json]) -> list[Json]:
    """What a day without a new fact changes, such as a line that has ended: only entries that say something new."""
    at = datetime.combine(until, time(), tzinfo=timeline.zone).astimezone(UTC)
    if timeline.moments and at <= max(moment.at for moment in timeline.moments):
        return []
    pipeline.wait(at)
    last = {entry["line"]: entry for entry in before}
    return [
        entry
        for entry in _entries(pipeline, at, timeline)
        if entry["line"] is not None and last.get(entry["line"], {}) | {"as_of": entry["as_of"]} != entry
    ]


def _entries(pipeline: Pipeline, at: datetime, timeline: Timeline) -> Iterator[Json]:
    """One entry for the line that holds the moment; a line that has just closed gets its last one."""
    assessed = pipeline.assessed
    lines = assessed.lines if assessed else ()
    if assessed is None or not lines:
        yield {"as_of": _when(at), "rule_set": None, "line": None, "axes": {}, "ladders": NOT_STARTED}
        return
    states = ladders(assessed, tuple(pipeline.care_events.values()), pipeline.site)
    today = max(assessed.as_of, at).astimezone(timeline.zone).date()
    for index, line in enumerate(lines):
        if index == 0 or line.start <= today:
            named = {str(ladder): str(state) for ladder, state in states.get(line.line, {}).items()}
            yield _entry(line, at, named or NOT_STARTED, timeline)


def _entry(line: LineCourse, at: datetime, states: Mapping[str, str], timeline: Timeline) -> Json:
    axes = {name.lower(): _axis(line.axes[name], timeline) for name in AXES if name in line.axes}
    return {
        "as_of": _when(at), "rule_set": line.rule_set, "line": line.line, "axes": axes, "ladders": dict(states),
    }  # fmt: skip


def _axis(axis: Axis, timeline: Timeline) -> Json:
    names = timeline.names
    return {
        "axis": axis.axis, "as_of": _result(axis.as_of, names), "category": axis.call, "call": axis.call,
        "candidate": axis.candidate, "status": status(axis), "assessability": axis.assessability,
        "missing": list(axis.reasons), "reasons": list(axis.reasons), "confirmation": axis.confirmation,
        "confirmed_as_of": _result(axis.confirmed_as_of, names), "levels": dict(axis.levels),
        "components": {
            name: {"state": part.state, "confirmation": part.confirmation,
                   "confirmed_as_of": _result(part.confirmed_as_of, names), "result": _result(part.result, names)}
            for name, part in axis.components.items()
        },
        "caveats": list(axis.caveats), "best_response": axis.best_response, "baseline": _point(axis.baseline, names),
        "nadir": _point(axis.nadir, names), "nadir_confirmed": axis.nadir_confirmed,
        "percent_from_baseline": _percent(axis.percent_from_baseline),
        "percent_over_nadir": _percent(axis.percent_over_nadir), "last_assessable": axis.last_assessable,
        "symptoms": dict(axis.symptoms), "rule_id": axis.rule_id, "rule_version": axis.rule_version,
        "source": axis.source, "verification": axis.verification,
        "evidence": [_result(result, names) for result in axis.evidence], "why_not": dict(axis.why_not),
    }  # fmt: skip


def status(axis: Axis) -> str:
    """The word for an axis: its confirmation where a level is proven, else why none is (clinical.md 10)."""
    if axis.axis == "CLINICAL" and axis.assessability == "ASSESSED":
        return "not_required"
    if axis.assessability == "ASSESSED":
        return axis.confirmation
    return {"NE": "not-evaluated"}.get(axis.assessability, axis.assessability.lower().replace("_", "-"))


def _alerts(events: Iterable[Alert], timeline: Timeline) -> list[Json]:
    """Each alert once, in order of its first issue, with its state now; a retraction adds its notice."""
    alerts: dict[UUID, Json] = {}
    for event in events:
        match event:
            case AlertRetracted():
                for alert in (event.alert, *event.with_alerts):
                    alerts[alert]["state"] = "retracted"
                alerts[event.event_id] = _retraction(event, alerts, timeline)
            case AlertClosed():
                alerts[event.alert] |= _alert(event, "closed", timeline)
            case AlertAmended():
                state = "amended" if event.still_open else "closed"
                alerts[event.alert] |= _alert(event, state, timeline)
            case AlertRaised():
                alerts[event.alert] = _alert(event, "closed" if event.notice else "open", timeline)
    return list(alerts.values())


def _alert(event: Alert, state: str, timeline: Timeline) -> Json:
    return {
        "id": str(event.alert), "at": _when(event.at), "kind": event.kind, "tier": event.tier,
        "due_hours": event.due_hours, "state": state, "subject": event.subject, "subjects": list(event.subjects),
        "line": event.line, "episode": str(event.episode),
        "evidence": [_result(piece.result, timeline.names) for piece in event.evidence], "tags": list(event.tags),
        "rule_id": event.rule.id if event.rule else None, "rule_version": event.rule.version if event.rule else None,
        "source": event.rule.source if event.rule else None,
        "verification": event.rule.verification if event.rule else None, "text": event.text,
    }  # fmt: skip


def _retraction(event: AlertRetracted, alerts: Mapping[UUID, Json], timeline: Timeline) -> Json:
    taken_back = (event.alert, *event.with_alerts)
    values = [
        {"observation": _result(value.result, timeline.names), "before": value.before, "after": value.after}
        for value in event.values
    ]
    return _alert(event, "closed", timeline) | {
        "id": str(event.event_id), "at": _when(event.recorded_at), "kind": "ALERT_RETRACTED",
        "of": [alerts[alert]["id"] for alert in taken_back],
        "of_kinds": [alerts[alert]["kind"] for alert in taken_back], "values": values, "text": event.reason,
    }  # fmt: skip


def _result(result: UUID | None, names: Mapping[UUID, str]) -> str | None:
    return None if result is None else names.get(result, str(result))


def _point(point: Point | None, names: Mapping[UUID, str]) -> Json | None:
    if point is None:
        return None
    return {"result": _result(point.result, names), "value": _number(point.number), "comparator": point.comparator}


def _number(number: Decimal | None) -> str | None:
    return None if number is None else format(number, "f")


def _percent(number: Decimal | None) -> str | None:
    return None if number is None else format(round(number, 1), "f")


def _when(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
