"""Public messages that nobody here wrote: each ends in a named outcome, and the counts of feeds.md hold.

``SAMPLES`` is the folder; nothing of it is part of the project.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from refrain.clinical.ranges import read_range
from services.intake.domain.acks import answer
from services.intake.domain.agreement import agreement
from services.intake.domain.er7 import read
from services.intake.domain.file_messages import frames_of_file
from services.intake.domain.listing import as_listing
from services.intake.domain.profile import permissive
from services.intake.domain.reasons import REASONS, Rejected
from services.intake.domain.translate import translate

pytestmark = pytest.mark.samples

RECEIVED_AT = datetime(2030, 1, 1, tzinfo=UTC)
HL7_FILES = (".hl7", ".out")


@pytest.fixture(scope="module")
def files() -> list[Path]:
    folder = Path(os.environ["SAMPLES"])
    if not folder.is_dir():
        pytest.fail("SAMPLES names a folder that does not exist")
    return [path for path in sorted(folder.rglob("*")) if path.suffix in HL7_FILES]


@pytest.fixture(scope="module")
def messages(files: list[Path]) -> list[bytes]:
    return [frame.payload for path in files for frame in frames_of_file(path.read_bytes())]


def test_files_and_messages_as_feeds_md_counts_them(files: list[Path], messages: list[bytes]) -> None:
    """feeds.md section 2: 47 files, 1,059 messages."""
    assert (len(files), len(messages)) == (47, 1059)


def test_every_message_ends_in_a_named_outcome(messages: list[bytes]) -> None:
    outcomes: Counter[str] = Counter()
    for raw in messages:
        translation = translate(raw, permissive(), RECEIVED_AT)
        assert translation.reason is None or translation.reason in REASONS
        assert all(part.reason in REASONS for part in translation.quarantined)
        assert as_listing(translation)["outcome"] == translation.outcome
        assert answer(translation, RECEIVED_AT) is not None or translation.header is not None
        outcomes[translation.outcome] += 1
    assert outcomes == {"published": 638, "ignored": 411, "quarantined": 10}


def test_four_messages_have_no_usable_delimiters(messages: list[bytes]) -> None:
    """feeds.md section 6.2."""
    reasons = Counter(translate(raw, permissive(), RECEIVED_AT).reason for raw in messages)
    assert reasons["bad_delimiters"] == 4


def test_the_ranges_read_as_feeds_md_counts_them(messages: list[bytes]) -> None:
    """feeds.md section 11: 2,940 fields = 2,848 intervals, 69 absent, 1 qualitative, 22 unparsed."""
    kinds: Counter[str] = Counter()
    for raw in messages:
        try:
            message = read(raw)
        except Rejected:
            continue
        for segment in message.segments:
            if segment.name == "OBX" and segment.raw(7):
                kinds[read_range(segment.components(7, None)).kind] += 1
    assert kinds == {"interval": 2848, "absent": 69, "qualitative": 1, "unparsed": 22}


def test_the_laboratories_flags_agree_with_what_was_read(messages: list[bytes]) -> None:
    """feeds.md section 2: 2 disagree; 110 would once ``>`` is read as an upper limit."""
    compared: Counter[str | None] = Counter()
    for raw in messages:
        for report in translate(raw, permissive(), RECEIVED_AT).reports:
            compared.update(agreement(observation) for observation in report.observations)
    assert (compared["agree"], compared["disagree"]) == (594, 2)


def test_no_observation_is_lost_between_the_bytes_and_the_outcome(messages: list[bytes]) -> None:
    """Of every result message, each OBX is published, quarantined by its place, part of another, or names its kind."""
    for raw in messages:
        translation = translate(raw, permissive(), RECEIVED_AT)
        if translation.outcome != "published":
            continue
        places = {segment.place for segment in read(raw).segments if segment.name == "OBX"}
        found = [observation for report in translation.reports for observation in report.observations]
        seen = {observation.segment for observation in found} | {part.place for part in translation.quarantined}
        merged = {"several_answers", "repeated_in_message", "companion_words"}
        explained = any(merged & set(observation.quality) for observation in found)
        assert seen <= places
        assert seen == places or explained or "specimen_observation" in translation.quality
