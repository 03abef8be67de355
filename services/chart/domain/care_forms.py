"""The forms with which people record what laboratories do not send, and the care event that a filled form says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from refrain.contracts.events import CareBody, CareEvent, ClinicalFinding, LineStarted, RuleSetAssigned

Input = Literal["text", "date", "number", "decimal", "choice", "lines", "symptoms", "scores"]
SYMPTOM_ROWS = 6
COURSES = ("much better", "better", "unchanged", "worse", "much worse")
SCORES: tuple[tuple[str, str], ...] = (
    ("ONLS", "ONLS, 0 to 12"), ("MNIS+7", "mNIS+7, points"), ("ASCITES", "ascites, grade"),
    ("EFFUSION", "pleural effusion, grade"), ("EDEMA", "edema, grade"),
    ("PAPILLEDEMA", "papilledema, 0 absent, 1 present"), ("RVSP", "RVSP, mmHg"), ("DLCO", "DLCO, percent of predicted"),
)  # fmt: skip
"""Scores that the clinical axis reads (clinical.md 11.4)."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input. ``name`` is that of the contract."""

    name: str
    label: str
    input: Input = "text"
    required: bool = False
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CareForm:
    """One kind of care event as a form."""

    kind: str
    title: str
    fields: tuple[Field, ...]
    hint: str = ""
    own_key: bool = False
    """Two of one day are two events: the form gives each a key of its own."""
    timed: bool = False
    """It holds from when it was said: ``at`` is when the form was opened; a correction keeps the first time."""


def _day(name: str, label: str, *, required: bool = True) -> Field:
    return Field(name, label, "date", required)


LINE = Field("line", "Number of the line", "number", True)
FORMS: Mapping[str, CareForm] = {
    form.kind: form
    for form in (
        CareForm(
            "line_started", "Therapy line started",
            (
                LINE,
                _day("start", "First day"),
                Field("rule_set", "Rule set", "choice", True, "How the response of this line is judged."),
                Field("second_rule_set", "Second rule set", "choice", hint="Shown beside the first; may stay empty."),
                Field("m_component_source", "Analyte that measures the M component", "text",
                      hint="MPROT_S unless the spike cannot be measured; QUANT_IG:IGG for total IgG."),
                Field("plan", "Planned sequence", "lines", hint="One part a line: induction, transplant, maintenance."),
            ),
            "A new line resets baseline, lowest value, best response and ladder; the old one is kept and shown. "
            "Induction, transplant and maintenance decided together are one line.",
        ),
        CareForm(
            "rule_set_assigned", "Rule set assigned",
            (LINE, Field("rule_set", "Rule set", "choice", True)),
            "It counts instead of the rule set that the line was started with, or was assigned before: the whole line "
            "is judged anew. Alerts that no longer hold are withdrawn.",
            timed=True,
        ),
        CareForm(
            "line_stopped", "Therapy line stopped",
            (LINE, _day("end", "First day that no longer belongs to it"), Field("reason", "Reason")),
        ),
        CareForm(
            "drug", "Drug",
            (
                Field("drug", "Drug", required=True, hint="The generic name: daratumumab."),
                _day("first", "First day"),
                Field("last", "Last day", "date", hint="Empty: one day only."),
                Field("dose", "Dose"),
                Field("status", "Given or planned", "choice", True,
                      options=(("given", "given"), ("planned", "planned"))),
            ),
            "A planned drug is no exposure and opens no line.",
        ),
        CareForm(
            "transplant", "Transplant",
            (_day("on", "Day"), Field("kind", "Kind", "choice", True,
                                      options=(("autologous", "autologous"), ("allogeneic", "allogeneic")))),
        ),
        CareForm(
            "collection", "Cells collected",
            (_day("on", "Day"), Field("cell", "Cell", required=True, hint="CD34+"),
             Field("number", "Number", "decimal"), Field("unit", "Unit", hint="10*6/kg"),
             Field("text", "As it was written")),
        ),
        CareForm(
            "engraftment", "Engraftment",
            (_day("on", "Day"), Field("cell", "Cell line", required=True, hint="neutrophils")),
        ),
        CareForm(
            "infection", "Infection",
            (Field("name", "Infection", required=True), _day("onset", "First day"),
             Field("end", "Last day", "date", hint="Empty while it goes on, or is not known.")),
            "In its window a VEGF confirms no rise.",
        ),
        CareForm(
            "clinical_finding", "Clinical finding",
            (
                _day("on", "Day of the visit"),
                Field("symptoms", "Symptoms against the visit before", "symptoms"),
                Field("scores", "Scores", "scores"),
                Field("new_feature", "New feature of POEMS", hint="Also one that was absent at diagnosis: it is a "
                      "relapse at once. Leave empty when there is none."),
                Field("findings", "Other findings", "lines", hint="One a line."),
            ),
            own_key=True,
        ),
        CareForm(
            "clone_stated", "Clone of the patient",
            (
                Field("heavy", "Heavy chain", "choice",
                      options=tuple((one, one) for one in ("IgG", "IgA", "IgM", "IgD", "IgE"))),
                Field("light", "Light chain", "choice", options=(("kappa", "kappa"), ("lambda", "lambda"))),
                Field("evidence", "Evidence", "lines", hint="One a line: serum immunofixation of 2025-01-02."),
            ),
            "A chain that is not known stays open: unknown is not absent.",
        ),
    )
}  # fmt: skip


