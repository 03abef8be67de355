"""``refrain send``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from refrain.cli.mllp import MllpClient, Unanswered
from refrain.cli.terminal import err, fail, out, sentences
from services.intake.domain.framing import messages_in

SILENT = "no answer"


@sentences
def send(
    files: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="HL7 v2 files, any number of messages.")
    ],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where intake listens; refrain status shows it.")],
) -> None:
    """Send HL7 v2 messages over MLLP, one after the other, and sum up the acknowledgements.

    A file may hold many messages: in MLLP frames, or as text in which each begins with an MSH line (CR, LF or CRLF).

    AA or CA: Kafka has all of it. AE: the content was not usable and is in quarantine. AR: it never will be taken.
    No answer: nothing was promised; send it again. Exit code 1 unless every answer was AA or CA.
    """
    host, port = _address(to)
    codes: Counter[str] = Counter()
    with MllpClient(host, port) as client:
        for path in files:
            for number, message in enumerate(messages_in(path.read_bytes())):
                codes[_send_one(client, message, f"{path}#{number}", to)] += 1
    table = Table("answer", "messages", title=f"{sum(codes.values())} messages sent to {to}")
    for code, count in sorted(codes.items()):
        table.add_row(code, str(count))
    out.print(table)
    if set(codes) - {"AA", "CA"}:
        raise typer.Exit(1)


def _send_one(client: MllpClient, message: bytes, source: str, to: str) -> str:
    try:
        answer = client.send(message)
    except Unanswered as silence:
        err.print(f"  {source}: {silence}", soft_wrap=True)
        return SILENT
    except OSError as problem:
        fail(f"Nobody listens at {to} ({problem.strerror or problem}). Is the stack up? refrain status shows the port.")
    if not answer.positive or answer.causes:
        err.print(f"  {source}: {answer.code} {'; '.join(answer.causes)}", soft_wrap=True)
    return answer.code


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        fail(f"--to wants HOST:PORT, for example 127.0.0.1:2575, not {text!r}.")
    return host, int(port)
