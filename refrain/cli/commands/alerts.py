"""``refrain alerts``: what waits for somebody, as notify has it; taking one on, putting it off, passing it on."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import uuid4

import grpc
import typer
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from refrain.api.events.v1 import people_pb2
from refrain.api.notify.v1 import alerts_pb2 as api
from refrain.api.notify.v1 import alerts_pb2_grpc
from refrain.cli import questions
from refrain.cli.home import Home
from refrain.cli.intake import who
from refrain.cli.stack import Stack
from refrain.cli.terminal import fail, out, sentences
from refrain.contracts.acknowledging import REASON_BY_CODE, REASONS

app = typer.Typer(
    help="""Alerts that wait for somebody, most urgent and oldest first.

    `refrain alerts` lists them, `refrain alerts --watch` keeps the list current.

    `ack ID` takes one on, `snooze ID` puts it off, `reassign ID WHO` gives it to somebody else.
    """,
)

PAGE = 500
COLOURS = {"P1": "bold red", "P2": "yellow", "P3": "cyan", "DQ": "magenta"}
"""Beside the word, never instead of it."""

LONGEST_HOURS = 1000.0
"""Beyond every site's limit for putting an alert off, which notify knows; a slip of the hand ends here."""

Stub = alerts_pb2_grpc.AlertServiceStub
To = Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="notify's gRPC; left out: that of the local stack.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the alert, as the list shows it.")]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="Your id; left out: your name on this machine.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for others to read.")]


class Tier(StrEnum):
    """How urgent."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    DQ = "DQ"


@app.callback(invoke_without_command=True)
@sentences
def alerts(
    context: typer.Context,
    tier: Annotated[list[Tier], typer.Option("--tier", help="Only this tier; may be given several times.")] = [],  # noqa: B006
    patients: Annotated[bool, typer.Option("--patients", help="Show patients' numbers and the alerts' texts.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also what waits for nobody any more.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep the list current until Ctrl-C.")] = False,
    to: To = "",
) -> None:
    """List alerts, most urgent and oldest first. Without --patients nothing of a patient is shown."""
    if context.invoked_subcommand:
        return
    tiers = [one.value for one in tier]
    with _service(to) as stub:
        found, cursor = _all(stub, tiers, waiting=not everything)
        if not watch:
            out.print(_table(found, patients) if found else "Nothing waits for anybody.")
            return
        with _shown() as show:
            show(_table(found, patients))
            with _until_interrupted(stub.WatchAlerts(api.WatchAlertsRequest(tiers=tiers, after=cursor))) as changes:
                for _ in changes:
                    show(_table(_all(stub, tiers, waiting=not everything)[0], patients))


@app.command()
@sentences
def ack(
    alert: Id,
    reason: Annotated[str, typer.Option("--reason", help=f"One of {', '.join(REASON_BY_CODE)}.")],
    comment: Annotated[
        str, typer.Option("--comment", help="What others should know; needed for the reason other.")
    ] = "",
    by: By = "",
    to: To = "",
) -> None:
    """Take an alert on, for a reason that is kept with your name. A critical one still waits for its read-back.

    Of two people at once one wins; the other is told who. Exit code 1 when it could not be taken on.
    """
    if reason not in REASON_BY_CODE:
        fail("The reason is one of: " + "; ".join(f"{one.code} ({one.words})" for one in REASONS) + ".")
    request = api.AcknowledgeRequest(
        alert_id=alert, reason=reason, comment=comment, request_id=str(uuid4()),
        actor=_actor(by),
    )  # fmt: skip
    with _service(to) as stub:
        taken = stub.Acknowledge(request, timeout=questions.DEADLINE_SECONDS).alert
    more = " It still waits for its read-back." if taken.waiting else ""
    out.print(f"[green]✓[/] {taken.tier} {taken.kind} is taken on by {escape(taken.acknowledged_by)}.{more}")


@app.command()
@sentences
def snooze(
    alert: Id,
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=LONGEST_HOURS, help="For how long, like 4 or 0.5.")],
    reason: Why = "",
    by: By = "",
    to: To = "",
) -> None:
    """Put an alert off: nobody is told of it until then, and its clock stands still meanwhile.

    All times that one alert is put off stay within the site's limit; a critical one is never put off. Exit code 1 when
    it could not be.
    """
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(hours=hours))
    request = api.SnoozeRequest(
        alert_id=alert, until=until, reason=reason, request_id=str(uuid4()), actor=_actor(by)
    )  # fmt: skip
    with _service(to) as stub:
        off = stub.Snooze(request, timeout=questions.DEADLINE_SECONDS).alert
    out.print(f"[green]✓[/] {off.tier} {off.kind} is put off until {_moment(off.snoozed_until):%Y-%m-%d %H:%M} UTC.")


@app.command()
@sentences
def reassign(
    alert: Id,
    person: Annotated[str, typer.Argument(metavar="WHO", help="Id of a person of the roster.")],
    reason: Why = "",
    by: By = "",
    to: To = "",
) -> None:
    """Give an alert to somebody else, who is told. Its clock goes on. Exit code 1 when it could not be given."""
    request = api.ReassignRequest(
        alert_id=alert, to=person, reason=reason, request_id=str(uuid4()), actor=_actor(by)
    )  # fmt: skip
    with _service(to) as stub:
        known = stub.ListPeople(api.ListPeopleRequest(), timeout=questions.DEADLINE_SECONDS).people
        if person not in {one.id for one in known}:
            fail("The roster knows: " + "; ".join(f"{one.id} ({one.name})" for one in known) + ".")
        given = stub.Reassign(request, timeout=questions.DEADLINE_SECONDS).alert
    out.print(f"[green]✓[/] {given.tier} {given.kind} is given to {escape(given.assigned_to)}.")


def _actor(by: str) -> people_pb2.Actor:
    return people_pb2.Actor(id=who(by), via="cli")


@contextmanager
def _service(to: str) -> Iterator[Stub]:
    """notify's AlertService; a sentence for what goes wrong."""
    target = to or _local()
    try:
        with questions.channel(target) as opened:
            yield Stub(opened)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            fail(f"No notify answers at {target}. Is the stack up? refrain status shows the gRPC port.")
        fail(f"notify says ({error.code().name}): {_said(error)}")
    except KeyboardInterrupt:
        raise typer.Exit from None


