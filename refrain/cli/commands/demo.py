"""``refrain demo``."""

from __future__ import annotations

import os
import time

import grpc
import typer

from refrain.cli.demo import engines, published, tables
from refrain.cli.demo.case import PATIENT, Case, case
from refrain.cli.demo.outcome import Outcome, read_outcome
from refrain.cli.demo.published import Checked
from refrain.cli.demo.replay import Sent, replay
from refrain.cli.home import Home
from refrain.cli.kafka import HOST
from refrain.cli.problems import CannotStart
from refrain.cli.programs import ENGINES
from refrain.cli.stack import Stack
from refrain.cli.terminal import err, out, sentences, working


@sentences
def demo() -> None:
    """Follow one patient all the way: start the stack, replay the case report, compare with what was published.

    The patient's results go over a real MLLP socket into intake, through Kafka to flagging, response and relapse, and
    come back as flags, a course and alerts. Each is printed beside the paper's call: ✓ agrees, or differs for the
    reason that is printed; ✗ does not. Then the engines are asked the same over gRPC.

    Exit code 1 with a sentence for any ✗ or lost message. Run twice, the messages are known already and the course is
    the same. The stack is left running (refrain down stops it), but with CI set it is taken down at the end.
    """
    started = time.monotonic()
    stack = Stack(Home.here())
    try:
        troubles = _run(stack)
    finally:
        if os.environ.get("CI"):
            stack.down()
            err.print("  CI is set: the stack is down again.")
    out.print(f"[dim]{time.monotonic() - started:.0f} seconds.[/]")
    for trouble in troubles:
        err.print(f"[bold red]✗[/] {trouble}", soft_wrap=True)
    if troubles:
        raise typer.Exit(1)
    out.print("[green]✓[/] Every flag, call and alert is what the case report's clinicians called, or says why not.")
    if not os.environ.get("CI"):
        _what_next(stack)


def _run(stack: Stack) -> list[str]:
    patient = case()
    with working("Starting the stack …") as say:
        stack.up(say)
    bootstrap = str(stack.bootstrap)
    intake = stack.ports("intake")
    with working("Replaying the patient …") as say:
        try:
            sent = replay(
                patient, mllp=(HOST, intake["mllp"]), grpc=f"{HOST}:{intake['grpc']}", bootstrap=bootstrap, say=say
            )
        except grpc.RpcError as error:
            raise CannotStart(f"Intake did not take a care event ({error.code().name}): refrain logs intake") from error
        outcome = read_outcome(bootstrap, PATIENT.key, patient.records())
    _told(sent)
    troubles = [*sent.refused, *_lost(outcome, patient)]
    out.print(tables.summary(outcome))
    troubles += _compare(outcome, patient) + _ask(stack, outcome)
    if outcome.alerts and not os.environ.get("CI"):
        [*_, urgent] = sorted(outcome.alerts, key=lambda alert: alert.due_hours or 0)
        out.print(f"Why, for example, {urgent.kind}? Ask: refrain explain {urgent.identifier}")
    return troubles


def _told(sent: Sent) -> None:
    if sent.known == sent.messages:
        out.print(f"Intake knew all {sent.messages} messages already; the course is the same as before.")
    elif sent.known:
        out.print(f"Intake knew {sent.known} of {sent.messages} messages already.")
    else:
        out.print(f"Intake took {sent.messages} messages and answered each when Kafka had it.")


def _lost(outcome: Outcome, patient: Case) -> list[str]:
    wanted = {record["id"] for record in patient.records()}
    seen = {one.name for one in outcome.seen}
    lost = [f"Result {name} was sent and did not come out of flagging." for name in sorted(wanted - seen)]
    if not outcome.snapshots:
        lost.append("No assessment came out of response.")
    return lost


def _compare(outcome: Outcome, patient: Case) -> list[str]:
    records = {record["id"]: record for record in patient.records()}
    flags = [(seen, published.check_flag(seen, records[seen.name])) for seen in outcome.seen]
    calls = list(published.calls(outcome, patient.points))
    by_point = {point["id"]: published.check_alerts(outcome, point, patient.points) for point in patient.points}
    days = {f"{alert.at:%Y-%m-%d}": by_point[published.point_of(alert.at, patient.points)] for alert in outcome.alerts}
    out.print(tables.results(flags))
    out.print(tables.course(calls, {point["id"]: point["label"] for point in patient.points}))
    out.print(tables.alerts(outcome.alerts, days))
    checked = [
        *(one for _, one in flags), *(call.checked for call in calls), *by_point.values(),
        *published.check_forbidden(outcome, patient.document["must_not"]),
    ]  # fmt: skip
    return _sentences(checked)


def _ask(stack: Stack, outcome: Outcome) -> list[str]:
    if not outcome.snapshots:
        return []
    targets = {engine: f"{HOST}:{stack.ports(engine)['grpc']}" for engine in ENGINES}
    try:
        asked = list(engines.ask(targets, outcome))
    except grpc.RpcError as error:
        return [f"An engine did not answer over gRPC: {error.code().name} {error.details()}"]
    out.print(tables.engines(asked))
    return _sentences(asked)


def _sentences(checked: list[Checked]) -> list[str]:
    return [f"{one.label}: {wrong}." for one in checked for wrong in one.wrong]


def _what_next(stack: Stack) -> None:
    mllp = stack.ports("intake").get("mllp")
    out.print("  The stack goes on running. Look around:")
    out.print("    refrain status                what runs, its ports, what waits")
    out.print(f"    refrain send FILE --to {HOST}:{mllp}")
    out.print("    refrain down [--wipe]         stop it, and forget everything")
