"""JSON Schemas of what a CDS service answers, written from the text of CDS Hooks 2.0. They are ours, not HL7's."""

from __future__ import annotations

from typing import Any

UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
URL = {"type": "string", "pattern": "^https?://"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": required, "additionalProperties": False,
        "properties": properties | {"extension": {"type": "object"}},
    }  # fmt: skip


CODING = _object(
    ["code", "display"], system={"type": "string"}, code={"type": "string"}, display={"type": "string", "minLength": 1}
)
DISCOVERY = _object(
    ["services"],
    services={
        "type": "array",
        "items": _object(
            ["hook", "description", "id"],
            hook={"type": "string"}, title={"type": "string"}, description={"type": "string", "minLength": 1},
            id={"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
            prefetch={"type": "object", "additionalProperties": {"type": "string"}},
            usageRequirements={"type": "string"},
        ),
    },
)  # fmt: skip
CARD = _object(
    ["summary", "indicator", "source"],
    uuid=UUID,
    summary={"type": "string", "minLength": 1, "maxLength": 139},
    detail={"type": "string"},
    indicator={"enum": ["info", "warning", "critical"]},
    source=_object(["label"], label={"type": "string", "minLength": 1}, url=URL, icon=URL, topic=CODING),
    suggestions={
        "type": "array", "minItems": 1,
        "items": _object(
            ["label"], label={"type": "string", "minLength": 1}, uuid=UUID, isRecommended={"type": "boolean"},
            actions={"type": "array"},
        ),
    },
    selectionBehavior={"enum": ["at-most-one", "any"]},
    overrideReasons={"type": "array", "items": CODING},
    links={
        "type": "array",
        "items": _object(
            ["label", "url", "type"], label={"type": "string", "minLength": 1}, url=URL,
            type={"enum": ["absolute", "smart"]}, appContext={"type": "string"},
        ),
    },
) | {"dependentRequired": {"suggestions": ["selectionBehavior"]}}  # fmt: skip
CARDS = _object(["cards"], cards={"type": "array", "items": CARD}, systemActions={"type": "array"})
