"""Resources as JSON text. Numbers keep their digits: ``1.10`` is written as ``1.10``, which the json module cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

Resource = dict[str, Any]
FINGERPRINT = 16
"""Hexadecimal digits that tell two contents of one resource apart."""


def encode(resource: Mapping[str, Any]) -> str:
    """JSON of a resource; TypeError for what FHIR has no JSON for (a float, for one: its digits are lost already)."""
    return "".join(_parts(resource))


def _parts(value: Any) -> Iterator[str]:
    match value:
        case bool() | None | str():
            yield json.dumps(value, ensure_ascii=False)
        case Decimal():
            yield number(value)
        case int():
            yield str(value)
        case Mapping():
            yield "{"
            for place, (name, inner) in enumerate(value.items()):
                yield f"{',' if place else ''}{json.dumps(name)}:"
                yield from _parts(inner)
            yield "}"
        case list() | tuple():
            yield "["
            for place, inner in enumerate(value):
                yield "," if place else ""
                yield from _parts(inner)
            yield "]"
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")


def number(value: Decimal) -> str:
    """A decimal as FHIR writes one, digit by digit. ValueError for what is no number."""
    if not value.is_finite():
        raise ValueError("not a number")
    return str(value)


def fingerprint(resource: Mapping[str, Any]) -> str:
    """Of the content without ``meta``: equal for equal contents."""
    content = {name: value for name, value in resource.items() if name != "meta"}
    return sha256(encode(content).encode()).hexdigest()[:FINGERPRINT]
