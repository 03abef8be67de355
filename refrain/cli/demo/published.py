"""What came out beside what was published: agreements, and every difference as a sentence.

What is expected at each time point stands in the patient's document (keys ``expect`` and ``must_not``), of the case
report with the reason where Refrain says something else than the paper on purpose. Only the comparison reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from refrain.cli.demo.outcome import AlertNow, Outcome, Seen
from refrain.contracts.events import Axis, ResponseAssessed

Json = Mapping[str, Any]
AXES = ("HEMATOLOGIC", "VEGF", "PET", "CLINICAL")


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing compared. ``wrong`` is empty where it agrees."""

    label: str
    wrong: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        return not self.wrong


@dataclass(frozen=True, slots=True)
class Call:
    """One axis at one time point: what Refrain says, what was published, and whether that is as it should be."""

    point: str
    axis: Axis
    published: str
    reason: str
    checked: Checked


def check_flag(seen: Seen, record: Json) -> Checked:
    """One observation against its ``expect``: codes, number, unit, limits and repair."""
    expected = record["expect"]
    wrong = [
        f"{name} is {_said(got)} instead of {_said(wanted)}"
        for name, got, wanted in (
            ("flag", sorted(seen.interpretation), sorted(expected["interpretation"])),
            ("comparator", seen.comparator, expected["comparator"]),
            ("value", seen.nominal or seen.number, _exact(expected["value"])),
            ("low", seen.low, _exact(expected.get("low"))),
            ("high", seen.high, _exact(expected.get("high"))),
            ("repair", seen.repair_rule, expected.get("repair", {}).get("repair_rule_id")),
        )
        if got != wanted
    ]
    return Checked(record["id"], tuple(wrong))


def calls(outcome: Outcome, points: Sequence[Json]) -> Iterator[Call]:
    """Axis by axis at every time point that has a call; what a point does not state is that of the one before."""
    for point in points:
        stated: Json = point["expect"].get("poems") or {}
        if not stated:
            continue
        snapshot = outcome.snapshot_at(last_of(point))
        for name in AXES:
            axis = _axis(snapshot, name)
            if axis is not None and (name in stated or axis.call):
                expected = stated.get(name, {})
                wrong = tuple(_differences(axis, expected, outcome.names))
                yield Call(
                    point["id"], axis, expected.get("published", ""), expected.get("agreement", ""),
                    Checked(f"{point['id']} {name}", wrong),
                )  # fmt: skip


def _axis(snapshot: ResponseAssessed | None, name: str) -> Axis | None:
    if snapshot is None or not snapshot.lines:
        return None
    return snapshot.lines[0].axes.get(name)


def _differences(axis: Axis, expected: Json, names: Mapping[UUID, str]) -> Iterator[str]:
    simple = {
        "call": axis.call, "candidate": axis.candidate, "assessability": axis.assessability, "symptoms": axis.symptoms,
        "confirmation": axis.confirmation, "confirmed_as_of": names.get(axis.confirmed_as_of or UUID(int=0)),
    }  # fmt: skip
    for name, got in simple.items():
        if name in expected and got != expected[name]:
            yield f"{name} is {_said(got)} instead of {_said(expected[name])}"
    for name in ("reasons", "caveats"):
        if name in expected and set(getattr(axis, name)) != set(expected[name]):
            yield f"{name} are {_said(sorted(getattr(axis, name)))} instead of {_said(sorted(expected[name]))}"
    for level, state in expected.get("levels", {}).items():
        if axis.levels.get(level) != state:
            yield f"{level} is {axis.levels.get(level)} instead of {state}"
    for part, words in expected.get("components", {}).items():
        found = axis.components.get(part)
        state, _, confirmation = words.partition(" ")
        if found is None or found.state != state or (confirmation and found.confirmation != confirmation):
            yield f"{part} is {found.state if found else 'absent'} instead of {words}"
    yield from _numbers(axis, expected)


def _numbers(axis: Axis, expected: Json) -> Iterator[str]:
    percentages = {
        "percent_from_baseline": axis.percent_from_baseline, "percent_over_nadir": axis.percent_over_nadir,
    }  # fmt: skip
    for name, percentage in percentages.items():
        got = None if percentage is None else round(percentage, 1)
        if name in expected and got != _exact(expected[name]):
            yield f"{name} is {_said(got)} instead of {expected[name]}"
    nadir = axis.nadir.number if axis.nadir else None
    if "nadir" in expected and nadir != _exact(expected["nadir"]):
        yield f"nadir is {_said(nadir)} instead of {expected['nadir']}"


