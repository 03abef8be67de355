"""The sender profile (feeds.md section 16): what one sender means, checked when it is loaded.

One YAML file per sender. Unknown keys fail; there is no default zone. The profile's hash and its revision
travel on every report that it shaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from refrain.clinical.analytes import CATALOGUE, by_loinc
from refrain.clinical.loinc import check_digit_ok
from refrain.clinical.values import NumberStyle
from refrain.contracts.events import Processing
from refrain.contracts.ids import canonical_json
from services.intake.domain.charset import codec_of
from services.intake.domain.reasons import REASONS

TRANSLATOR_REVISION = 1
"""Grows with every release whose catalogue, unit table or grammars read a message differently."""

TRANSLATORS_PER_PROFILE = 1_000_000
"""So many translator revisions fit under one profile revision: the translation number only grows with either."""

ATTRIBUTE_PREFIX = "attribute:"
ATTRIBUTES = ("liver_suvmax", "new_lesion", "statement", "clonal", "light_chain")
"""What a code may be mapped to besides an analyte: a statement that stands by another result (answers 24)."""

CollectedFrom = Literal["OBX-14", "OBR-7", "SPM-17"]
AckCode = Literal["AA", "AE", "AR"]


class ProfileError(ValueError):
    """A profile cannot be used; the text says where and why, and holds nothing of a patient."""


def _texts(value: Any) -> Any:
    """Map values as text, since YAML reads ``36916`` as a number; a number is not what was meant for floats."""
    if isinstance(value, Mapping):
        return {str(key): str(item) if isinstance(item, int) and not isinstance(item, bool) else item
                for key, item in value.items()}  # fmt: skip
    return value


TextMap = Annotated[dict[str, str], BeforeValidator(_texts)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Match(_Strict):
    """Which messages belong to the sender; what is None is not looked at."""

    listener: str | None = None
    certificate: str | None = None
    application: str | None = None
    facility: str | None = None


class Acks(_Strict):
    """How the sender wants to be answered (feeds.md section 5)."""

    mode: Literal["auto", "original", "enhanced", "none"] = "auto"
    second: Literal["none", "same_connection"] = "none"
    quarantine: Literal["AE", "AA"] = "AE"
    unavailable: Literal["close", "AE"] = "close"
    batch: Literal["per_message", "single"] = "per_message"
    codes: dict[str, AckCode] = {}
    """Cause to acknowledgement code, for engines that treat AE and AR differently."""

    @field_validator("codes")
    @classmethod
    def _known_causes(cls, codes: dict[str, AckCode]) -> dict[str, AckCode]:
        if unknown := sorted(codes.keys() - REASONS.keys()):
            raise ValueError(f"acks.codes names causes that do not exist: {', '.join(unknown)}")
        return codes


class PatientFields(_Strict):
    """Where the patient's number stands and which types are trusted, best first; no types: any."""

    fields: tuple[Literal["PID-2", "PID-3", "PID-4"], ...] = Field(default=("PID-3",), min_length=1)
    types: tuple[str, ...] = ()
    authority: str | None = None
    default_type: str | None = None


class Numbers(_Strict):
    decimal_mark: Literal[".", ","] = "."
    thousands: str | None = None

    @property
    def style(self) -> NumberStyle:
        return NumberStyle(decimal_mark=self.decimal_mark, thousands=self.thousands)


class Ranges(_Strict):
    separators: tuple[str, ...] = ()
    words: TextMap = {}


class SilenceAlarm(_Strict):
    minutes: int = Field(gt=0)
    hours: str = Field(default="00-24", pattern=r"^\d\d-\d\d$")


