"""``refrain``, the operator's command: the local stack, and what one may ask it."""

from __future__ import annotations

import typer

from refrain.cli.commands import (
    alerts,
    assess,
    codes,
    demo,
    down,
    explain,
    logs,
    quarantine,
    record,
    send,
    status,
    translate,
    up,
)

app = typer.Typer(
    name="refrain",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold patients
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Watches patients through their laboratory results: flags, response to treatment, relapse alerts.

    Begin with `refrain demo`: it starts everything on this machine and follows one patient all the way. Then
    `refrain status` shows what runs, `refrain send` puts your own HL7 through it, and `refrain down` stops it.

    `refrain translate` and `refrain assess` need nothing running: they read a file and print JSON.
    """,
)

STACK, FACTS, FILES = "The stack on this machine", "Facts in, reasons out", "Without Kafka"

app.command("up", rich_help_panel=STACK)(up.up)
app.command("status", rich_help_panel=STACK)(status.status)
app.command("logs", rich_help_panel=STACK)(logs.logs)
app.command("down", rich_help_panel=STACK)(down.down)
app.command("demo", rich_help_panel=STACK)(demo.demo)
app.command("send", rich_help_panel=FACTS)(send.send)
app.command("record", rich_help_panel=FACTS, epilog=record.EPILOG)(record.record)
app.command("explain", rich_help_panel=FACTS)(explain.explain)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=FACTS)
app.add_typer(codes.app, name="codes", rich_help_panel=FACTS)
app.add_typer(alerts.app, name="alerts", rich_help_panel=FACTS)
app.command("translate", rich_help_panel=FILES)(translate.translate)
app.command("assess", rich_help_panel=FILES)(assess.assess)

if __name__ == "__main__":
    app()