def check_alerts(outcome: Outcome, point: Json, points: Sequence[Json]) -> Checked:
    """The alerts of one time point by kind, tier and subject; some kinds are allowed and not demanded."""
    mine = [alert for alert in outcome.alerts if point_of(alert.at, points) == point["id"]]
    got = {one for alert in mine for one in _subjects(alert.kind, alert.tier, alert)}
    allowed = set(point["expect"].get("alerts_allowed", ()))
    wanted = {
        one for alert in point["expect"]["alerts"] for one in _subjects(alert["kind"], alert["tier"], alert["subject"])
    }
    wrong = [f"{' '.join(one)} is missing" for one in sorted(wanted - got)]
    wrong += [f"{' '.join(one)} was not expected" for one in sorted(got - wanted) if one[0] not in allowed]
    wrong += [text for alert in point["expect"]["alerts"] for text in _life_differs(outcome, mine, alert)]
    return Checked(f"{point['id']} alerts", tuple(wrong))


def _life_differs(outcome: Outcome, mine: Sequence[AlertNow], expected: Json) -> Iterator[str]:
    """What became of an alert, where the document says so: its state now, and the values it was withdrawn with."""
    found = [alert for alert in mine if (alert.kind, alert.tier) == (expected["kind"], expected["tier"])]
    subject = expected["subject"]
    for alert in found if len(found) == 1 else [one for one in found if one.subject == subject]:
        if alert.state != expected.get("state", alert.state):
            yield f"{alert.kind} is {alert.state} instead of {expected['state']}"
        wanted = [(one["before"], one["after"]) for one in expected.get("withdrawn", ())]
        got = [(one.before, one.after) for one in outcome.withdrawn(alert.identifier)]
        if got != wanted:
            yield f"{alert.kind} was withdrawn with {_said([' to '.join(map(str, pair)) for pair in got])}"


def point_of(at: datetime, points: Sequence[Json]) -> str:
    """The time point that a moment belongs to: the last one that had begun; the first for anything before it."""
    begun = [point["id"] for point in points if _first(point).date() <= at.date()]
    return str(begun[-1] if begun else points[0]["id"])


def _subjects(kind: str, tier: str, alert: AlertNow | str) -> Iterator[tuple[str, str, str]]:
    """An alert by kind, tier and subject; the document joins some subjects for display (answers 17)."""
    text = alert if isinstance(alert, str) else alert.subject
    subjects: Iterable[str]
    match kind:
        case "RESPONSE_UPGRADE":
            subjects = [axis for axis in ("HEMATOLOGIC", "VEGF", "PET") if axis in text]
        case "MONITORING_GAP":
            subjects = text.split(", ") if isinstance(alert, str) else alert.subjects
        case "ABNORMAL_SUMMARY":
            subjects = ["baseline"]
        case _:
            subjects = [text]
    return ((kind, tier, subject) for subject in subjects)


def check_forbidden(outcome: Outcome, rules: Sequence[Json]) -> Iterator[Checked]:
    """What must never appear: codes, tiers, alerts and calls of the document's ``must_not``."""
    codes = {code for seen in outcome.seen for code in seen.interpretation}
    found = {
        "forbid_codes": codes,
        "forbid_tiers": {alert.tier for alert in outcome.alerts},
        "forbid_alerts": {alert.kind for alert in outcome.alerts},
        "forbid_calls": {
            axis.call for shot in outcome.snapshots for line in shot.lines for axis in line.axes.values() if axis.call
        },
    }
    for rule in rules:
        wrong = [
            f"{one} appeared: {rule['text']}"
            for name, there in found.items()
            for one in set(rule.get(name, ())) & there
        ]
        yield Checked(rule["id"], tuple(wrong))


def _first(point: Json) -> datetime:
    return min(_dates(point))


def last_of(point: Json) -> datetime:
    """When the last fact of a time point became known."""
    return max(_dates(point))


def _dates(point: Json) -> list[datetime]:
    observed = [datetime.fromisoformat(record["issued_at"]) for record in point.get("observations", ())]
    return observed or [datetime.fromisoformat(f"{point['synthetic_date']}T00:00:00+00:00")]


def _exact(number: Any) -> Any:
    return Decimal(str(number)) if isinstance(number, int | float) and not isinstance(number, bool) else number


def _said(value: Any) -> str:
    if value is None or value == []:
        return "nothing"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