def _said(error: grpc.RpcError) -> str:
    """What notify says of a refusal: field by field where a request makes no sense."""
    wrong = error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        detail.Unpack(wrong)
    fields = [f"{one.field}: {one.description}" for one in wrong.field_violations]
    return "; ".join(fields) or str(error.details())


@contextmanager
def _until_interrupted(changes: Any) -> Iterator[Any]:
    """The stream, which Ctrl-C ends. As an exception the interrupt may be lost inside gRPC's own callbacks."""
    before = signal.signal(signal.SIGINT, lambda *_: changes.cancel())
    try:
        yield changes
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.CANCELLED:
            raise
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown() -> Iterator[Callable[[Table], None]]:
    """Shows one table in place of the other; one below the other where there is no terminal."""
    if not out.is_terminal:
        yield out.print
        return
    with Live(console=out, auto_refresh=False) as live:
        yield lambda table: live.update(table, refresh=True)


def _local() -> str:
    port = Stack(Home.here()).ports("notify").get("grpc")
    if port is None:
        fail("No notify runs here. Start it with refrain up, or say where it is with --to HOST:PORT.")
    return f"127.0.0.1:{port}"


def _all(stub: Stub, tiers: list[str], *, waiting: bool) -> tuple[list[api.Alert], str]:
    """Every page of the list, and the cursor from which its changes follow."""
    request = api.ListAlertsRequest(tiers=tiers, waiting_only=waiting, page_size=PAGE)
    answer = stub.ListAlerts(request, timeout=questions.DEADLINE_SECONDS)
    found, cursor = list(answer.alerts), answer.cursor
    while answer.next_page_token:
        request.page_token = answer.next_page_token
        answer = stub.ListAlerts(request, timeout=questions.DEADLINE_SECONDS)
        found += answer.alerts
    return found, cursor


def _table(alerts: list[api.Alert], patients: bool) -> Table:
    more = ("patient", "text") if patients else ()
    table = Table("tier", "kind", "age", "state", "held by", "next level", *more, "id", title=f"alerts: {len(alerts)}")
    now = datetime.now(UTC)
    for alert in alerts:
        colour = COLOURS.get(alert.tier, "")
        told = (f"{alert.patient.authority} {alert.patient.id}", alert.text) if patients else ()
        table.add_row(
            f"[{colour}]{alert.tier}[/]" if colour else alert.tier, alert.kind, _span(now - _moment(alert.raised_at)),
            alert.state, escape(alert.assigned_to or alert.acknowledged_by), _until(alert, now),
            *map(escape, told), alert.alert_id,
        )  # fmt: skip
    return table


def _until(alert: api.Alert, now: datetime) -> str:
    if not alert.HasField("due_at"):
        return ""
    left = _moment(alert.due_at) - now
    return f"in {_span(left)}" if left >= timedelta() else f"{_span(-left)} ago"


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def _moment(stamp: Timestamp) -> datetime:
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment
