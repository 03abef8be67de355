"""Machines at the FHIR API: tokens of chart's own, and access tokens of the provider."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from services.chart.adapters.web.console import Console
from services.chart.adapters.web.roles import Person, Role, may
from services.chart.adapters.web.tokens import Tokens
from services.chart.adapters.web.users import By

from .conftest import CanailleProcess

ClientAs = Callable[..., TestClient]
Consoles = Callable[..., Console]
BY = By("test")


def fhir() -> APIRouter:
    """A page that says who asks, and a change."""
    router = APIRouter()

    @router.get("/fhir/who")
    async def who(person: Annotated[Person, Depends(may("see"))]) -> dict[str, str]:
        return {"id": person.id, "role": person.role, "via": person.via}

    @router.post("/fhir/change")
    async def change(_: Annotated[Person, Depends(may("acknowledge_ward"))]) -> str:
        return "changed"

    @router.get("/who")
    async def page(person: Annotated[Person, Depends(may("see"))]) -> str:
        return person.id

    return router


def ask(client: TestClient, token: str, path: str = "/fhir/who", method: str = "GET") -> Any:
    return client.request(method, path, headers={"Authorization": f"Bearer {token}"})


# --- chart's own ---


def test_a_token_asks_with_its_role(console: Console, client_as: ClientAs) -> None:
    token = console.tokens.add("ehr", Role.VIEWER, None, console.now(), BY)
    client = client_as(None, routers=[fhir()])
    assert ask(client, token).json() == {"id": "token:ehr", "role": "viewer", "via": "api"}
    assert ask(client, token, "/fhir/change", "POST").status_code == 403
    assert ask(client, token + "x").status_code == 401


def test_it_opens_no_page_of_people(console: Console, client_as: ClientAs) -> None:
    token = console.tokens.add("ehr", Role.VIEWER, None, console.now(), BY)
    assert ask(client_as(None, routers=[fhir()]), token, "/who").status_code == 303


def test_a_wrong_token_is_not_made_good_by_a_session(client_as: ClientAs) -> None:
    client = client_as("clinician", routers=[fhir()])
    assert client.get("/fhir/who").json()["id"] == "clinician"
    assert ask(client, "refrain_wrong").status_code == 401


def test_a_token_is_stored_as_its_hash_and_lasts_as_long_as_was_said(accounts: Engine, clock: Any) -> None:
    tokens = Tokens(accounts)
    week = tokens.add("week", Role.VIEWER, 7, clock(), BY)
    ever = tokens.add("ever", Role.CLINICIAN, None, clock(), BY)
    assert week not in repr(tokens.all())
    clock.passes(days=6)
    assert tokens.find(week, clock()) is not None
    clock.passes(days=1)
    assert tokens.find(week, clock()) is None
    assert tokens.find(ever, clock()) is not None
    tokens.revoke("ever", clock(), BY)
    assert tokens.find(ever, clock()) is None
    used = {token.name: token.used_at for token in tokens.all()}
    assert used["week"] is not None
    with pytest.raises(Exception, match="already"):
        tokens.add("week", Role.VIEWER, 7, clock(), BY)


# --- the provider's ---


@pytest.fixture
def behind(provider_console: Consoles, client_as: ClientAs) -> Callable[..., TestClient]:
    """A console that takes the provider's access tokens for ``refrain-api``."""

    def make(**settings: Any) -> TestClient:
        console = provider_console(**{"oidc_api_audience": "refrain-api"} | settings)
        return client_as(None, console=console, routers=[fhir()])

    return make


def test_an_access_token_of_the_provider_asks_with_its_owners_role(
    behind: Callable[..., TestClient], canaille: CanailleProcess
) -> None:
    token = canaille.token("meera")["access_token"]
    assert ask(behind(), token).json() == {"id": "meera", "role": "clinician", "via": "api"}


def test_a_change_with_a_token_needs_no_form(behind: Callable[..., TestClient], canaille: CanailleProcess) -> None:
    """Nothing sends such a token by itself, as a browser sends cookies."""
    assert ask(behind(), canaille.token("meera")["access_token"], "/fhir/change", "POST").status_code == 200


def without_signature(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def with_another_claim(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"groups": ["it"]}).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


@pytest.mark.parametrize("forge", [without_signature, with_another_claim, lambda token: token[:-4], lambda _: "x"])
def test_a_token_without_the_providers_signature_is_refused(
    behind: Callable[..., TestClient], canaille: CanailleProcess, forge: Callable[[str], str]
) -> None:
    assert ask(behind(), forge(canaille.token("meera")["access_token"])).status_code == 401


@pytest.mark.parametrize(
    "settings",
    [
        {"oidc_api_audience": "another"},
        {"oidc_api_audience": ""},
        {"oidc_role_map": {"gardeners-only": "viewer"}},
        {"oidc_issuer": "http://127.0.0.1:9"},
        {"now": lambda: datetime.now(UTC) + timedelta(days=365)},
        {"now": lambda: datetime.now(UTC) - timedelta(days=1)},
    ],
    ids=["another audience", "no audience", "no role", "provider away", "over", "not yet"],
)
def test_a_token_that_is_not_for_here_and_now_is_refused(
    behind: Callable[..., TestClient], canaille: CanailleProcess, settings: dict[str, Any]
) -> None:
    assert ask(behind(**settings), canaille.token("meera")["access_token"]).status_code == 401


def test_an_id_token_is_no_access_token(behind: Callable[..., TestClient], canaille: CanailleProcess) -> None:
    """Of the same provider, with the same audience: it speaks of a sign-in."""
    tokens = canaille.tokens_of_sign_in("meera")
    client = behind()
    assert ask(client, tokens["access_token"]).status_code == 200
    assert ask(client, tokens["id_token"]).status_code == 401


def test_somebody_disabled_here_asks_no_more(
    provider_console: Consoles, client_as: ClientAs, canaille: CanailleProcess
) -> None:
    console = provider_console(oidc_api_audience="refrain-api")
    console.users.from_provider("meera", "Meera", Role.CLINICIAN, f"{canaille.issuer}|meera", console.now())
    client = client_as(None, console=console, routers=[fhir()])
    token = canaille.token("meera")["access_token"]
    assert ask(client, token).status_code == 200
    console.users.disable("meera", console.now(), BY)
    assert ask(client, token).status_code == 401


def test_nor_does_somebody_under_the_name_of_a_local_person(
    provider_console: Consoles, client_as: ClientAs, canaille: CanailleProcess
) -> None:
    console = provider_console(oidc_api_audience="refrain-api")
    console.users.add("meera", "", Role.VIEWER, "seven quiet herons", console.now(), BY, must_change=False)
    client = client_as(None, console=console, routers=[fhir()])
    assert ask(client, canaille.token("meera")["access_token"]).status_code == 401
