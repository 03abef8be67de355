"""Calls of the command line to intake's people's side: who acts, where intake is, and sentences for what goes wrong."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC
from typing import Annotated, TypeVar
from uuid import uuid4

import grpc
import typer
from google.protobuf.timestamp_pb2 import Timestamp

from refrain.api.intake.v1 import intake_pb2_grpc
from refrain.cli import questions
from refrain.cli.home import Home
from refrain.cli.stack import Stack
from refrain.cli.terminal import fail

Answer = TypeVar("Answer")
Stub = intake_pb2_grpc.IntakeServiceStub

To = Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="Intake's gRPC; left out: that of the local stack.")]
Actor = Annotated[
    str, typer.Option("--as", metavar="WHO", help="Who does it, for the record; left out: your name on this machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, one object per line.")]


def ask(to: str, question: Callable[[Stub, float], Answer]) -> Answer:
    """The answer to one question, which is given the stub and a deadline in seconds; a sentence when there is none."""
    target = to or _local()
    try:
        with questions.channel(target) as opened:
            return question(Stub(opened), questions.DEADLINE_SECONDS)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE and "try again" not in (error.details() or ""):
            fail(f"No intake answers at {target}. Is the stack up? refrain status shows the gRPC port.")
        fail(f"Intake says ({error.code().name}): {error.details()}")


def who(given: str) -> str:
    """Who acts: as given, else the name of whoever runs the command."""
    try:
        return given or getpass.getuser()
    except (KeyError, OSError):
        fail("Nobody on this machine has your user id: say who you are with --as WHO.")


def request_id() -> str:
    """A new id for one request of a person."""
    return str(uuid4())


def when(moment: Timestamp) -> str:
    """A time as tables show it, in UTC."""
    return f"{moment.ToDatetime(UTC):%Y-%m-%d %H:%M}Z"


def _local() -> str:
    port = Stack(Home.here()).ports("intake").get("grpc")
    if port is None:
        fail("No intake runs here. Start it with refrain up, or say where it is with --to HOST:PORT.")
    return f"127.0.0.1:{port}"
