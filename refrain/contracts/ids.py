"""Derived ids: the same fact has the same id, however often and wherever it is made.

Replay, retry, rebalance and a second sender of the same message all end in the same UUIDv5, so every
reader that keeps state or tells a person can drop what it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID, uuid5

NAMESPACE = UUID("0b3c3b0e-6f6a-5f0e-9d3b-7a0f5b9f4c11")
"""Namespace of every id that Refrain derives. Changing it would make every fact a new one."""


def canonical_json(content: Any) -> str:
    """One text for one content: sorted keys, no spaces, times in UTC, Decimals exactly as received."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case Decimal() | UUID():
            return str(value)
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"no canonical form for {type(value).__name__}")


def derive(kind: str, *parts: Any) -> UUID:
    """The id of one thing of a kind: UUIDv5 over the kind and its identifying parts, in order."""
    return uuid5(NAMESPACE, f"{kind}\x1f{canonical_json(parts)}")


def patient_key(authority: str, kind: str, number: str) -> str:
    """The Kafka key of a patient: the three parts percent-encoded as UTF-8 and joined by ``|``.

    Every writer of a patient topic uses this one function, so that a patient never spans two partitions.
    """
    return "|".join(quote(part, safe="") for part in (authority, kind, number))


def split_patient_key(key: str) -> tuple[str, str, str]:
    """The inverse of :func:`patient_key`; ValueError when the key has not three parts."""
    authority, kind, number = (unquote(part) for part in key.split("|"))
    return authority, kind, number
