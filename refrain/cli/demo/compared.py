"""Everything about one patient of the demo beside what must come of it: lost results, flags, calls, ladders, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from refrain.cli.demo import published
from refrain.cli.demo.case import Case
from refrain.cli.demo.outcome import Outcome, Seen
from refrain.cli.demo.published import Call, Checked
from refrain.contracts.site import SiteSettings
from services.relapse.domain.ladder import ladders

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One patient's results and calls, each with its check; ``points`` has the alerts' check by time point."""

    lost: tuple[str, ...]
    flags: Sequence[tuple[Seen, Checked]]
    calls: Sequence[Call]
    points: Mapping[str, Checked]
    ladders: Mapping[str, Checked]
    forbidden: Sequence[Checked]

    @property
    def troubles(self) -> list[str]:
        """A sentence for everything lost and everything that differs."""
        checked = [
            *(one for _, one in self.flags), *(call.checked for call in self.calls), *self.points.values(),
            *self.ladders.values(), *self.forbidden,
        ]  # fmt: skip
        return [*self.lost, *sentences(checked)]

    def agrees_at(self, point: str) -> Checked:
        """Calls, ladders and alerts of one time point together."""
        calls = [call.checked for call in self.calls if call.point == point]
        parts = [self.points[point], *calls, *filter(None, [self.ladders.get(point)])]
        return Checked(point, tuple(wrong for part in parts for wrong in part.wrong))


def sentences(checked: Sequence[Checked]) -> list[str]:
    return [f"{one.label}: {wrong}." for one in checked for wrong in one.wrong]


def compare(outcome: Outcome, patient: Case) -> Comparison:
    """What came out of the services beside what the patient's document expects."""
    records = patient.current()
    expecting = [point for point in patient.points if "ladders" in point["expect"]]
    return Comparison(
        lost=tuple(_lost(outcome, records)),
        flags=[(seen, published.check_flag(seen, records[seen.name])) for seen in outcome.seen],
        calls=list(published.calls(outcome, patient.points)),
        points={point["id"]: published.check_alerts(outcome, point, patient.points) for point in patient.points},
        ladders={point["id"]: _check_ladders(outcome, point) for point in expecting},
        forbidden=list(published.check_forbidden(outcome, patient.document.get("must_not", ()))),
    )


def _lost(outcome: Outcome, records: Mapping[str, Json]) -> list[str]:
    seen = {one.name for one in outcome.seen}
    lost = [f"Result {name} was sent and did not come out of flagging." for name in sorted(records.keys() - seen)]
    if not outcome.snapshots:
        lost.append("No assessment came out of response.")
    return lost


def ladders_at(outcome: Outcome, moment: datetime) -> dict[str, str]:
    """The four ladders of the patient's first line as they stood at a moment, by name in capitals."""
    snapshot = outcome.snapshot_at(moment)
    if snapshot is None or not snapshot.lines:
        return {}
    known = [event for event in outcome.care_events if event.known_from is None or event.known_from <= moment]
    states = ladders(snapshot, known, SiteSettings()).get(snapshot.lines[0].line, {})
    return {str(name).upper(): str(state) for name, state in states.items()}


def _check_ladders(outcome: Outcome, point: Json) -> Checked:
    got = ladders_at(outcome, published.last_of(point))
    wanted = point["expect"]["ladders"]
    wrong = [
        f"{name} is {got.get(name)} instead of {state}" for name, state in wanted.items() if got.get(name) != state
    ]
    return Checked(f"{point['id']} ladders", tuple(wrong))
