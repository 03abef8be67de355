"""Stories of the demo as records on Kafka, and a client that asks what chart makes of them in FHIR."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from refrain.contracts.events import Event
from refrain.contracts.fhir_names import chart_id_of

sys.path.append(str(Path(__file__).parents[1]))

from records import Feed, records_of

__all__ = ["Feed", "Fhir", "Fill", "patient_of", "records_of", "story"]

Fill = Callable[[Iterable[Event]], None]


@cache
def story(name: str) -> tuple[Event, ...]:
    """``case-report`` or ``synthetic-001`` of the demo, told to its end."""
    return tuple(records_of(json.loads(files("refrain.cli.demo").joinpath(f"{name}.json").read_text("utf-8"))))


def patient_of(records: Iterable[Event]) -> str:
    """The patient's id in FHIR."""
    return str(chart_id_of(next(iter(records)).patient.key))


class Fhir:
    """Asks, and reads numbers with their digits."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200, **headers: str) -> dict[str, Any]:
        answer = self.client.get(f"/fhir/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/fhir+json"
        found: dict[str, Any] = json.loads(answer.text, parse_float=Decimal)
        return found

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every resource of a search, page by page."""
        found = []
        address: str | None = path
        while address:
            bundle = self.get(address.split("/fhir/")[-1])
            found += [entry["resource"] for entry in bundle.get("entry", ())]
            address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        return found
