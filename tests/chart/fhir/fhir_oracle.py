"""What every resource must be: valid by ``fhir.resources``, and what that library does not look at.

The models are those of R4B: the library has none of R4. Of the resources sent here nothing changed between the two,
as far as its release notes were read: what R4B adds (CodeableReference, RatioRange, and
4.1 and 4.3 as versions of a CapabilityStatement) is not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from services.chart.domain.fhir.encoding import encode

STATUSES = {
    "Observation": {
        "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
    },
    "DiagnosticReport": {
        "registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
        "entered-in-error", "unknown",
    },
    "Flag": {"active", "inactive", "entered-in-error"},
    "DetectedIssue": {
        "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
    },
}  # fmt: skip
NORMAL = "N"


def check(resource: dict[str, Any]) -> None:
    """AssertionError or ValidationError for anything that is not as it should be."""
    kind = resource["resourceType"]
    model = get_fhir_model_class(kind).model_validate(resource)
    assert _floats(json.loads(model.model_dump_json())) == _floats(resource), "does not come back as it was"
    if kind in STATUSES:
        assert resource["status"] in STATUSES[kind]
    if kind == "Observation":
        for each in (resource, *resource.get("component", ())):
            given = [name for name in each if name.startswith("value")]
            assert len(given) <= 1
            assert not (given and "dataAbsentReason" in each), "obs-6"
    for name, value in leaves(resource):
        assert value not in ("", None, [], {}), name
        assert not isinstance(value, float), name
        if isinstance(value, str):
            assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", value)
    for reference in references(resource):
        assert re.fullmatch(r"#specimen|(Patient|Observation)/[A-Za-z0-9.-]{1,64}", reference), reference
    assert _digits(read_again(encode(resource))) == _digits(resource), "digits are lost"


def read_again(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _digits(value: Any) -> Any:
    """Every number as it is written: to a Decimal 40 and 40.0 are the same."""
    match value:
        case dict():
            return {name: _digits(inner) for name, inner in value.items()}
        case list():
            return [_digits(inner) for inner in value]
        case bool():
            return value
        case int() | Decimal():
            return str(value)
    return value


def _floats(value: Any) -> Any:
    """The library writes numbers as floats: only their sizes are compared with it."""
    match value:
        case dict():
            return {name: _floats(inner) for name, inner in value.items()}
        case list():
            return [_floats(inner) for inner in value]
        case bool():
            return value
        case int() | float() | Decimal():
            return float(value)
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT.*", value):
            return datetime.fromisoformat(value)
    return value


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case dict() if value:
            for key, inner in value.items():
                yield from leaves(inner, f"{name}.{key}")
        case list() if value:
            for inner in value:
                yield from leaves(inner, name)
        case _:
            yield name, value


def references(resource: dict[str, Any]) -> list[str]:
    return [value for name, value in leaves(resource) if name.endswith(".reference")]


def codes(concepts: list[dict[str, Any]]) -> list[str]:
    return [each["code"] for one in concepts for each in one.get("coding", ())]


def extension(resource: dict[str, Any], name: str) -> dict[str, list[Any]]:
    """The parts of a complex extension of ours, by name."""
    found: dict[str, list[Any]] = {}
    for outer in resource.get("extension", ()):
        if outer["url"].endswith(f"/{name}"):
            for inner in outer.get("extension", ()):
                value = next(value for key, value in inner.items() if key.startswith("value"))
                found.setdefault(inner["url"], []).append(value)
    return found


def component(resource: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((each for each in resource.get("component", ()) if name in codes([each["code"]])), None)
