"""``refrain demo``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import grpc
import typer

from refrain.cli.demo import engines, tables
from refrain.cli.demo.case import PATIENT, Case, case, synthetic
from refrain.cli.demo.compared import Comparison, compare
from refrain.cli.demo.compared import sentences as sentences_of
from refrain.cli.demo.outcome import Outcome, read_outcome
from refrain.cli.demo.published import point_of
from refrain.cli.demo.replay import Sent, replay, send_without_a_number
from refrain.cli.demo.story import story
from refrain.cli.home import Home
from refrain.cli.kafka import HOST
from refrain.cli.people import invitation
from refrain.cli.problems import CannotStart
from refrain.cli.programs import ENGINES
from refrain.cli.stack import Stack
from refrain.cli.terminal import err, out, sentences, working

AS_IT_SHOULD_BE = (
    "Every flag, call and alert is what the case report's clinicians called, or says why not.",
    "The synthetic patient's relapse, retraction and second relapse are as expected.",
)


@sentences
def demo() -> None:
    """Follow two patients all the way: start the stack, replay the case report, compare with what was published.

    The patient's results go over a real MLLP socket into intake, through Kafka to flagging, response and relapse, and
    come back as flags, a course and alerts. Each is printed beside the paper's call: ✓ agrees, or differs for the
    reason that is printed; ✗ does not. Then the engines are asked the same over gRPC.

    A second, invented patient follows, who relapses, is corrected, and relapses again, so that there is something of
    every kind to look at.

    Exit code 1 with a sentence for any ✗ or lost message. Run twice, the messages are known already and the course is
    the same. The stack is left running (refrain down stops it), and the last lines say where the console is and who may
    sign in; but with CI set all of it is taken down at the end.
    """
    started = time.monotonic()
    stack = Stack(Home.here())
    try:
        with working("Starting the stack …") as say:
            made = stack.up(say)
        troubles = _run(stack)
    finally:
        if os.environ.get("CI"):
            stack.down()
            err.print("  CI is set: the stack is down again.")
    out.print(f"[dim]{time.monotonic() - started:.0f} seconds.[/]")
    for trouble in troubles:
        err.print(f"[bold red]✗[/] {trouble}", soft_wrap=True)
    if not troubles:
        for sentence in AS_IT_SHOULD_BE:
            out.print(f"[green]✓[/] {sentence}")
    if not os.environ.get("CI"):
        _what_next(stack, made)
    if troubles:
        raise typer.Exit(1)


def _run(stack: Stack) -> list[str]:
    published_case, invented = case(), synthetic()
    outcome, troubles = _follow(stack, published_case)
    if outcome.alerts and not os.environ.get("CI"):
        [*_, urgent] = sorted(outcome.alerts, key=lambda alert: alert.due_hours or 0)
        out.print(f"Why, for example, {urgent.kind}? Ask: refrain explain {urgent.identifier}")
    return troubles + _follow(stack, invented)[1]


def _follow(stack: Stack, patient: Case) -> tuple[Outcome, list[str]]:
    """Replay one patient, show what came of it, and say what is not as it should be."""
    bootstrap, intake = str(stack.bootstrap), stack.ports("intake")
    with working(f"Replaying {patient.patient.id} …") as say:
        try:
            sent = replay(
                patient, mllp=(HOST, intake["mllp"]), grpc=f"{HOST}:{intake['grpc']}", bootstrap=bootstrap, say=say
            )
        except grpc.RpcError as error:
            raise CannotStart(f"Intake did not take a care event ({error.code().name}): refrain logs intake") from error
        outcome = read_outcome(bootstrap, patient.patient.key, patient.records())
    _told(sent, patient)
    out.print(tables.summary(outcome))
    comparison = compare(outcome, patient)
    _show(outcome, comparison, patient)
    return outcome, [*sent.refused, *comparison.troubles, *_ask(stack, outcome), *_unreadable(stack, patient, sent)]


def _unreadable(stack: Stack, patient: Case, sent: Sent) -> list[str]:
    """Once, with the invented patient, something that must not be used: for the list of what waits for a person."""
    if patient.patient == PATIENT or sent.known == sent.messages:
        return []
    trouble = send_without_a_number(patient, mllp=(HOST, stack.ports("intake")["mllp"]))
    if not trouble:
        out.print("Intake kept back a message without a patient's number; it waits for a person.")
    return [trouble] if trouble else []


def _told(sent: Sent, patient: Case) -> None:
    who = f"[bold]{patient.patient.id}[/]: "
    if sent.known == sent.messages:
        out.print(f"{who}Intake knew all {sent.messages} messages already; the course is the same as before.")
    elif sent.known:
        out.print(f"{who}Intake knew {sent.known} of {sent.messages} messages already.")
    else:
        out.print(f"{who}Intake took {sent.messages} messages and answered each when Kafka had it.")


def _show(outcome: Outcome, comparison: Comparison, patient: Case) -> None:
    """The case report's patient in full, beside what was published; the invented one in one table."""
    if patient.patient != PATIENT:
        out.print(story(outcome, comparison, patient.points))
        return
    points = patient.points
    days = {f"{at:%Y-%m-%d}": comparison.points[point_of(at, points)] for at in (one.at for one in outcome.alerts)}
    out.print(tables.results(comparison.flags))
    out.print(tables.course(comparison.calls, {point["id"]: point["label"] for point in points}))
    out.print(tables.alerts(outcome.alerts, days))


def _ask(stack: Stack, outcome: Outcome) -> list[str]:
    if not outcome.snapshots:
        return []
    targets = {engine: f"{HOST}:{stack.ports(engine)['grpc']}" for engine in ENGINES}
    try:
        asked = list(engines.ask(targets, outcome))
    except grpc.RpcError as error:
        return [f"An engine did not answer over gRPC: {error.code().name} {error.details()}"]
    out.print(tables.engines(asked))
    return sentences_of(asked)


def _what_next(stack: Stack, made: Mapping[str, str]) -> None:
    mllp = stack.ports("intake").get("mllp")
    out.print("  The stack goes on running. Look around:")
    out.print("    refrain status                what runs, its ports, what waits")
    out.print(f"    refrain send FILE --to {HOST}:{mllp}")
    out.print("    refrain down [--wipe]         stop it, and forget everything")
    for line in invitation(stack.console, stack.ports("mailbox").get("http"), made, stack.home):
        out.print(line, soft_wrap=True)
