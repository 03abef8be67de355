"""``refrain down``."""

from __future__ import annotations

from typing import Annotated

import typer

from refrain.cli.home import Home
from refrain.cli.stack import Stack
from refrain.cli.terminal import err, out, sentences, working


@sentences
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also delete Kafka's log, the ledgers and the logs.")] = False,
) -> None:
    """Stop everything that `refrain up` started, Kafka last. Nothing is left running.

    With --wipe the directory `.refrain` is deleted too. Topics on a cluster of KAFKA_BOOTSTRAP_SERVERS stay.
    """
    stack = Stack(Home.here())
    own = stack.own_kafka or stack.bootstrap is None
    with working("Stopping the stack …"):
        left = stack.down(wipe=wipe)
    for process in left:
        err.print(f"  Had to be ended without its supervisor: {process}")
    out.print("[green]✓[/] Nothing of the stack runs any more.")
    if wipe:
        out.print(
            "  Its state is deleted." + ("" if own else " The topics on the cluster that was used are still there.")
        )
