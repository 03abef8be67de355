"""``refrain send``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from refrain.cli.mllp import POSITIVE, MllpClient, Unanswered
from refrain.cli.terminal import err, fail, out, sentences
from services.intake.domain.framing import messages_in

SILENT = "no answer"
UNREACHABLE = "not sent"


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
    numbered = [(f"{path}#{n}", one) for path in files for n, one in enumerate(messages_in(path.read_bytes()))]
    with MllpClient(host, port) as client:
        for source, message in numbered:
            codes[_send_one(client, message, source)] += 1
            if codes[UNREACHABLE]:
                err.print(f"  {source} and what follows was not sent: nobody listens at {to}.", soft_wrap=True)
                break
    table = Table("answer", "messages", title=f"{len(numbered)} messages for {to}")
    for code, count in sorted(codes.items()):
        table.add_row(code, str(count))
    out.print(table)
    if codes[UNREACHABLE]:
        fail(f"Nobody listens at {to}. Is the stack up? refrain status shows the port.")
    if set(codes) - POSITIVE:
        raise typer.Exit(1)


def _send_one(client: MllpClient, message: bytes, source: str) -> str:
    try:
        answer = client.send(message)
    except Unanswered as silence:
        err.print(f"  {source}: {silence}", soft_wrap=True)
        return SILENT
    except OSError:
        return UNREACHABLE
    if not answer.positive or answer.causes:
        err.print(f"  {source}: {answer.code} {'; '.join(answer.causes)}", soft_wrap=True)
    return answer.code


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit():
        fail(f"--to wants HOST:PORT, for example 127.0.0.1:2575, not {text!r}.")
    return host, int(port)
