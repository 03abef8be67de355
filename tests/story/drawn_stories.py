"""Stories that hypothesis draws: a line of therapy, series that fall and rise, drugs that disturb them, findings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from refrain.cli.pipeline import Pipeline
from refrain.cli.timeline import TimelineFact, read_timeline
from refrain.contracts.events import (
    Alert,
    AlertAmended,
    AlertClosed,
    AlertRaised,
    AlertRetracted,
    Event,
    FlaggedReport,
    LabReport,
    ResponseAssessed,
)
from refrain.contracts.site import SiteSettings
from refrain.contracts.topics import CARE_EVENTS, LAB_REPORTS, Topic, inputs_of
from services.flagging.domain.judgement import FlaggingIssued
from services.flagging.domain.judgement import place as place_results
from services.relapse.domain.judgement import RelapseIssued, advance
from services.response.domain.facts import whole
from services.response.domain.judgement import ResponseIssued, classify

START = date(2026, 1, 5)
TRANSITIONS = {"RESPONSE_UPGRADE", "RESPONSE_WITHDRAWN", "RESULT_CORRECTED", "WATCH_RESOLVED", "ALERT_RETRACTED"}
ABOUT_VERSIONS = {"DQ_IDENTITY", "DQ_STATUS"}
SPECIMENS = {"VEGF": "PLASMA_EDTA", "IFE_U": "URINE", "BM_FLOW": "MARROW", "PET_LESION": "IMAGE"}
CASE = json.loads((Path(__file__).parent / "case-report.json").read_text(encoding="utf-8"))

NUMBERS = {
    "VEGF": (["40", "42.35", "63.6", "100", "160", "161", "200", "247.26", "300", "500", "<20"], "pg/mL", "0-160"),
    "MPROT_S": (["0", "1", "4", "5", "9", "10", "12.5", "20", "<0.5"], "g/L", ""),
    "IGG": (["3.44", "3.99", "4", "4.5", "9", "20"], "g/L", "8.6-17.4"),
    "B12": (["105", "180", "400"], "pg/mL", "180-914"),
    "SFLC_L": (["8.3", "20", "110"], "mg/L", "8.3-27"),
}
BASELINES: dict[str, dict[str, Any]] = {
    "VEGF": {"received": {"value": "330", "unit": "pg/mL", "range": "0-160"}},
    "MPROT_S": {"received": {"value": "20", "unit": "g/L", "range": ""}},
    "PET_LESION": {"received": {"value": "4.9", "unit": None, "range": None}, "lesion": "T11", "liver_suvmax": 3.1},
    "IFE_S": {
        "received": {"value": "POS", "unit": None, "range": None},
        "isotype": {"heavy": "IgG", "light": "lambda"},
    },
}
THEMES = [
    ["VEGF"],
    ["VEGF", "MPROT_S"],
    ["MPROT_S"],
    ["IFE_S"],
    ["IFE_S", "IFE_S", "IFE_U", "BM_FLOW"],
    ["PET_LESION"],
    ["IGG", "B12"],
    ["VEGF", "VEGF", "IFE_S", "IFE_S", "IFE_U", "MPROT_S", "IGG", "B12", "SFLC_L", "BM_FLOW", "PET_LESION"],
]
"""What a story is about: few analytes, so that courses rise, fall and confirm."""
BANDS = [None, {"heavy": "IgG", "light": "lambda"}, {"heavy": "IgG", "light": "kappa"}, {"heavy": "IgG", "light": None}]


@st.composite
def an_observation(draw: st.DrawFn, name: str, codes: list[str], methods: list[str]) -> dict[str, Any]:
    day = draw(st.sampled_from([-30, 0, 28, 28, 42, 56, 70, 84, 120, 160, 200, 260]))
    hour = draw(st.sampled_from([8, 8, 15]))
    code = draw(st.sampled_from(codes))
    at = datetime.combine(START, datetime.min.time(), UTC) + timedelta(days=day, hours=hour)
    record: dict[str, Any] = {
        "id": name,
        "code": code,
        "specimen": SPECIMENS.get(code, "SERUM"),
        "lab": "LAB",
        "method": draw(st.sampled_from(methods)),
        "status": draw(st.sampled_from(["F", "F", "F", "F", "P"])),
        "collected_at": at.isoformat(),
        "issued_at": (at + timedelta(hours=draw(st.integers(1, 5)))).isoformat(),
    }
    return record | draw(received(code))


@st.composite
def a_baseline(draw: st.DrawFn, codes: list[str], methods: list[str]) -> list[dict[str, Any]]:
    """Mostly an abnormal sample before the first dose, so that a course can respond and rise again."""
    if draw(st.integers(0, 3)) == 0:
        return []
    at = datetime.combine(START, datetime.min.time(), UTC) - timedelta(days=3)
    times = {"collected_at": at.isoformat(), "issued_at": (at + timedelta(hours=6)).isoformat()}
    return [
        {
            "id": f"base-{code}",
            "code": code,
            "specimen": SPECIMENS.get(code, "SERUM"),
            "lab": "LAB",
            "method": methods[0],
        }
        | {"status": "F"}
        | times
        | BASELINES[code]
        for code in sorted({*codes} & {*BASELINES})
    ]


@st.composite
def received(draw: st.DrawFn, code: str) -> dict[str, Any]:
    if code in NUMBERS:
        values, unit, limits = NUMBERS[code]
        return {"received": {"value": draw(st.sampled_from(values)), "unit": unit, "range": limits}}
    if code == "PET_LESION":
        lesion, value = draw(st.sampled_from(["T11", "T11", "L2"])), draw(st.sampled_from(["1.6", "4.9", "7"]))
        scan = {"lesion": lesion, "liver_suvmax": draw(st.sampled_from([3.1, None])), "new_lesion": draw(st.booleans())}
        return {"received": {"value": value, "unit": None, "range": None}} | scan
    if code == "BM_FLOW":
        return {"received": {"value": "NEG", "unit": None, "range": None}, "clonal": False}
    value = draw(st.sampled_from(["POS", "NEG", "NEG", "IND"]))
    isotype = draw(st.sampled_from(BANDS)) if value == "POS" else None
    return {"received": {"value": value, "unit": None, "range": None}, "isotype": isotype}


@st.composite
def a_timeline(draw: st.DrawFn) -> dict[str, Any]:
    codes = draw(st.sampled_from(THEMES))
    methods = draw(st.sampled_from([["M1"], ["M1"], ["M1", "M1", "M2"], ["UNKNOWN"]]))
    exposures = [{"drug": "lenalidomide", "intervals": [["2026-01-05", "2026-01-25"]]}]
    if draw(st.booleans()):
        exposures.append({"drug": "daratumumab", "dates": ["2026-01-05", "2026-02-02"]})
    if draw(st.booleans()):
        exposures.append({"drug": "bevacizumab", "dates": ["2026-03-02"]})
    events: list[dict[str, Any]] = []
    if draw(st.booleans()):
        infection = {"type": "infection", "name": "pneumonia", "onset": "2026-02-25", "end": "2026-03-05"}
        events.append(infection | {"recorded_at": "2026-06-01T08:00:00Z"})
    if draw(st.booleans()):
        events.append(
            {
                "type": "clinical_finding",
                "date": "2026-05-04",
                "symptoms": {"walking": draw(st.sampled_from(["better", "worse"]))},
            }
        )
    lines: list[dict[str, Any]] = [{"line": 1, "rule_set": "poems", "start": "2026-01-05"}]
    if draw(st.booleans()):
        lines.append({"line": 2, "rule_set": "poems", "start": "2026-07-06"})
    return {
        "subject": {"id": "S", "sex": "F"}, "clone": {"heavy": "IgG", "light": "lambda"}, "therapy_lines": lines,
        "exposures": exposures, "events": events,
        "observations": draw(a_baseline(codes, methods))
        + [draw(an_observation(f"o{n}", codes, methods)) for n in range(draw(st.integers(2, 9)))],
    }  # fmt: skip


def facts_of(document: dict[str, Any]) -> list[TimelineFact]:
    timeline = read_timeline(document)
    return [*timeline.standing, *(fact for moment in timeline.moments for fact in moment.facts)]


def run(groups: Sequence[Sequence[TimelineFact]]) -> Pipeline:
    pipeline = Pipeline(read_timeline({"subject": {"id": "S"}}).site)
    for group in groups:
        pipeline.add(group)
    return pipeline


def end_state(pipeline: Pipeline) -> dict[str, Any]:
    """Current views, the course and what is open, as JSON, so that a difference can be read."""
    assessed = pipeline.assessed
    views = pipeline.observations().values()
    return {
        "flags": {str(view.observation.version): view.model_dump(mode="json") for view in views if view.current},
        "course": assessed.model_dump(mode="json", include={"lines", "trajectories", "as_of"}) if assessed else None,
        "open": open_alerts(pipeline),
    }


def open_alerts(pipeline: Pipeline | Stream, without: set[str] = TRANSITIONS) -> dict[str, tuple[Any, ...]]:
    standing: dict[str, tuple[Any, ...]] = {}
    for event in pipeline.alerts:
        key = str(event.alert)
        match event:
            case AlertRetracted():
                for alert in (event.alert, *event.with_alerts):
                    standing.pop(str(alert), None)
            case AlertClosed():
                standing.pop(key, None)
            case AlertRaised(notice=False) | AlertAmended(still_open=True):
                evidence = tuple(sorted(str(piece.result) for piece in event.evidence))
                standing[key] = (
                    event.kind,
                    event.tier,
                    event.due_hours,
                    event.subject,
                    event.subjects,
                    event.tags,
                    evidence,
                )
    return {key: value for key, value in standing.items() if value[0] not in without}


@st.composite
def a_delivery(draw: st.DrawFn, facts: list[TimelineFact]) -> list[list[TimelineFact]]:
    """The facts in any order, some twice, cut into groups anywhere."""
    again = draw(st.lists(st.sampled_from(facts), max_size=4))
    order = draw(st.permutations([*facts, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=6)))
    return [list(order[start:end]) for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]


def remaining(pipeline: Pipeline) -> dict[str, Any]:
    """What a person sees at the end: the axes of every line, the ladders' alerts that are open."""
    assessed = pipeline.assessed
    lines = assessed.lines if assessed else ()
    return {
        "axes": [{name: axis.model_dump(mode="json") for name, axis in line.axes.items()} for line in lines],
        "open": open_alerts(pipeline, TRANSITIONS | ABOUT_VERSIONS),
    }


