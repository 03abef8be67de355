"""From bytes to text: the ladder of character sets (feeds.md 6.1). Never with replacement characters."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from services.intake.domain.reasons import Rejected

_NAMES: dict[str, str] = {
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    "ISO IR6": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "LATIN1": "latin-1",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
}
"""HL7 table 0211 and the spellings that senders use, to Python codecs."""

_ISO_8859 = re.compile(r"(?:ISO[-_ ]?)?8859[-/](1[0-69]?|[2-9])")
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message as text, the codec that read it, and quality codes."""

    text: str
    codec: str
    quality: tuple[str, ...] = ()

    @property
    def guessed(self) -> bool:
        """Whether the character set is a guess, so that what is not ASCII may be damaged."""
        return "charset_guess" in self.quality


def codec_of(name: str) -> str | None:
    """The Python codec of an MSH-18 name; None when the name is unknown or UTF-16."""
    folded = " ".join(name.upper().split())
    if known := _NAMES.get(folded):
        return known
    part = _ISO_8859.fullmatch(folded)
    return f"iso8859-{part[1]}" if part else None


def decode(raw: bytes, named: str, fallback: str | None) -> Decoded:
    """Decode a message.

    ``named`` is MSH-18 as sent (may be empty), ``fallback`` the profile's character set. Rejected
    (``charset_unsupported``) when the name is unknown or the message is UTF-16.
    """
    if raw.startswith(_UTF16_MARKS):
        raise Rejected("charset_unsupported", "MSH[1]-18")
    rungs: list[str] = []
    if raw.startswith(codecs.BOM_UTF8):
        raw = raw[len(codecs.BOM_UTF8) :]
        rungs.append("utf-8")
    for name in (named, fallback or ""):
        if name.strip():
            codec = codec_of(name)
            if codec is None:
                raise Rejected("charset_unsupported", "MSH[1]-18")
            rungs.append(codec)
    said = len(rungs)
    for position, codec in enumerate([*rungs, "utf-8", "cp1252", "latin-1"]):
        text = _strictly(raw, codec)
        if text is not None:
            guessed = position > said
            codes = (("charset_mismatch",) if said and position else ()) + (("charset_guess",) if guessed else ())
            return Decoded(text, codec, codes)
    raise AssertionError("latin-1 decodes every byte")


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None
