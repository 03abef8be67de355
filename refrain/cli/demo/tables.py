"""The demo's tables: results with their flags, the course axis by axis, alerts, and what the engines said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.table import Table

from refrain.cli.demo.outcome import AlertNow, Outcome, Seen
from refrain.cli.demo.published import Call, Checked
from refrain.contracts.events import Axis

Json = Mapping[str, Any]
RIGHT, WRONG = "[green]✓[/]", "[bold red]✗[/]"
LEVELS = {
    "CRH": "complete hematologic response", "NEH": "no hematologic level proven", "CRV": "complete VEGF response",
    "CR-PET": "complete PET response",
}  # fmt: skip
"""Of clinical.md 10, those that the case report reaches; any other one stands for itself."""
REASONS = {
    "URINE_IFE_MISSING": "urine immunofixation was never reported",
    "MARROW_MISSING": "no marrow since treatment began",
    "LIGHT_CHAIN_UNSTATED": "the band's light chain is not stated",
    "BASELINE_NOT_QUANTIFIED": "M-protein was not measured at baseline",
    "NO_DATA": "no scan since treatment began",
}
STATES = {
    "NOT_ASSESSABLE": "not assessable",
    "INCOMPLETE": "incomplete",
    "INDETERMINATE": "indeterminate",
    "NE": "no data",
}


def results(rows: Iterable[tuple[Seen, Checked]]) -> Table:
    """Every result as received, the interval that judged it, and its flag."""
    table = Table("date", "analyte", "value", "range", "flag", "note", "", title="Results", title_justify="left")
    before = ""
    for seen, checked in rows:
        observation = seen.view.observation
        day = f"{observation.collected_at:%Y-%m-%d}"
        value = f"{observation.value.text} {observation.value.unit_raw}".strip().replace("^^L", "").replace("~", " ")
        table.add_row(
            "" if day == before else day, str(observation.analyte), value, observation.range.text or "—",
            " ".join(seen.interpretation) or "—", _note(seen), mark(checked),
        )  # fmt: skip
        before = day
    return table


def _note(seen: Seen) -> str:
    repaired = seen.view.observation.repaired
    if repaired is not None:
        limits = f", {_limits(repaired.low, repaired.high)}" if (repaired.low, repaired.high) != (None, None) else ""
        waits = "a person reviews it" if repaired.review == "pending" else f"review {repaired.review.replace('_', ' ')}"
        return f"read as {repaired.number} {repaired.unit}{limits} ({repaired.repair_rule_id}; {waits})"
    if seen.view.range_source == "none" and seen.view.observation.range.kind == "unparsed":
        return "the range is damaged and judges nothing"
    return ""


def _limits(low: Decimal | None, high: Decimal | None) -> str:
    if low is None or high is None:
        return f"up to {high}" if low is None else f"from {low}"
    return f"{low} to {high}"


def course(calls: Iterable[Call], labels: Mapping[str, str]) -> Table:
    """Axis by axis at each time point, beside the published call."""
    table = Table(
        "time", "axis", "call", "confirmed", "missing or open", "published", "", title="Course", title_justify="left",
        show_lines=True,
    )  # fmt: skip
    before = ""
    for call in calls:
        published = call.published or "—"
        if call.reason:
            published += f"\n[dim]{call.reason}[/]"
        table.add_row(
            "" if call.point == before else f"{call.point}\n{labels[call.point]}", call.axis.axis.lower(),
            _called(call.axis), _confirmed(call.axis), _missing(call.axis), published,
            mark(call.checked),
        )  # fmt: skip
        before = call.point
    return table


def _called(axis: Axis) -> str:
    if axis.symptoms:
        return "\n".join([str(axis.call), *(f"[dim]{name}: {how}[/]" for name, how in sorted(axis.symptoms.items()))])
    called = _level(axis.call) if axis.call else "none yet"
    return f"{called}\ncandidate: {_level(axis.candidate)}" if axis.candidate else called


def _level(code: str) -> str:
    return f"{code} [dim]{LEVELS[code]}[/]" if code in LEVELS else code


def _missing(axis: Axis) -> str:
    return "\n".join(f"{reason}\n  [dim]{REASONS.get(reason, '')}[/]" for reason in axis.reasons) or "—"


def _confirmed(axis: Axis) -> str:
    if axis.axis == "CLINICAL":
        return "—"
    if axis.assessability != "ASSESSED":
        return STATES[axis.assessability]
    return axis.confirmation.replace("_", " ")


def alerts(found: Sequence[AlertNow], checked: Mapping[str, Checked]) -> Table:
    """Every alert with its state now; the last column says whether the alerts of that day are the expected ones."""
    table = Table("date", "tier", "kind", "about", "says", "state", "", title="Alerts", title_justify="left")
    before = ""
    for alert in found:
        day = f"{alert.at:%Y-%m-%d}"
        new = day != before
        verdict = mark(checked[day]) if new and day in checked else ""
        table.add_row(day if new else "", alert.tier, alert.kind, alert.subject, alert.text, alert.state, verdict)
        before = day
    return table


def engines(checked: Iterable[Checked]) -> Table:
    """What the engines said when they were asked the same over gRPC."""
    table = Table("asked over gRPC", "agrees with the stream", title="The same questions", title_justify="left")
    for one in checked:
        table.add_row(one.label, mark(one))
    return table


def summary(outcome: Outcome) -> str:
    observations = sum(len(report.observations) for report in outcome.reports)
    return (
        f"On Kafka: {len(outcome.reports)} reports with {observations} results, {len(outcome.care_events)} care "
        f"events, {len(outcome.flagged)} flagged reports, {len(outcome.snapshots)} assessments, "
        f"{len(outcome.alert_events)} alert events."
    )


def mark(checked: Checked) -> str:
    """✓ where it agrees, else ✗."""
    return RIGHT if checked.agrees else WRONG
