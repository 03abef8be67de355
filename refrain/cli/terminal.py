"""How commands talk to a person: progress on standard error, results on standard output, trouble as one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from refrain.cli.problems import CannotStart

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

WIDTH = 140
"""Columns where there is no terminal to ask, as in a file or a build log."""


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)


out = _console(stderr=False)
err = _console(stderr=True)


def fail(sentence: str) -> NoReturn:
    """Say what is wrong and what to do, and end with exit code 1."""
    err.print(f"[bold red]✗[/] {escape(sentence)}", soft_wrap=True)
    raise typer.Exit(1)


def content(path: Path) -> bytes:
    """What is in a file; a sentence when it may not be read."""
    try:
        return path.read_bytes()
    except OSError as problem:
        fail(f"{path} cannot be read: {problem.strerror}.")


def sentences(command: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A command whose CannotStart is a sentence and exit code 1, not a traceback."""

    @wraps(command)
    def told(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except CannotStart as problem:
            fail(str(problem))

    return told


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner with the newest sentence where there is a terminal, plain lines where there is none."""
    if not err.is_terminal:
        yield lambda sentence: err.print(f"  {sentence}", soft_wrap=True)
        return
    with err.status(what) as shown:

        def say(sentence: str) -> None:
            if sentence.startswith("Fetching"):
                shown.update(sentence)
            else:
                err.print(f"  {sentence}", soft_wrap=True)
                shown.update(what)

        yield say
