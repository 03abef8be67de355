"""``refrain up``."""

from __future__ import annotations

from typing import Annotated

import typer

from refrain.cli.home import Home
from refrain.cli.people import invitation
from refrain.cli.stack import Stack
from refrain.cli.terminal import out, sentences, working


@sentences
def up(
    workers: Annotated[int, typer.Option(min=1, max=12, help="Processes of each engine; they share the patients.")] = 1,
) -> None:
    """Start the whole stack on this machine: Kafka, topics, databases, the six services.

    State lives in `.refrain` of the current directory (or $REFRAIN_HOME) until `refrain down --wipe`. The first time
    Apache Kafka is fetched (about 45 MB); set KAFKA_BOOTSTRAP_SERVERS to use a cluster that is there instead.

    A process that dies is started again; `refrain status` tells. Settings of a service are environment variables,
    for example RESPONSE_WORKER_GRPC_PORT: see the README of each service.
    """
    stack = Stack(Home.here())
    with working("Starting the stack …") as say:
        made = stack.up(say, workers=workers)
    mllp = stack.ports("intake").get("mllp")
    out.print(f"[green]✓[/] The stack is up. Send HL7 to 127.0.0.1:{mllp}, for example:")
    out.print(f"    refrain send FILE --to 127.0.0.1:{mllp}")
    for line in invitation(stack.console, stack.ports("mailbox").get("http"), made, stack.home):
        out.print(line, soft_wrap=True)
    out.print("    refrain status      what runs, its ports, what waits")
    out.print("    refrain down        stop it; with --wipe forget everything")
