"""``refrain translate``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files as resources
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from refrain.cli.terminal import content, err, fail, sentences
from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.listing import as_listing
from services.intake.domain.profile import Profile, ProfileError, load_profile, permissive
from services.intake.domain.reasons import REASONS
from services.intake.domain.translate import translate_frame
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
    taken, the zone is UTC and authorities are as sent. Exit code 0 when all was read, whatever the outcomes. What could
    not be used is said in words on standard error.
    """
    sender = _profile(profile) if profile else permissive()
    seen: set[str] = set()
    for path in files:
        for number, translation in enumerate(_translations(path, sender)):
            known = translation.may_be_remembered and translation.transport in seen
            if translation.may_be_remembered and translation.transport is not None:
                seen.add(translation.transport)
            outcome = translation.as_duplicate() if known else translation
            source = f"{path}#{number}"
            typer.echo(json.dumps(as_listing(outcome, source), ensure_ascii=False))
            _explain(outcome, source)


def _translations(path: Path, profile: Profile) -> Iterator[Translation]:
    """What becomes of each message; a file without any is told of, since it leaves no line."""
    found = False
    for frame in frames_of_file(content(path)):
        found = True
        yield translate_frame(frame, profile, datetime.now(UTC))
    if not found:
        err.print(f"  {escape(str(path))}: there is no message in it.", soft_wrap=True)


def _explain(translation: Translation, source: str) -> None:
    """A sentence for each cause, beside the JSON: where it is and what it means."""
    for part in translation.unusable:
        place = f" at {part.place}" if part.place else ""
        err.print(f"  {escape(source)}: {part.reason}{escape(place)}. {REASONS[part.reason].text}", soft_wrap=True)


def _profile(name: str) -> Profile:
    shipped = resources("services.intake").joinpath("profiles", f"{name}.yaml")
    try:
        text = Path(name).read_text(encoding="utf-8") if Path(name).exists() else shipped.read_text(encoding="utf-8")
        return load_profile(text)
    except FileNotFoundError:
        fail(f"There is no profile {name}: neither a file of that name nor one that comes along.")
    except UnicodeDecodeError:
        fail(f"Profile {name}: not a text in UTF-8.")
    except OSError as problem:
        fail(f"Profile {name} cannot be read: {problem.strerror}.")
    except ProfileError as problem:
        fail(f"Profile {name}: {problem}")
