"""Nobody gets anywhere unasked: every route, every change, every header."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

import pytest
from fastapi import APIRouter, Depends, Form
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from services.chart.adapters.web import gate
from services.chart.adapters.web.application import Unguarded, create_application, every_route, roles_of
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.pages import ROUTERS, account
from services.chart.adapters.web.roles import Person, Role, may, signed_in
from services.chart.adapters.web.security import cookie_name
from services.chart.adapters.web.sessions import csrf_of

ClientAs = Callable[..., TestClient]

ROUTES = sorted(
    {
        (method, route.path)
        for router in ROUTERS
        for route in every_route(router.routes)
        if isinstance(route, APIRoute)
        for method in route.methods
    }
)
CHANGES = [(method, path) for method, path in ROUTES if method not in gate.SAFE]
OPEN_TO_ALL = {"/account/password", "/signout", "/patients", "/fhir/{kind}/_search"}
"""What everybody may post: about themselves, and a patient's number to search for, which must not be in an address."""


def filled(path: str) -> str:
    """A path with something in the place of its parameters."""
    return re.sub(r"{[^}]*}", str(uuid4()), path)


def refused(status: int, location: str = "") -> bool:
    return status == 401 or (status == 303 and location.startswith("/signin"))


def test_there_are_routes_to_ask() -> None:
    assert {"/account", "/admin/users", "/admin/looks"} <= {path for _, path in ROUTES}
    assert CHANGES


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_gets_in_without_signing_in(client_as: ClientAs, method: str, path: str) -> None:
    answer = client_as(None).request(method, filled(path))
    assert refused(answer.status_code, answer.headers.get("location", "")), (answer.status_code, answer.text)


@pytest.mark.parametrize(
    "path", ["/", "/nothing/here", "/admin", "/static", "/fhir", "/fhir/Patient", "/docs", "/openapi.json"]
)
def test_nor_where_nothing_is(client_as: ClientAs, path: str) -> None:
    answer = client_as(None).get(path)
    assert refused(answer.status_code, answer.headers.get("location", ""))


def test_what_is_public_says_nothing_of_patients() -> None:
    assert {"/healthz", "/signin", "/signin/provider", "/signin/callback"} == gate.PUBLIC


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_viewer_changes_nothing(client_as: ClientAs, method: str, path: str) -> None:
    if path in OPEN_TO_ALL:
        return
    assert client_as("viewer").request(method, filled(path)).status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64])
@pytest.mark.parametrize(("method", "path"), [*CHANGES, ("POST", "/signout"), ("POST", "/signin")])
def test_no_change_without_the_token_of_a_page(client_as: ClientAs, method: str, path: str, token: str) -> None:
    client = client_as("administrator")
    client.headers["X-CSRF-Token"] = token
    answer = client.request(method, filled(path), data={"csrf_token": token})
    assert answer.status_code == 403
    assert "out of date" in answer.text


def test_every_change_names_who_may() -> None:
    open_to_viewers = {
        route.path
        for router in ROUTERS
        for route in every_route(router.routes)
        if isinstance(route, APIRoute) and not route.methods <= gate.SAFE
        if Role.VIEWER in roles_of(route)
    }
    assert open_to_viewers <= OPEN_TO_ALL


def test_a_change_that_names_nobody_is_not_served(console: Console) -> None:
    router = APIRouter()

    @router.post("/careless", dependencies=[Depends(signed_in)])
    async def careless() -> str:
        return "changed"

    with pytest.raises(Unguarded):
        create_application(console, [router])


# --- where a change comes from ---


def trial() -> APIRouter:
    """A page that reads its form, and one that breaks."""
    router = APIRouter()

    @router.post("/trial")
    async def change(_: Annotated[Person, Depends(may("see"))], word: Annotated[str, Form()]) -> str:
        return word

    @router.get("/broken")
    async def broken(_: Annotated[Person, Depends(may("see"))]) -> str:
        raise RuntimeError("the patient's number is 4711")

    return router


@pytest.fixture
def tried(client_as: ClientAs) -> TestClient:
    """A clinician's browser on a console with those pages."""
    return client_as("clinician", routers=[account.router, trial()])


def test_a_form_with_its_token_is_taken_and_reaches_the_page_whole(tried: TestClient) -> None:
    token = tried.headers.pop("X-CSRF-Token")
    answer = tried.post("/trial", data={"csrf_token": token, "word": "grün"})
    assert (answer.status_code, answer.json()) == (200, "grün")


