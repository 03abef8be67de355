"""``refrain codes``: codes that lead to no analyte, and what a person says they mean."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from rich.markup import escape
from rich.table import Table

from refrain.api.intake.v1 import intake_pb2
from refrain.cli.intake import Actor, AsJson, To, ask, request_id, when, who
from refrain.cli.terminal import fail, out, sentences

app = typer.Typer(
    no_args_is_help=True,
    help="""Codes of laboratories that lead to no analyte: list them, say what they mean, take it back.

    A result under such a code is published, and judged by the laboratory's own range only. `map` holds from the
    sender's next message on; what is sent again is read anew.
    """,
)

Sender = Annotated[str, typer.Argument(metavar="SENDER", help="The sender's name in its profile.")]
Code = Annotated[str, typer.Argument(metavar="CODE|SYSTEM", help='As received in OBX-3, for example "KAP|L".')]


@app.command("list")
@sentences
def list_(
    sender: Annotated[str, typer.Option(help="Only this sender's.")] = "",
    mapped: Annotated[bool, typer.Option("--mapped", help="What people mapped instead, withdrawn included.")] = False,
    as_json: AsJson = False,
    to: To = "",
) -> None:
    """List codes that results came with and that lead nowhere, most frequent first."""
    if mapped:
        _mappings(sender, as_json, to)
        return
    asked = intake_pb2.ListUnmappedCodesRequest(sender=sender)
    answer = ask(to, lambda stub, seconds: stub.ListUnmappedCodes(asked, timeout=seconds))
    if as_json:
        for one in answer.codes:
            typer.echo(MessageToJson(one, preserving_proto_field_name=True, indent=None))
        return
    table = Table("sender", "code|system", "name", "results", "first", "last")
    for one in answer.codes:
        table.add_row(
            one.sender, escape(f"{one.code}|{one.system}"), escape(one.name), str(one.count),
            when(one.first_seen_at), when(one.last_seen_at),
        )  # fmt: skip
    out.print(table if answer.codes else "Every code leads to an analyte.")


@app.command("map")
@sentences
def map_(
    sender: Sender,
    code: Code,
    analyte: Annotated[
        str, typer.Argument(metavar="ANALYTE", help="Of the catalogue, for example VEGF, or its LOINC.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="How you know, for the record.")],
    actor: Actor = "",
    to: To = "",
) -> None:
    """Say what a sender's code means, from its next message on, for a reason that is kept with your name.

    `refrain codes map north-lab "KAP|L" SFLC_K --reason "Their list of tests of March"`
    """
    _change(sender, code, analyte, reason, actor, to, withdrawn=False)


@app.command()
@sentences
def withdraw(
    sender: Sender,
    code: Code,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    actor: Actor = "",
    to: To = "",
) -> None:
    """Take back what was said that a code means: from the sender's next message on it leads nowhere again."""
    _change(sender, code, "", reason, actor, to, withdrawn=True)


def _change(sender: str, code: str, analyte: str, reason: str, actor: str, to: str, *, withdrawn: bool) -> None:
    name, bar, system = code.partition("|")
    if not bar:
        fail('The code is written CODE|SYSTEM in quotes, for example "KAP|L"; without a system it ends in the bar.')
    asked = intake_pb2.MapCodeRequest(
        sender=sender, code=name, system=system, analyte=analyte, actor=who(actor), reason=reason,
        request_id=request_id(), withdrawn=withdrawn,
    )  # fmt: skip
    answer = ask(to, lambda stub, seconds: stub.MapCode(asked, timeout=seconds))
    does = "leads nowhere again" if withdrawn else f"leads to {answer.mapping.analyte}"
    out.print(f"{escape(code)} of {sender} {does}, from its next message on.", soft_wrap=True)


def _mappings(sender: str, as_json: bool, to: str) -> None:
    asked = intake_pb2.ListMappingsRequest(sender=sender, with_withdrawn=True)
    answer = ask(to, lambda stub, seconds: stub.ListMappings(asked, timeout=seconds))
    if as_json:
        for one in answer.mappings:
            typer.echo(MessageToJson(one, preserving_proto_field_name=True, indent=None))
        return
    table = Table("sender", "code|system", "analyte", "by", "since", "why", "withdrawn")
    for one in answer.mappings:
        ended = f"{when(one.withdrawn_at)} by {escape(one.withdrawn_by)}" if one.withdrawn else ""
        table.add_row(
            one.sender, escape(f"{one.code}|{one.system}"), one.analyte, escape(one.mapped_by), when(one.mapped_at),
            escape(one.reason), ended,
        )  # fmt: skip
    out.print(table if answer.mappings else "Nobody mapped a code.")