class Profile(_Strict):
    """One sender. Names are those of feeds.md section 16; ``revision`` is ours and grows with every change."""

    sender: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    revision: int = Field(default=1, ge=1)
    match: Match = Match()
    zone: str
    charset: str | None = None
    processing_ids: dict[str, Processing] = Field(default={"P": "live", "T": "test", "D": "training"}, min_length=1)
    """MSH-11 to how it is processed; ``*`` stands for every other."""
    ignore: tuple[str, ...] = ()
    acks: Acks = Acks()
    patient: PatientFields = PatientFields()
    collected_at: tuple[CollectedFrom, ...] = Field(default=("OBX-14", "OBR-7", "SPM-17"), min_length=1)
    versions_by: Literal["issued_at", "status"] = "issued_at"
    alert_on_preliminary: tuple[Literal["critical"], ...] = ()
    numbers: Numbers = Numbers()
    ranges: Ranges = Ranges()
    units: TextMap = {}
    codes: TextMap = {}
    """``CODE|SYSTEM`` to a LOINC of the catalogue, a catalogue code, or ``attribute:NAME``."""
    missing: TextMap = {}
    comments_that_question: tuple[str, ...] = ("haemolysed", "hemolysed", "hemolyzed", "clotted", "wrong tube")
    silence_alarm: SilenceAlarm | None = None

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("zone is not an IANA time zone such as Europe/Berlin") from error
        return zone

    @field_validator("charset")
    @classmethod
    def _charset_known(cls, charset: str | None) -> str | None:
        if charset is not None and codec_of(charset) is None:
            raise ValueError("charset is not one that Refrain knows")
        return charset

    @field_validator("codes")
    @classmethod
    def _targets_exist(cls, codes: dict[str, str]) -> dict[str, str]:
        for key, target in codes.items():
            if key.count("|") != 1:
                raise ValueError(f"codes: {key!r} is not written CODE|SYSTEM")
            if not is_target(target):
                raise ValueError(f"codes: {key!r} leads to {target!r}, which is no analyte of the catalogue")
        return codes

    @model_validator(mode="after")
    def _versions_by_is_supported(self) -> Profile:
        if self.versions_by == "status":
            raise ValueError("versions_by: status is not supported yet; every version is ordered by its issue time")
        return self

    @property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @cached_property
    def hash(self) -> str:
        """``sha256:…`` over everything the profile says."""
        return "sha256:" + sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()

    @property
    def translation(self) -> int:
        """Number of this reading of the sender; grows with the profile's revision and with the translator's."""
        return self.revision * TRANSLATORS_PER_PROFILE + TRANSLATOR_REVISION

    def processing_of(self, processing_id: str) -> Processing | None:
        """What MSH-11 means; None when the sender may not send it."""
        return self.processing_ids.get(processing_id) or self.processing_ids.get("*")

    def belongs(self, listener: str, certificate: str, application: str, facility: str) -> bool:
        """Whether a message of this listener, client certificate, MSH-3 and MSH-4 is the sender's."""
        here = {"listener": listener, "certificate": certificate, "application": application, "facility": facility}
        return all(wanted is None or here[name] == wanted for name, wanted in self.match.model_dump().items())

    @property
    def not_here_yet(self) -> tuple[str, ...]:
        """A sentence for each setting that may be written down already and does nothing yet."""
        sentences = {
            "match.certificate asks for TLS, which is not here yet: no message belongs to this profile.": (
                self.match.certificate is not None
            ),
            "silence_alarm is not here yet: nothing tells when this sender falls silent.": self.silence_alarm
            is not None,
            "acks.batch is not here yet: batches are quarantined.": self.acks.batch != "per_message",
        }
        return tuple(sentence for sentence, applies in sentences.items() if applies)

    @property
    def strictness(self) -> int:
        """How many things it asks of a message: the strictest profile that fits is chosen."""
        return sum(wanted is not None for wanted in self.match.model_dump().values())


def is_target(target: str) -> bool:
    """Whether a code may lead there: an analyte by code or LOINC, or a statement beside one."""
    if target.startswith(ATTRIBUTE_PREFIX):
        return target.removeprefix(ATTRIBUTE_PREFIX) in ATTRIBUTES
    return target in CATALOGUE or (check_digit_ok(target) and by_loinc(target) is not None)


def load_profile(text: str) -> Profile:
    """A profile from YAML text; ProfileError with a sentence for each thing that is wrong with it."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ProfileError(f"not YAML{f', line {mark.line + 1}' if mark else ''}") from None
    if not isinstance(content, dict):
        raise ProfileError("a profile is a mapping of keys")
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'profile'}: {fault['msg']}" for fault in error.errors())
        raise ProfileError("; ".join(faults)) from None


def permissive() -> Profile:
    """Any sender, zone UTC, authorities as sent, every processing id: for ``refrain translate`` and trials.

    ``P`` is live, ``T`` test, ``D`` training, every other one live.
    """
    ids: dict[str, Processing] = {"P": "live", "T": "test", "D": "training", "*": "live"}
    return Profile(sender="permissive", zone="UTC", processing_ids=ids)


def choose(
    profiles: Iterable[Profile], *, listener: str = "", certificate: str = "", application: str = "", facility: str = ""
) -> Profile | None:
    """The strictest profile that fits, by name where several do; None when the sender is unknown."""
    fitting = [profile for profile in profiles if profile.belongs(listener, certificate, application, facility)]
    return min(fitting, key=lambda profile: (-profile.strictness, profile.sender), default=None)
