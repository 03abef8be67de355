"""``refrain explain``."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

import grpc
import typer
from google.protobuf.json_format import MessageToDict

from refrain.cli import questions
from refrain.cli.home import Home
from refrain.cli.programs import ENGINES
from refrain.cli.stack import Stack
from refrain.cli.terminal import err, fail, out, sentences


@sentences
def explain(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of an event, alert, report or result (a UUID).")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, the facts included.")] = False,
) -> None:
    """Say why: which rule spoke, on what values and ranges, and why the neighbouring call was not given.

    Asks all three engines; each answers from its own ledger. Ids stand on every event and in what the demo prints.
    Exit code 1 when no engine knows the id.
    """
    _check(identifier)
    stack = Stack(Home.here())
    answers: dict[str, dict[str, Any]] = {}
    for engine in ENGINES:
        port = stack.ports(engine).get("grpc")
        if port is None:
            fail(f"{engine} does not run here. Start the stack with refrain up.")
        try:
            answers[engine] = MessageToDict(
                questions.explain(engine, f"127.0.0.1:{port}", identifier), preserving_proto_field_name=True
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                err.print(f"  {engine} could not be asked ({error.code().name}).")
    if not answers:
        fail(f"No engine knows {identifier}.")
    if as_json:
        typer.echo(json.dumps(answers, ensure_ascii=False, indent=2))
        return
    for engine, answer in answers.items():
        out.rule(engine, align="left")
        _show(answer)


def _check(identifier: str) -> None:
    try:
        UUID(identifier)
    except ValueError:
        fail(f"{identifier} is no id: ids are UUIDs, as they stand on events, results and alerts.")


def _show(answer: dict[str, Any]) -> None:
    for flag in answer.get("flags", ()):
        value = f"{flag.get('comparator', '')}{flag.get('number') or flag.get('nominal', '?')} {flag.get('unit', '')}"
        limits = f"{flag.get('low', '…')} to {flag.get('high', '…')} ({flag.get('range_source', 'none')})"
        out.print(f"[bold]{flag.get('analyte') or 'unmapped'}[/] {value.strip()}, interval {limits}")
        out.print(f"  flags {_words(flag.get('interpretation'))}; reasons {_words(flag.get('reasons'))}")
        if flag.get("held"):
            out.print(f"  not used for the course: {_words(flag['held'])}")
        out.print(f"  rule {_rule(flag)}; result {flag.get('result_id')}")
    for call in answer.get("calls", ()):
        level = call.get("call") or "no call"
        candidate = f", candidate {call['candidate']}" if call.get("candidate") else ""
        out.print(f"[bold]{call.get('axis')}[/] {level}{candidate} ({call.get('confirmation', '')})")
        out.print(f"  {call.get('assessability', '')}; missing or open: {_words(call.get('reasons'))}")
        for neighbour, sentence in sorted(call.get("why_not", {}).items()):
            out.print(f"  not {neighbour}: {sentence}", soft_wrap=True)
        out.print(f"  rule {_rule(call)}; evidence {_words(call.get('evidence'))}", soft_wrap=True)
    for alert in answer.get("alerts", ()):
        out.print(f"[bold]{alert.get('kind')}[/] {alert.get('tier')}, {alert.get('state')}: {alert.get('text', '')}")
        out.print(f"  rule {_rule(alert)}; evidence {_words(alert.get('evidence'))}", soft_wrap=True)
    if issued := answer.get("issued"):
        out.print(f"  events about it on Kafka: {len(issued)} ({', '.join(sorted({one['topic'] for one in issued}))})")


def _rule(holder: dict[str, Any]) -> str:
    rule = holder.get("rule", {})
    verified = f", {rule['verification']}" if rule.get("verification") else ""
    return f"{rule.get('id', '?')} {rule.get('version', '')} ({rule.get('source', 'no source')}{verified})"


def _words(items: list[str] | None) -> str:
    return ", ".join(items) if items else "none"
