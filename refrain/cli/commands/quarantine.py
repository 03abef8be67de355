"""``refrain quarantine``: what intake could not use, and what a person does about it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from rich.markup import escape
from rich.table import Table

from refrain.api.intake.v1 import intake_pb2
from refrain.cli.intake import Actor, AsJson, To, ask, request_id, when, who
from refrain.cli.terminal import out, sentences

app = typer.Typer(
    no_args_is_help=True,
    help="""What intake could not use: list it, look into it, resolve it, drive it again.

    Begin with `refrain quarantine list`. An entry whose cause is cured (a profile written, a code mapped) is driven
    again with `redrive`; one that needs nothing more is resolved with a reason.
    """,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the entry, as list shows it.")]
Comment = Annotated[str, typer.Option("--comment", help="What others should know. No patient's name or number.")]


class Shown(StrEnum):
    """Which entries."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


class Reason(StrEnum):
    """Why an entry is resolved."""

    TOLD_OTHERWISE = "told_otherwise"
    SENDER_RESENDS = "sender_resends"
    NOT_NEEDED = "not_needed"
    OTHER = "other"


@app.command("list")
@sentences
def list_(
    sender: Annotated[str, typer.Option(help="Only this sender's.")] = "",
    reason: Annotated[str, typer.Option(help="Only this reason's, for example no_patient_id.")] = "",
    state: Annotated[Shown, typer.Option(help="Which entries.")] = Shown.OPEN,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many, newest first.")] = 50,
    as_json: AsJson = False,
    to: To = "",
) -> None:
    """List what could not be used, newest first, without a patient's data."""
    asked = intake_pb2.ListQuarantineRequest(sender=sender, reason=reason, state=state, page_size=limit)
    answer = ask(to, lambda stub, seconds: stub.ListQuarantine(asked, timeout=seconds))
    if as_json:
        for item in answer.items:
            typer.echo(MessageToJson(item, preserving_proto_field_name=True, indent=None))
        return
    table = Table("id", "received", "sender", "reason", "place", "state")
    for item in answer.items:
        ended = item.state if item.state == "open" else f"{item.resolution} by {escape(item.resolved_by)}"
        table.add_row(
            item.event_id, when(item.recorded_at), item.sender or "unknown", item.reason, item.place, ended
        )  # fmt: skip
    out.print(table if answer.items else "Nothing is on the list.")
    if answer.next_page_token:
        out.print(f"There are more than these {limit}: narrow them by --sender or --reason, or raise --limit.")


@app.command()
@sentences
def show(
    event_id: Id,
    raw: Annotated[bool, typer.Option("--raw", help="Only the message as received, to standard output.")] = False,
    to: To = "",
) -> None:
    """Show one entry: what is wrong, what to do about it, and how it ended.

    With --raw the message itself is written, byte for byte. It is a patient's data: keep it where those belong.
    """
    asked = intake_pb2.GetQuarantinedRequest(event_id=event_id, without_raw=not raw)
    answer = ask(to, lambda stub, seconds: stub.GetQuarantined(asked, timeout=seconds))
    if raw:
        sys.stdout.buffer.write(answer.raw)
        sys.stdout.buffer.flush()
        return
    _tell(answer.item)


@app.command()
@sentences
def resolve(
    event_id: Id,
    reason: Annotated[Reason, typer.Option("--reason", help="Why nothing more is to be done.")],
    comment: Comment = "",
    actor: Actor = "",
    to: To = "",
) -> None:
    """Take an entry off the open list, for a reason that is kept with your name.

    Of an entry that somebody resolved before, the first reason stands, and this says whose it is.
    """
    asked = intake_pb2.ResolveRequest(
        event_id=event_id, actor=who(actor), reason=reason, comment=comment, request_id=request_id()
    )
    answer = ask(to, lambda stub, seconds: stub.Resolve(asked, timeout=seconds))
    if not answer.accepted:
        out.print("[yellow]![/] It was resolved before; that stands.")
    _tell(answer.item)


@app.command()
@sentences
def reopen(
    event_id: Id,
    comment: Annotated[str, typer.Option("--comment", help="Why. No patient's name or number.")],
    actor: Actor = "",
    to: To = "",
) -> None:
    """Put an entry back on the open list that was resolved by mistake, so that it can be driven again."""
    asked = intake_pb2.ReopenRequest(event_id=event_id, actor=who(actor), comment=comment, request_id=request_id())
    _tell(ask(to, lambda stub, seconds: stub.Reopen(asked, timeout=seconds)).item)


@app.command()
@sentences
def redrive(event_id: Id, actor: Actor = "", to: To = "") -> None:
    """Take the message of an entry through the door again, with the profile and code map of now.

    The answer comes when Kafka has what became of it. Doing it twice is harmless. Exit code 1 when something of the
    message is still wrong.
    """
    asked = intake_pb2.RedriveRequest(event_id=event_id, actor=who(actor), request_id=request_id())
    answer = ask(to, lambda stub, seconds: stub.Redrive(asked, timeout=seconds))
    said = f" ({answer.reason}: {answer.meaning})" if answer.reason else ""
    out.print(f"{answer.outcome}{said}; reports on Kafka: {answer.reports}", soft_wrap=True)
    for item in answer.still_open:
        out.print(f"[yellow]![/] still open: {item.event_id} {item.place} {item.reason}", soft_wrap=True)
    if answer.still_open:
        raise typer.Exit(1)


def _tell(item: intake_pb2.QuarantinedItem) -> None:
    part = "the whole message" if item.whole_message else "one result of it"
    out.print(f"[bold]{item.event_id}[/] {item.reason} at {item.place or 'the message'} ({part})", soft_wrap=True)
    out.print(f"  {item.meaning}", soft_wrap=True)
    out.print(f"  {item.advice}", soft_wrap=True)
    out.print(f"  received {when(item.recorded_at)} from {item.sender or 'an unknown sender'}, {item.size} bytes")
    if item.state == "open":
        out.print("  open")
        return
    comment = f": {escape(item.comment)}" if item.comment else ""
    out.print(
        f"  {item.resolution} by {escape(item.resolved_by)}, {when(item.resolved_at)}{comment}", soft_wrap=True
    )  # fmt: skip
