"""An empty read model that a test fills, and somebody who asks for it in FHIR."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from services.chart.adapters.projection import Projection
from services.chart.adapters.read_model import ReadModel
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.users import By

sys.path.append(str(Path(__file__).parent))

from fhir_client import Feed, Fhir, Fill


@pytest.fixture
def fill(chart_engine: Engine) -> Fill:
    """Projects records, one batch a call."""
    return Feed(Projection(chart_engine).take)


@pytest.fixture
def read_model(chart_engine: Engine) -> ReadModel:
    return ReadModel(chart_engine)


@pytest.fixture
def fhir(client_as: Callable[..., TestClient], console: Console) -> Fhir:
    """Asks as the machine ``ehr`` with a viewer's token."""
    token = console.tokens.add("ehr", Role.VIEWER, None, console.now(), By("administrator"))
    client = client_as(None)
    client.headers["Authorization"] = f"Bearer {token}"
    return Fhir(client)