def test_so_is_a_form_in_parts(tried: TestClient) -> None:
    token = tried.headers.pop("X-CSRF-Token")
    answer = tried.post("/trial", files={"csrf_token": (None, token), "word": (None, "grün")})
    assert (answer.status_code, answer.json()) == (200, "grün")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "http://console.test:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_change_from_elsewhere_is_refused_even_with_the_token(tried: TestClient, headers: dict[str, str]) -> None:
    assert tried.post("/trial", data={"word": "x"}, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://console.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-origin"}]
)
def test_one_from_here_is_not(tried: TestClient, headers: dict[str, str]) -> None:
    assert tried.post("/trial", data={"word": "x"}, headers=headers).status_code == 200


def test_the_address_that_people_use_is_what_counts_behind_a_proxy(
    make_console: Callable[..., Console], client_as: ClientAs
) -> None:
    client = client_as("clinician", console=make_console(public_url="https://refrain.hospital.test"))
    client.base_url = "http://10.0.0.1:8080"
    client.cookies.clear()
    page = client.get("/signin", headers={"Host": "refrain.hospital.test"})
    assert page.status_code == 200
    name = cookie_name(https=True)
    visit = page.cookies[name]
    post = {"name": "nobody", "password": "x", "csrf_token": csrf_of(visit)}
    client.headers.pop("X-CSRF-Token")
    for origin, expected in (("https://refrain.hospital.test", 401), ("http://refrain.hospital.test", 403)):
        answer = client.post("/signin", data=post, headers={"Origin": origin, "Cookie": f"{name}={visit}"})
        assert answer.status_code == expected


def test_a_form_that_is_too_large_is_not_read(tried: TestClient) -> None:
    assert tried.post("/trial", data={"word": "x" * (gate.FORM_BYTES + 1)}).status_code == 413


# --- headers and errors ---


@pytest.mark.parametrize("path", ["/healthz", "/signin", "/account", "/nothing", "/broken", "/static/console.css"])
def test_every_answer_carries_the_headers(tried: TestClient, path: str) -> None:
    headers = tried.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    assert headers["x-request-id"]


def test_only_a_file_with_its_fingerprint_is_kept(tried: TestClient) -> None:
    page = tried.get("/account").text
    for address in re.findall(r'"(/static/[^"]+)"', page):
        assert tried.get(address).headers["cache-control"] == "public, max-age=31536000, immutable"
        assert tried.get(address[:-1] + "_").headers["cache-control"] == "no-store"
    outside = tried.get("/static/../settings.py?v=0")
    assert (outside.status_code, outside.headers["cache-control"]) == (404, "no-store")


def test_a_page_needs_nothing_from_elsewhere_and_no_script_of_its_own(tried: TestClient) -> None:
    page = tried.get("/account").text
    assert not re.search(r"(?:src|href)=\"(?!/|#)", page)
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", page)


def test_over_tls_the_cookie_is_bound_to_the_host(make_console: Callable[..., Console], client_as: ClientAs) -> None:
    client = client_as(None, console=make_console(public_url="https://refrain.hospital.test"))
    client.base_url = "https://refrain.hospital.test"
    answer = client.get("/signin")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-refrain=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_defect_is_a_page_without_details_and_a_line_without_data(
    tried: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = tried.get("/broken")
    assert answer.status_code == 500
    assert "4711" not in answer.text + caplog.text
    assert answer.headers["x-request-id"] in answer.text
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.reason.startswith("RuntimeError at test_gate.py:")  # type: ignore[attr-defined]


def test_a_refusal_suits_whoever_asked(tried: TestClient) -> None:
    page = tried.get("/nothing")
    assert page.status_code == 404
    assert "<main" in page.text
    fragment = tried.get("/nothing", headers={"HX-Request": "true"})
    assert "<main" not in fragment.text
    assert 'role="alert"' in fragment.text
    machine = tried.get("/fhir/nothing")
    assert machine.headers["content-type"] == "application/fhir+json"
    assert machine.json()["resourceType"] == "OperationOutcome"
    assert tried.put("/trial").status_code == 405
    assert tried.post("/trial").status_code == 422


# --- the end of a session ---


def test_a_part_of_a_page_never_becomes_a_sign_in_page(client_as: ClientAs) -> None:
    answer = client_as(None).get("/account", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/signin"
    assert "<form" not in answer.text


def test_nor_does_a_stream(client_as: ClientAs) -> None:
    answer = client_as(None).get("/events", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 401
    assert "<form" not in answer.text


def test_nor_an_answer_for_a_machine(client_as: ClientAs) -> None:
    answer = client_as(None).get("/fhir/Patient")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
