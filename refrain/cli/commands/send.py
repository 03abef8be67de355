"""``refrain send``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from refrain.cli.mllp import POSITIVE, MllpClient, Unanswered, wants_answer
from refrain.cli.terminal import content, err, fail, out, sentences
from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.framing import CR, FS, VT, Frame
from services.intake.domain.reasons import REASONS

SILENT = "no answer"
UNWANTED = "no answer wanted"
UNFIT = "not fit to send"
UNREACHABLE = "not sent"
FRAME_END = bytes([FS, CR])
HIGHEST_PORT = 65_535


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
    No answer: nothing was promised; send it again. No answer wanted: the message says so (MSH-15 and MSH-16). Exit
    code 1 unless every answer was AA or CA, or none was wanted.
    """
    host, port = _address(to)
    codes: Counter[str] = Counter()
    numbered = list(_numbered(files))
    if not numbered:
        fail("There is no message in what was given; nothing was sent.")
    with MllpClient(host, port) as client:
        for source, frame in numbered:
            codes[_send_one(client, frame, source)] += 1
            if codes[UNREACHABLE]:
                err.print(f"  {escape(source)} and what follows was not sent: nobody listens at {to}.", soft_wrap=True)
                break
    table = Table("answer", "messages", title=f"{len(numbered)} messages for {to}")
    for code, count in sorted(codes.items()):
        table.add_row(code, str(count))
    out.print(table)
    if codes[UNREACHABLE]:
        fail(f"Nobody listens at {to}. Is the stack up? refrain status shows the port.")
    if set(codes) - POSITIVE - {UNWANTED}:
        raise typer.Exit(1)


def _numbered(files: list[Path]) -> Iterator[tuple[str, Frame]]:
    for path in files:
        data = content(path)
        frames = list(frames_of_file(data, max_bytes=len(data)))
        if not frames:
            err.print(f"  {escape(str(path))}: there is no message in it.", soft_wrap=True)
        yield from ((f"{path}#{number}", frame) for number, frame in enumerate(frames))


def _send_one(client: MllpClient, frame: Frame, source: str) -> str:
    if unfit := _unfit(frame):
        err.print(f"  {escape(source)}: {unfit}; it was not sent.", soft_wrap=True)
        return UNFIT
    try:
        if not wants_answer(frame.payload):
            client.post(frame.payload)
            return UNWANTED
        answer = client.send(frame.payload)
    except Unanswered as silence:
        err.print(f"  {escape(source)}: {silence}", soft_wrap=True)
        return SILENT
    except OSError:
        return UNREACHABLE
    if not answer.positive or answer.causes:
        causes = "; ".join(map(_explained, answer.causes))
        err.print(f"  {escape(source)}: {answer.code} {escape(causes)}", soft_wrap=True)
    return answer.code


def _unfit(frame: Frame) -> str:
    if frame.incomplete:
        return "the file breaks off inside the message"
    if bytes([VT]) in frame.payload or FRAME_END in frame.payload:
        return "it holds the control characters that begin and end a message in MLLP"
    return ""


def _explained(cause: str) -> str:
    """A cause of Refrain's with its sentence; what others answer stays as it came."""
    known = REASONS.get(cause.split(" ", 1)[0])
    return f"{cause}: {known.text}" if known else cause


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    usable = colon and host and port.isascii() and port.isdigit()
    if not usable or not 0 < int(port) <= HIGHEST_PORT:
        fail(f"--to wants HOST:PORT, for example 127.0.0.1:2575, not {text!r}.")
    return host.removeprefix("[").removesuffix("]"), int(port)
