"""``refrain logs``."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from refrain.cli.home import Home
from refrain.cli.terminal import fail, sentences

POLL_SECONDS = 0.3


@sentences
def logs(
    process: Annotated[
        str, typer.Argument(help="kafka, intake, flagging-1, … or supervisord; all when left out.")
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the newest lines of each.")] = 30,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what comes; end with Ctrl-C.")] = False,
) -> None:
    """Show what the processes of the stack wrote, newest lines last. No log holds a patient's data."""
    directory = Home.here().logs
    paths = sorted(directory.glob("*.log"))
    if process:
        paths = [path for path in paths if path.stem == process or path.stem.startswith(f"{process}-")]
    if not paths:
        fail(f"There is no log of {process or 'anything'} in {directory}. Is the stack up (refrain status)?")
    for path in paths:
        with path.open(errors="replace") as log:
            for line in deque(log, lines):
                _show(path, line)
    if follow:
        try:
            _follow(paths)
        except KeyboardInterrupt:
            raise typer.Exit from None


def _follow(paths: list[Path]) -> None:
    at = {path: path.stat().st_size for path in paths}
    while True:
        for path in paths:
            size = path.stat().st_size
            start = at[path] if size >= at[path] else 0  # it was rotated
            with path.open("rb") as log:
                log.seek(start)
                for line in log:
                    _show(path, line.decode(errors="replace"))
                at[path] = log.tell()
        time.sleep(POLL_SECONDS)


def _show(path: Path, line: str) -> None:
    typer.echo(f"{path.stem:<12} {line.rstrip()}")
