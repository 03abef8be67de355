"""``refrain assess``."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from refrain.cli import assess as timelines
from refrain.cli.terminal import fail, sentences
from refrain.cli.timeline import TimelineError


@sentences
def assess(
    timeline: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="One patient's timeline, JSON.")],
    ruleset: Annotated[str | None, typer.Option(help="Rule set for every line, instead of the timeline's own.")] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Leave out what was issued after this date, and look at what was due by then."
        ),
    ] = None,
    as_received: Annotated[
        bool, typer.Option("--as-received", help="Apply the facts in the order of the file, whatever their dates.")
    ] = False,
) -> None:
    """Flags, course and alerts of one timeline, without Kafka: the three engines' own steps over one file.

    Prints one JSON object {"flags", "course", "alerts", "quality"}. The format is that of the case report's patient,
    who comes along: refrain/cli/demo/case-report.json. Facts are applied by issued_at (else collected_at), one course
    entry per moment with new facts. What the file says it expects is never read.
    """
    last: date | None = until.date() if until else None
    try:
        document = json.loads(timeline.read_bytes())
        result = timelines.assess(document, ruleset=ruleset, until=last, as_received=as_received)
    except json.JSONDecodeError as problem:
        fail(f"{timeline} is not JSON (line {problem.lineno}, column {problem.colno}).")
    except TimelineError as problem:
        fail(f"{timeline}: {problem}")
    typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
