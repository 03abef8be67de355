"""The answer to a message (feeds.md section 5): mode, code, cause and place, and never a value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from refrain.contracts.ids import derive
from services.intake.domain.er7 import Delimiters, Segment
from services.intake.domain.profile import AckCode, Acks, Profile
from services.intake.domain.reasons import CONDITION_TEXT, REASONS
from services.intake.domain.translation import Translation

APPLICATION = "REFRAIN"
DEFAULT_VERSION = "2.5.1"
ERR_SINCE = (2, 5)
"""From this version on ERR has place and cause of its own; before it the cause goes to MSA-3."""
MSA_TEXT_CHARACTERS = 80
"""Length of MSA-3 (HL7 2.3)."""
CONTROL_ID_CHARACTERS = 20
_VERSION = re.compile(r"2(?:\.\d+)*(?![\w.])", re.ASCII)

Mode = Literal["original", "enhanced", "none"]
Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

_STANDARD = Delimiters("|", "^", "~", "\\", "&")
_ENHANCED: dict[AckCode, Code] = {"AA": "CA", "AE": "CE", "AR": "CR"}


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: str
    place: str
    severity: Literal["E", "W"]


def answer(translation: Translation, answered_at: datetime) -> bytes | None:
    """The answer in ER7, without its MLLP envelope; None when the sender wants none."""
    code = ack_code(translation)
    return None if code is None else _acknowledgement(translation, answered_at, code, _faults(translation))


def second_answer(translation: Translation, answered_at: datetime) -> bytes | None:
    """The application's answer after a commit ACK, for ``AL``/``AL`` with ``acks.second: same_connection``."""
    acks = _acks(translation)
    wanted = _mode(translation.header, acks) == "enhanced" and acks.second == "same_connection"
    if not wanted or not _applies(_field(translation.header, 16), translation):
        return None
    return _acknowledgement(translation, answered_at, _application_code(translation, acks), _faults(translation))


def unavailable(translation: Translation, answered_at: datetime) -> bytes | None:
    """``AE`` 207 for a message that could not be stored, where the profile asks for it; else None: silence."""
    acks = _acks(translation)
    if acks.unavailable == "close" or ack_code(translation) is None:
        return None
    code: Code = "CE" if _mode(translation.header, acks) == "enhanced" else "AE"
    return _acknowledgement(translation, answered_at, code, [_Fault("internal_error", "", "E")])


def ack_code(translation: Translation) -> Code | None:
    """``AA AE AR``, or ``CA CE CR`` in enhanced mode; None when the sender wants no answer."""
    acks = _acks(translation)
    mode = _mode(translation.header, acks)
    if mode == "none":
        return None
    code = _application_code(translation, acks)
    if mode == "enhanced":
        return _ENHANCED[code] if _applies(_field(translation.header, 15), translation) else None
    wanted = _field(translation.header, 16) if acks.mode == "auto" else ""
    return code if _applies(wanted, translation) else None


def _acks(translation: Translation) -> Acks:
    return translation.profile.acks if translation.profile else Acks()


def _mode(header: Segment | None, acks: Acks) -> Mode:
    if acks.mode != "auto":
        return acks.mode
    accept, application = _field(header, 15), _field(header, 16)
    if accept in ("", "NE"):
        return "none" if accept == "NE" and application in ("", "NE") else "original"
    return "enhanced"


def _applies(condition: str, translation: Translation) -> bool:
    """HL7 table 0155: ``SU`` only success, ``ER`` only errors, ``NE`` never; anything else always."""
    good = _application_code(translation, _acks(translation)) == "AA"
    return {"SU": good, "ER": not good, "NE": False}.get(condition, True)


def _application_code(translation: Translation, acks: Acks) -> AckCode:
    reason = translation.reason
    if reason is None or translation.outcome == "duplicate":
        return "AA"
    if remapped := acks.codes.get(reason):
        return remapped
    kind = REASONS[reason].kind
    if kind == "content":
        return acks.quarantine
    return "AA" if kind == "ignored" else "AR"


