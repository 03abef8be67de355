"""Invented timelines for ``refrain assess``: short ways to write results of one patient and one laboratory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

Json = dict[str, Any]


def result(name: str, code: str, value: str | None, day: str, unit: str = "", limits: str = "", **more: Any) -> Json:
    """One observation; ``more`` are fields of the record and stand over the usual ones."""
    at = day if "T" in day else f"{day}T08:00:00Z"
    received = {"value": value, "unit": unit or None, "range": limits or None}
    usual = {"id": name, "code": code, "received": received, "method": "M1", "lab": "L1", "status": "F"}
    return usual | {"collected_at": at, "issued_at": at} | more


def vegf(name: str, value: str, day: str, limits: str = "0-160", **more: Any) -> Json:
    return result(name, "VEGF", value, day, "pg/mL", limits, **{"specimen": "PLASMA_EDTA", **more})


def band(name: str, answer: str, day: str, heavy: str | None = None, light: str | None = None, **more: Any) -> Json:
    chains = {"heavy": heavy, "light": light} if heavy or light else None
    return result(name, "IFE_S", answer, day, **({"isotype": chains} | more))


def patient(*observations: Json, **more: Any) -> Json:
    """A document with one line from 2025-01-06; ``more`` are keys of the document."""
    usual = {
        "subject": {"id": "invented", "sex": "M", "birth_date": "1970-01-31"},
        "clone": {"heavy": "IgG", "light": "lambda"},
        "therapy_lines": [{"line": 1, "rule_set": "poems", "start": "2025-01-06"}],
        "observations": list(observations),
    }
    return usual | more


def flag(assessed: Json, name: str) -> Json:
    [found] = [flag for flag in assessed["flags"] if flag["id"] == name]
    return dict(found)


def axis(assessed: Json, name: str) -> Json:
    return dict(assessed["course"][-1]["axes"][name])


def kinds(assessed: Json, *states: str) -> list[str]:
    """Kinds of the alerts in these states, without the notices of baseline and response; all states if none given."""
    quiet = {"ABNORMAL_SUMMARY", "RESPONSE_UPGRADE"}
    return [
        alert["kind"]
        for alert in assessed["alerts"]
        if alert["kind"] not in quiet and (not states or alert["state"] in states)
    ]


@pytest.fixture(scope="session")
def write() -> SimpleNamespace:
    """The functions above, by name."""
    return SimpleNamespace(result=result, vegf=vegf, band=band, patient=patient, flag=flag, axis=axis, kinds=kinds)
