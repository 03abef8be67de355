"""What must hold after a run, whatever was stopped when: each check gives the sentences that are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from refrain.cli.pipeline import Pipeline
from refrain.contracts.events import (
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    FlaggedObservation,
    FlaggedReport,
)
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import CARE_EVENTS, FLAGGED_REPORTS, LAB_REPORTS, RESPONSES, TOPICS
from refrain.runtime.leaving import ExitCode
from tests.faults.feed import Feed
from tests.faults.processes import BY_ITSELF, ENGINES, Fleet
from tests.faults.stories import Message
from tests.faults.told import Course, Ledgers, Topics, values

TRANSITIONS = {"RESPONSE_UPGRADE", "RESPONSE_WITHDRAWN", "RESULT_CORRECTED", "WATCH_RESOLVED", "ALERT_RETRACTED"}
"""Notices about the way to a state: another order of the same facts tells other ones (system.md 6)."""
SHOWN = 3
"""So many examples of one complaint are printed."""
Facts = dict[tuple[str, str], int]
"""Patient key and subject, with the revision."""
KAFKA_WAS_AWAY: set[int] = {ExitCode.KAFKA_AWAY}


def what_was_answered_is_on_kafka(feed: Feed, topics: Topics) -> Iterator[str]:
    """Every AA has its report, every recorded care event its event, and nothing was refused."""
    there = {report.source.message for course in topics.courses.values() for report in course.reports.values()}
    controls: dict[str, set[str]] = {}
    for message in feed.acknowledged:
        controls.setdefault(message.original, {message.original}).add(message.control)
    lost = [original for original, names in controls.items() if not names & there]
    yield from _some("answered AA and not on Kafka", lost)
    yield from _some("recorded and not on Kafka", set(feed.recorded) - topics.ids[CARE_EVENTS.name])
    yield from _some("refused", feed.refused)
    reports = sum(len(course.reports) for course in topics.courses.values())
    fed = {delivery.original for delivery in feed.deliveries if isinstance(delivery, Message)}
    if not reports == len(controls) == len(fed):
        yield f"{len(fed)} different reports were fed, {len(controls)} acknowledged, {reports} are on Kafka"


def no_fact_is_lost(topics: Topics, ledgers: Ledgers) -> Iterator[str]:
    """Each ledger holds exactly what is on its topics; of a view the highest revision."""
    reports, care, flagged, assessed = _expected_facts(topics.courses)
    wanted = [
        ("flagging", LAB_REPORTS, reports),
        ("response", FLAGGED_REPORTS, flagged),
        ("relapse", RESPONSES, assessed),
    ]
    for service, topic, facts in [*wanted, *((engine, CARE_EVENTS, care) for engine in ENGINES)]:
        held = ledgers.facts(service, topic)
        yield from _some(f"on {topic.name} and not in the ledger of {service}", facts.keys() - held.keys())
        yield from _some(f"in the ledger of {service} and not on {topic.name}", held.keys() - facts.keys())
        other = [place for place in facts.keys() & held.keys() if facts[place] != held[place]]
        yield from _some(f"of another revision in the ledger of {service} than on {topic.name}", other)


def _expected_facts(courses: Mapping[str, Course]) -> tuple[Facts, Facts, Facts, Facts]:
    reports: Facts = {}
    care: Facts = {}
    flagged: Facts = {}
    assessed: Facts = {}
    for key, course in courses.items():
        reports |= {(key, str(report)): 0 for report in course.reports}
        care |= {(key, str(event)): 0 for event in course.care_events}
        flagged |= {(key, str(view.report)): view.revision for view in course.flagged.values()}
        if course.assessed is not None:
            assessed[key, "response"] = course.assessed.revision
    return reports, care, flagged, assessed


def outboxes_are_told(topics: Topics, ledgers: Ledgers) -> Iterator[str]:
    """Nothing is unsent, nothing was marked sent that is not on Kafka, and no alert is told that no ledger knows."""
    told = set().union(*topics.ids.values())
    known: set[str] = set()
    for service in ENGINES:
        outputs = [(event_id, sent) for event_id, _, sent in ledgers.outputs(service)]
        known |= {event_id for event_id, _ in outputs}
        yield from _some(f"unsent by {service}", [event_id for event_id, sent in outputs if not sent])
        yield from _some(f"marked sent by {service} and not on Kafka", {event_id for event_id, _ in outputs} - told)
        if unreadable := ledgers.unreadable(service):
            yield f"{unreadable} records were unreadable for {service}"
        if holes := ledgers.holes(service):
            yield f"{service} saw {holes} holes in the offsets"
    alerts = {str(alert.event_id) for course in topics.courses.values() for alert in course.alerts}
    yield from _some("alert events on Kafka that no ledger knows", alerts - known)
    yield from _some("ids with two contents", topics.two_contents)


def everything_is_exact(topics: Topics, ledgers: Ledgers) -> Iterator[str]:
    """What the topics say, what the ledgers say and what the pure steps make of the facts is the same."""
    kept: dict[str, Course] = {}
    for service in ENGINES:
        for _, event, _ in ledgers.outputs(service):
            kept.setdefault(event.patient.key, Course()).take(event)
    issued = {service: ledgers.issued(service) for service in ENGINES}
    wrong: dict[str, list[str]] = {}
    for key, course in topics.courses.items():
        expected = Pipeline(SiteSettings())
        expected.add([*course.reports.values(), *course.care_events.values()])
        should = end_state(Course(flagged=expected.flagged, assessed=expected.assessed, alerts=expected.alerts))
        for place, found in (("topics", course), ("ledgers", kept.get(key, Course()))):
            is_ = end_state(found)
            for part in should:
                if is_[part] != should[part]:
                    wrong.setdefault(f"{part} on the {place} not as the pure steps say", []).append(key)
        if {alert for service in ENGINES for alert in open_in(issued[service].get(key, {}))} != should["open"].keys():
            wrong.setdefault("open alerts in issued not as the pure steps say", []).append(key)
    for complaint, keys in wrong.items():
        yield from _some(complaint, keys)


def open_in(issued: Mapping[str, Any]) -> set[str]:
    """Ids of the alerts that a ledger holds to be open; flagging keeps live and test ones apart."""
    groups = issued.get("alerts", {})
    alerts = [one for group in groups.values() for one in (group.values() if "alert" not in group else (group,))]
    return {one["alert"] for one in alerts if one["state"] == "open" and one["kind"] not in TRANSITIONS}


def end_state(course: Course) -> dict[str, Any]:
    """Current views, the course and what is open, without what depends on the way there."""
    views = observations(course.flagged).values()
    assessed = course.assessed
    return {
        "flags": {str(view.observation.version): view.model_dump() for view in views if view.current},
        "course": assessed.model_dump(include={"lines", "trajectories", "as_of"}) if assessed else None,
        "open": open_alerts(course),
    }


def observations(flagged: Mapping[Any, FlaggedReport]) -> dict[Any, FlaggedObservation]:
    """By observation version, of the highest revision."""
    found: dict[Any, FlaggedObservation] = {}
    for report in sorted(flagged.values(), key=lambda one: one.revision):
        found |= {view.observation.version: view for view in report.observations}
    return found


def open_alerts(course: Course) -> dict[str, tuple[Any, ...]]:
    standing: dict[str, tuple[Any, ...]] = {}
    for event in course.alerts:
        match event:
            case AlertRetracted():
                for alert in (event.alert, *event.with_alerts):
                    standing.pop(str(alert), None)
            case AlertClosed():
                standing.pop(str(event.alert), None)
            case AlertRaised(notice=False) | AlertAmended(still_open=True):
                evidence = tuple(sorted(str(piece.result) for piece in event.evidence))
                about = event.kind, event.tier, event.due_hours, event.subject, event.subjects, event.tags, event.text
                standing[str(event.alert)] = *about, evidence
    return {alert: about for alert, about in standing.items() if str(about[0]) not in TRANSITIONS}


def nobody_left_for_a_bad_reason(fleet: Fleet, *, kafka_was_away: bool) -> Iterator[str]:
    """An orderly stop is in time: with 0, with the signal where a process had not quite started, or with the code of
    a stop that Faust did not end. By itself a worker goes only where Kafka was away."""
    for (service, told, code), times in fleet.exits.items():
        allowed: dict[str, set[int]] = {
            "SIGTERM": {0, -15, ExitCode.STOP_STUCK},
            "SIGKILL": {-9},
            BY_ITSELF: KAFKA_WAS_AWAY if kafka_was_away else set(),
        }
        if code not in allowed.get(told, set()):
            yield f"{service} exited {times} times with {code} ({told})"


def nothing_was_put_aside(bootstrap: str) -> Iterator[str]:
    """Dead letters and quarantine are empty."""
    names = [topic.dead_letters(service) for topic in TOPICS for service in topic.read_by]
    for name in ("quarantine.v1", *names):
        if count := sum(1 for _ in values(bootstrap, name)):
            yield f"{count} records on {name}"


def _some(complaint: str, which: Any) -> Iterator[str]:
    found = sorted(map(str, which))
    if found:
        yield f"{len(found)} {complaint}, e.g. {', '.join(found[:SHOWN])}"