def _faults(translation: Translation) -> list[_Fault]:
    """The causes: one error for a message that is refused, one warning for every result that is not usable."""
    if translation.quarantined:
        severity: Literal["E", "W"] = "W" if translation.outcome == "published" else "E"
        return [_Fault(part.reason, part.place, severity) for part in translation.quarantined]
    if translation.reason is None or REASONS[translation.reason].kind == "ignored":
        return []
    return [_Fault(translation.reason, translation.place, "E")]


def _acknowledgement(translation: Translation, answered_at: datetime, code: Code, faults: Sequence[_Fault]) -> bytes:
    header = translation.header
    delimiters = header.delimiters if header else _STANDARD
    version = _field(header, 12)
    version = version if _VERSION.match(version) else DEFAULT_VERSION
    modern = _version_number(version) >= ERR_SINCE
    msa = ["MSA", code, _field(header, 10)]
    if faults and not modern:
        msa.append("; ".join(f"{fault.reason} {fault.place}".strip() for fault in faults)[:MSA_TEXT_CHARACTERS])
    segments = [_msh(translation, answered_at, delimiters, version), delimiters.field.join(msa)]
    if modern:
        segments += [_err(fault, delimiters) for fault in faults]
    text = "\r".join(segments) + "\r"
    return text.encode(translation.codec if header and header.codec == translation.codec else "latin-1")


def _msh(translation: Translation, answered_at: datetime, delimiters: Delimiters, version: str) -> str:
    header = translation.header
    trigger = "".join(_field(header, 9).split(delimiters.component)[1:2])
    kind = ("ACK", trigger, "ACK") if trigger and _version_number(version) >= (2, 4) else ("ACK", trigger)
    encoding = _field(header, 2)
    if not encoding.startswith(delimiters.component + delimiters.repetition + delimiters.escape):
        encoding = "^~\\&"
    own = derive("ack", translation.hash, answered_at).hex.upper()
    fields = [
        "MSH", encoding, _field(header, 5) or APPLICATION, _field(header, 6), _field(header, 3), _field(header, 4),
        _time(answered_at, translation.profile), "",
        delimiters.component.join(kind).rstrip(delimiters.component), f"R{own}"[:CONTROL_ID_CHARACTERS],
        _field(header, 11), version,
    ]  # fmt: skip
    if charset := _field(header, 18):
        fields += ["", "", "", "", "", charset]
    return delimiters.field.join(fields)


def _err(fault: _Fault, delimiters: Delimiters) -> str:
    """ERR of 2.5: place, HL7 condition, severity, our cause."""
    condition = REASONS[fault.reason].code
    component = delimiters.component
    return delimiters.field.join(
        (
            "ERR",
            "",
            component.join(_location(fault.place)),
            component.join((condition, CONDITION_TEXT[condition], "HL70357")),
            fault.severity,
            component.join((fault.reason, "", APPLICATION)),
        )
    )


def _location(place: str) -> tuple[str, ...]:
    """``PID[1]-3`` as ERR-2 writes it: segment, sequence, field."""
    segment, _, rest = place.partition("[")
    sequence, _, field = rest.partition("]-")
    return tuple(part for part in (segment, sequence.rstrip("]"), field) if part)


def _time(moment: datetime, profile: Profile | None) -> str:
    return moment.astimezone(profile.time_zone if profile else moment.tzinfo).strftime("%Y%m%d%H%M%S%z")


def _version_number(version: str) -> tuple[int, ...]:
    numbers = version.split("^")[0].split(".")
    return tuple(int(number) for number in numbers if number.isascii() and number.isdigit())


def _field(header: Segment | None, field: int) -> str:
    """A header field as received; MSH-10 exactly so. A line that was joined to it stays out of the answer."""
    raw = header.raw(field).split("\n", 1)[0] if header else ""
    return raw if field == 10 else raw.strip()
