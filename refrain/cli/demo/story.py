"""The synthetic patient's course as one compact table: VEGF, ladders, and what was told or taken back, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from refrain.cli.demo.compared import Comparison, ladders_at
from refrain.cli.demo.outcome import Outcome
from refrain.cli.demo.published import last_of, point_of
from refrain.cli.demo.tables import mark
from refrain.contracts.events import AlertAmended, AlertRetracted, FlaggedObservation, ValueChange

Json = Mapping[str, Any]
TITLE = "The synthetic patient: relapse, correction, retraction, relapse again"


def story(outcome: Outcome, comparison: Comparison, points: Sequence[Json]) -> Table:
    """One row for each time point. The last column says whether calls, ladders and alerts are the expected ones."""
    table = Table("date", "what happened", "VEGF", "ladders", "alerts", "", title=TITLE, title_justify="left")
    for point in points:
        table.add_row(
            point["id"], point["label"], "\n".join(_vegf(outcome, point)), "\n".join(_ladders(outcome, point)),
            "\n".join([*_raised(outcome, point, points), *_changed(outcome, point, points)]),
            mark(comparison.agrees_at(point["id"])),
        )  # fmt: skip
    return table


def _vegf(outcome: Outcome, point: Json) -> Iterator[str]:
    """The VEGF that became known: with its flags, or, where the laboratory corrected it later, struck through."""
    views = {(outcome.names.get(v.observation.result), v.observation.issued_at): v for v in outcome.views.values()}
    for record in point.get("observations", ()):
        view = views.get((record["id"], datetime.fromisoformat(record["issued_at"])))
        if record["code"] == "VEGF" and view is not None:
            yield _value(view)


def _value(view: FlaggedObservation) -> str:
    value = f"{view.observation.value.text} {view.observation.value.unit_raw}"
    if not view.current:
        return f"[strike]{value}[/] corrected later"
    corrected = " (corrected)" if view.observation.status == "C" else ""
    return f"{value} {' '.join(view.interpretation)}{corrected}"


def _ladders(outcome: Outcome, point: Json) -> Iterator[str]:
    if "ladders" in point["expect"]:
        for name, state in ladders_at(outcome, last_of(point)).items():
            if state != "NONE":
                yield f"{name.lower()}: {state.lower()}"


def _raised(outcome: Outcome, point: Json, points: Sequence[Json]) -> Iterator[str]:
    for alert in outcome.alerts:
        if point_of(alert.at, points) == point["id"]:
            yield f"{alert.tier} {alert.kind} {alert.subject} [dim]{alert.state}[/]"


def _changed(outcome: Outcome, point: Json, points: Sequence[Json]) -> Iterator[str]:
    """What a correction did to an alert, with both values, on the day the correction was issued."""
    issued = {v.observation.result: v.observation.issued_at for v in outcome.views.values() if v.current}
    for event in outcome.alert_events:
        if not isinstance(event, AlertRetracted | AlertAmended) or not event.values:
            continue
        if point_of(max(issued[value.result] for value in event.values), points) == point["id"]:
            done = "taken back" if isinstance(event, AlertRetracted) else "amended"
            yield f"[bold]{done}[/]: {event.kind}, {', '.join(map(_both, event.values))}"


def _both(value: ValueChange) -> str:
    return f"{value.analyte} {value.before} is {value.after or 'withdrawn'}"
