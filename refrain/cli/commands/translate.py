"""``refrain translate``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated

import typer

from refrain.cli.terminal import fail, sentences
from services.intake.domain.framing import MAX_MESSAGE_BYTES, VT, Frame, Framer, messages_in
from services.intake.domain.listing import as_listing
from services.intake.domain.profile import Profile, ProfileError, load_profile, permissive
from services.intake.domain.translate import refuse_too_large
from services.intake.domain.translate import translate as translated
from services.intake.domain.translation import Translation


@sentences
def translate(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="HL7 v2, any number of messages.")],
    profile: Annotated[
        str, typer.Option(metavar="P", help="A sender profile: a YAML file, or the name of one that comes along.")
    ] = "",
) -> None:
    """What intake makes of HL7 files, without Kafka: one JSON object per message, in the order of the input.

    A file may hold many messages, in MLLP frames or as text in which each begins with an MSH line (CR, LF or CRLF).

    Each line: source, ack (AA, AE, AR …), outcome (published, duplicate, ignored, quarantined), reason, reports,
    care_events, quarantined. A body that came before in this run is a duplicate. Without --profile any sender is
    taken, the zone is UTC and authorities are as sent. Exit code 0 when all was read, whatever the outcomes.
    """
    sender = _profile(profile) if profile else permissive()
    seen: set[str] = set()
    for path in files:
        for number, translation in enumerate(_translations(path, sender)):
            known = translation.may_be_remembered and translation.transport in seen
            if translation.may_be_remembered and translation.transport is not None:
                seen.add(translation.transport)
            outcome = translation.as_duplicate() if known else translation
            typer.echo(json.dumps(as_listing(outcome, f"{path}#{number}"), ensure_ascii=False))


def _translations(path: Path, profile: Profile) -> Iterator[Translation]:
    for frame in _frames(path.read_bytes()):
        now = datetime.now(UTC)
        yield refuse_too_large(frame, profile, now) if frame.too_large else translated(frame.payload, profile, now)


def _frames(data: bytes) -> list[Frame]:
    framer = Framer()
    if bytes([VT]) in data:
        return [*framer.feed(data), *framer.close()]
    return [
        Frame(message, len(message), sha256(message).hexdigest(), too_large=len(message) > MAX_MESSAGE_BYTES)
        for message in messages_in(data)
    ]


def _profile(name: str) -> Profile:
    shipped = resources("services.intake").joinpath("profiles", f"{name}.yaml")
    try:
        text = Path(name).read_text(encoding="utf-8") if Path(name).exists() else shipped.read_text(encoding="utf-8")
        return load_profile(text)
    except FileNotFoundError:
        fail(f"There is no profile {name}: neither a file of that name nor one that comes along.")
    except ProfileError as problem:
        fail(f"Profile {name}: {problem}")
