"""``refrain record``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import grpc
import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from refrain.cli import questions
from refrain.cli.home import Home
from refrain.cli.stack import Stack
from refrain.cli.terminal import content, fail, out, sentences
from refrain.contracts.events import CareBody, CareEvent, Drug, PatientId

UNSET = datetime(1970, 1, 1, tzinfo=UTC)
"""Intake sets the times; an event on its way there has none yet."""
BODIES: dict[str, type[BaseModel]] = {
    str(model.model_fields["type"].default): model for model in get_args(get_args(CareBody)[0])
}

FILLED_IN = {(Drug, "last")}
"""Required by the contract, and taken from another field where it is left out: one day is its first and last."""


def _fields(model: type[BaseModel]) -> str:
    return " ".join(
        name if field.is_required() and (model, name) not in FILLED_IN else f"({name})"
        for name, field in model.model_fields.items()
        if name != "type"
    )


EPILOG = "\n\n".join(
    [
        "TYPES and their fields (in brackets: may be left out; dates are YYYY-MM-DD; lists and maps are JSON):",
        *(f"`{name}` {_fields(model)}" for name, model in BODIES.items()),
    ]
)


@sentences
def record(
    kind: Annotated[str, typer.Argument(metavar="[TYPE]", help="What happened; see below.")] = "",
    fields: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]…", help="Its fields; see below.")] = None,
    patient: Annotated[str, typer.Option(metavar="AUTHORITY|TYPE|NUMBER", help="As in PID-3: NORTH|MR|0012345.")] = "",
    key: Annotated[str, typer.Option(help="Identifies the event; the same key again is a correction.")] = "",
    known_from: Annotated[str, typer.Option(help="When it became known; left out: before the first result.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the event of this key back.")] = False,
    again: Annotated[
        str, typer.Option(metavar="TEXT", help="Any new text, to say again what was said before and changed since.")
    ] = "",
    file: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A JSON list of care events.")] = None,
    to: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Intake's gRPC; left out: that of the local stack.")
    ] = "",
) -> None:
    """Record what laboratories do not send: therapy lines, drugs, transplants, infections, findings, reviews.

    `refrain record drug drug=daratumumab first=2025-01-06 last=2025-01-06 dose="16 mg/kg" --patient "NORTH|MR|12"`

    `refrain record line_started line=1 start=2025-01-06 rule_set=poems --patient "NORTH|MR|12"`

    With --file the list holds objects `{"patient": {"authority", "type", "id"}, "key", "body": {"type": …}}`;
    `withdrawn`, `known_from` and `request` (as --again) may stand beside them. Nothing is recorded unless all of it
    can be read.

    Each line of the answer is the event's id and its key, once Kafka has it. Saying the same thing again changes
    nothing, also when it was withdrawn since: then it needs --again.
    """
    events = _from_file(file) if file else [_from_words(kind, fields or [], patient, {
        "key": key, "known_from": known_from or None, "withdrawn": withdraw, "request": again,
    })]  # fmt: skip
    target = to or _local_intake()
    try:
        answers = questions.record(target, events)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE and "Kafka" not in error.details():
            fail(f"No intake answers at {target}. Is the stack up? refrain status shows the gRPC port.")
        fail(f"Intake did not take it ({error.code().name}): {error.details()}")
    for answer in answers:
        out.print(f"{answer.event_id}  {answer.key}", soft_wrap=True)


def _local_intake() -> str:
    port = Stack(Home.here()).ports("intake").get("grpc")
    if port is None:
        fail("No intake runs here. Start it with refrain up, or say where it is with --to HOST:PORT.")
    return f"127.0.0.1:{port}"


def _from_words(kind: str, fields: list[str], patient: str, head: dict[str, Any]) -> CareEvent:
    if kind not in BODIES:
        fail(f"TYPE is one of: {', '.join(BODIES)}. See refrain record --help.")
    parts = patient.split("|")
    if len(parts) != 3 or not all(parts):
        fail('--patient wants three parts as in PID-3, for example "NORTH|MR|0012345".')
    body = dict(_field(kind, word) for word in fields)
    whom = dict(zip(("authority", "type", "id"), parts, strict=True))
    return _event(head | {"patient": whom, "body": {"type": kind, **body}}, "the command line")


def _field(kind: str, word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or name not in BODIES[kind].model_fields or name == "type":
        fail(f"{kind} takes FIELD=VALUE with the fields: {_fields(BODIES[kind])}")
    if not text.startswith(("{", "[")):
        return name, text
    try:
        return name, json.loads(text)
    except json.JSONDecodeError:
        fail(f'{kind}: {name} is no JSON. A list is written ["a", "b"], a map {{"a": "b"}}, in single quotes.')


def _from_file(path: Path) -> list[CareEvent]:
    try:
        document = json.loads(content(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        line = f", line {problem.lineno}" if isinstance(problem, json.JSONDecodeError) else ""
        fail(f"{path} is no JSON{line}; it should hold a list of care events, see refrain record --help.")
    if not isinstance(document, list) or not document:
        fail(f"{path} holds no list of care events; see refrain record --help.")
    return [_event(item, f"{path}[{index}]") for index, item in enumerate(document)]


def _event(given: dict[str, Any], place: str) -> CareEvent:
    """An event on its way to intake, which gives it its times and its id."""
    try:
        body = dict(given["body"])
        if body.get("type") == "drug" and "first" in body:
            body.setdefault("last", body["first"])
        return CareEvent.model_validate(
            {
                "patient": PatientId.model_validate(given["patient"]), "key": given.get("key", ""),
                "body": TypeAdapter(CareBody).validate_python(body), "request": given.get("request", ""),
                "withdrawn": given.get("withdrawn", False), "known_from": given.get("known_from"),
                "occurred_at": UNSET, "recorded_at": UNSET,
            }
        )  # fmt: skip
    except ValidationError as problem:
        wrong = "; ".join(map(_fault, problem.errors(include_input=False, include_url=False)))
        fail(f"{place}: cannot use {wrong}. See refrain record --help for the fields of each type.")
    except (KeyError, TypeError, ValueError):
        fail(f"{place}: a care event needs its patient and its body. See refrain record --help.")


def _fault(fault: ErrorDetails) -> str:
    where = ".".join(map(str, fault["loc"])) or "body"
    return f"{where} ({'missing' if fault['type'] == 'missing' else fault['msg']})"
