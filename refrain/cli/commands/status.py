"""``refrain status``."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc
import typer
from kafka.errors import KafkaError
from rich.table import Table

from refrain.cli import streams
from refrain.cli.home import Home
from refrain.cli.programs import LISTENERS, READERS
from refrain.cli.questions import feed_warnings
from refrain.cli.stack import Stack, show_ports
from refrain.cli.supervision import ProcessState
from refrain.cli.terminal import out, sentences


@sentences
def status() -> None:
    """Show each process with its ports and ends, what each service still has before it, and warnings.

    Exit code 1 when something that should run does not, or Kafka does not answer.
    """
    stack = Stack(Home.here())
    processes = stack.supervisor.processes()
    if not processes:
        out.print(f"Nothing runs in {stack.home.path}. Start it with: refrain up")
        raise typer.Exit(1)
    out.print(_processes(stack, processes))
    bootstrap, well = str(stack.bootstrap), all(process.running for process in processes)
    try:
        out.print(_backlogs(bootstrap))
    except KafkaError as problem:
        out.print(f"[red]Kafka at {bootstrap} does not answer ({type(problem).__name__}).[/]")
        well = False
    if stack.console:
        out.print(f"The console: {stack.console}")
    for warning in _warnings(stack):
        out.print(f"[yellow]![/] {warning}", soft_wrap=True)
    if not well:
        raise typer.Exit(1)


def _processes(stack: Stack, processes: list[ProcessState]) -> Table:
    table = Table("process", "state", "pid", "for", "died", "listens at", title=f"State in {stack.home.path}")
    now = datetime.now(UTC)
    for process in sorted(processes, key=_place):
        colour = "green" if process.running else "red"
        died = f"{process.deaths}× (last: {process.last_end})" if process.deaths else "never"
        listens = show_ports(stack.home.ports_of(process.name))
        if process.name == "kafka":
            listens = str(stack.bootstrap)
        running_for = str(now - process.since).split(".")[0] if process.since and process.running else ""
        state = f"[{colour}]{process.state.lower()}[/]"
        table.add_row(process.name, state, str(process.pid or ""), running_for, died, listens)
    if not stack.own_kafka:
        table.add_row("kafka", "elsewhere", "", "", "", str(stack.bootstrap))
    return table


def _place(process: ProcessState) -> tuple[int, str]:
    """In the order of the flow, Kafka first."""
    service, order = process.name.split("-")[0], ("kafka", *LISTENERS)
    return (order.index(service) if service in order else len(order)), process.name


def _backlogs(bootstrap: str) -> Table:
    table = Table("service", "reads", "records", "waiting")
    with streams.admin(bootstrap) as client:
        for service in READERS:
            for topic, backlog in streams.backlog(client, service).items():
                waiting = f"[yellow]{backlog.waiting}[/]" if backlog.waiting else "0"
                table.add_row(service, topic, str(backlog.in_all), waiting)
    return table


def _warnings(stack: Stack) -> list[str]:
    port = stack.ports("intake").get("grpc")
    if port is None:
        return ["Intake has not told its ports yet, so its feeds cannot be shown."]
    try:
        return feed_warnings(f"127.0.0.1:{port}")
    except grpc.RpcError as error:
        return [f"Intake does not answer about its feeds ({error.code().name})."]