class Stream:
    """The three engines with a queue for each of their topics, as Kafka has them: any of them may lag behind."""

    def __init__(self, site: SiteSettings) -> None:
        self.site = site
        self.queues: dict[tuple[str, str], list[Event]] = {
            (service, topic.name): [] for service in ("flagging", "response", "relapse") for topic in inputs_of(service)
        }
        self.known: dict[str, dict[Any, Event]] = {"flagging": {}, "response": {}, "relapse": {}}
        self.issued: dict[str, Any] = {
            "flagging": FlaggingIssued(), "response": ResponseIssued(), "relapse": RelapseIssued(),
        }  # fmt: skip
        self.alerts: list[Alert] = []

    def send(self, topic: Topic, event: Event) -> None:
        if isinstance(event, Alert):
            self.alerts.append(event)
        for service in topic.read_by:
            if (service, topic.name) in self.queues:
                self.queues[service, topic.name].append(event)

    def waiting(self) -> list[tuple[str, str]]:
        return [place for place, queue in self.queues.items() if queue]

    def work(self, place: tuple[str, str], count: int) -> None:
        """One engine takes up to ``count`` records of one of its topics."""
        service = place[0]
        queue = self.queues[place]
        batch, self.queues[place] = queue[:count], queue[count:]
        known = self.known[service]
        new = [event for event in batch if _is_news(known, event)]
        known |= {_subject(event): event for event in new}
        if not new:
            return
        step: Any = {"flagging": place_results, "response": classify, "relapse": advance}[service]
        if service == "response" and not whole(list(known.values())):
            return
        decision = step(list(known.values()), self.issued[service], new, self.site)
        self.issued[service] = decision.issued
        for output in decision.outputs:
            self.send(output.topic, output.event)


def told(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    """What people were told, in order, without how it travelled."""
    travel = {"event_id", "caused_by", "trace", "recorded_at"}
    return [alert.model_dump(mode="json", exclude=travel) for alert in alerts]


def send_all(stream: Stream, facts: Sequence[TimelineFact]) -> None:
    for fact in facts:
        stream.send(LAB_REPORTS if isinstance(fact, LabReport) else CARE_EVENTS, fact)


def _subject(event: Event) -> Any:
    if isinstance(event, FlaggedReport):
        return event.report
    return "course" if isinstance(event, ResponseAssessed) else event.event_id


def _is_news(known: dict[Any, Event], event: Event) -> bool:
    before = known.get(_subject(event))
    return before is None or getattr(event, "revision", 0) > getattr(before, "revision", 0)