def body_of(form: CareForm, filled: Mapping[str, str]) -> dict[str, Any]:
    """What a filled form says, by the field names of the contract; what is empty is left out."""
    body: dict[str, Any] = {}
    for field in form.fields:
        match field.input:
            case "lines":
                said: Any = [line.strip() for line in filled.get(field.name, "").splitlines() if line.strip()]
            case "symptoms":
                said = _symptoms(filled)
            case "scores":
                said = {name: text for name, _ in SCORES if (text := filled.get(f"score_{name}", "").strip())}
            case _:
                said = filled.get(field.name, "").strip()
        if said:
            body[field.name] = said
    return body


def _symptoms(filled: Mapping[str, str]) -> dict[str, str]:
    rows = (
        (filled.get(f"symptom_{at}", "").strip(), filled.get(f"course_{at}", "")) for at in range(symptom_rows(filled))
    )
    return {name: course for name, course in rows if name}


def filled_with(body: CareBody) -> dict[str, str]:
    """A recorded event as a filled form, for its correction."""
    filled: dict[str, str] = {}
    for name, value in body.model_dump(mode="json").items():
        if name == "symptoms":
            for at, (symptom, course) in enumerate(value.items()):
                filled |= {f"symptom_{at}": symptom, f"course_{at}": course}
        elif name == "scores":
            filled |= {f"score_{score.upper()}": str(number) for score, number in value.items()}
        elif isinstance(value, list):
            filled[name] = "\n".join(map(str, value))
        elif value is not None:
            filled[name] = str(value)
    return filled


def kept(body: Mapping[str, Any], known: CareBody) -> dict[str, Any]:
    """The corrected body with what the recorded event says and the form has no input for: scores, since when."""
    if isinstance(known, RuleSetAssigned):
        return {**body, "at": known.at.isoformat()}
    if not isinstance(known, ClinicalFinding):
        return dict(body)
    named = {name for name, _ in SCORES}
    others = {name: str(number) for name, number in known.scores.items() if name.upper() not in named}
    return {**body, **({"scores": {**others, **body.get("scores", {})}} if others else {})}


def whole(known: CareBody) -> dict[str, Any]:
    """A recorded event as it is, by the field names of the contract, to be withdrawn."""
    return known.model_dump(mode="json", exclude_none=True, exclude={"type"})


def symptom_rows(filled: Mapping[str, str]) -> int:
    """As many as are filled, and at least the usual number: a correction loses none."""
    used = [int(name.removeprefix("symptom_")) for name in filled if name.startswith("symptom_")]
    return max(SYMPTOM_ROWS, *(at + 1 for at in used)) if used else SYMPTOM_ROWS


def refused_here(form: CareForm, body: Mapping[str, Any], standing: Iterable[CareEvent], key: str) -> dict[str, str]:
    """What only the chart can see is wrong: field to sentence. Everything else is for intake to judge."""
    wrong = {field.name: "Fill this in." for field in form.fields if field.required and field.name not in body}
    if form.kind == "clinical_finding" and not set(body) - {"on"}:
        wrong["symptoms"] = "Say at least one thing: a symptom, a score, a finding or a new feature."
    if any(course not in COURSES for course in body.get("symptoms", {}).values()):
        wrong["symptoms"] = "Choose how each symptom is against the visit before."
    if form.kind == "clone_stated" and not {"heavy", "light"} & set(body):
        wrong["heavy"] = "State at least one chain."
    if "line" in body and form.kind in ("line_started", "rule_set_assigned"):
        wrong |= _wrong_line(form, body, standing, key)
    return wrong


def _wrong_line(
    form: CareForm, body: Mapping[str, Any], standing: Iterable[CareEvent], key: str
) -> dict[str, str]:  # fmt: skip
    lines = {str(event.body.line): event for event in standing if isinstance(event.body, LineStarted)}
    known = lines.get(str(body["line"]))
    if form.kind == "rule_set_assigned":
        return {} if known else {"line": f"No line {body['line']} is recorded. Record first when it started."}
    if known is not None and known.key != key and isinstance(known.body, LineStarted):
        start = known.body.start
        return {"line": f"Line {body['line']} is recorded already, from {start}. Correct that entry instead."}
    return {}
