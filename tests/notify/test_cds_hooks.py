"""CDS Hooks as an EHR uses it: discovery, cards, feedback, who may call, and what is never guessed."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from jsonschema import validate
from prometheus_client import REGISTRY

from refrain.api.notify.v1 import alerts_pb2, alerts_pb2_grpc
from refrain.contracts.acknowledging import REASONS
from refrain.contracts.events import AlertAmended, AlertClosed, AlertRaised, PatientId
from refrain.contracts.fhir_names import ACKNOWLEDGE_REASONS, chart_id_of, patient_system
from refrain.runtime.grpc_server import GrpcServer
from services.notify.adapters import cds_hooks
from services.notify.adapters.answers import Answers
from services.notify.adapters.cds_cards import escaped, will_act_id
from services.notify.adapters.grpc_api import NAME, AlertApi
from services.notify.adapters.http_server import HttpServer
from services.notify.adapters.queries import Queries
from services.notify.adapters.store import Store
from services.notify.settings import Settings
from tests.notify.cds_schemas import CARDS, DISCOVERY
from tests.notify.keeping import Clock, a_store, issued, take, thread_of
from tests.notify.telling import NOON, PATIENT, a_thread

URL = "https://notify.hospital.example"
SERVICE = "/cds-services/refrain-patient-view"
ISSUER = "https://ehr.hospital.example"
HOSPITAL = "urn:oid:1.2.276.0.76.3.1.1"
KEY = ECKey.generate_key("P-384", {"kid": "one"})
OTHER_KEY = ECKey.generate_key("P-384", {"kid": "one"})
RSA = RSAKey.generate_key(2048, {"kid": "two"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    opened = a_store(database)
    yield opened
    opened.close()


@pytest.fixture
def build(store: Store, clock: Clock, tmp_path: Path) -> Callable[..., FastAPI]:
    """The application, open to this machine unless a test says who is trusted."""

    def built(**more: Any) -> FastAPI:
        settings = {
            "roster": tmp_path / "none.yaml", "console_url": "https://refrain.hospital.example", "cds_open": True,
            "cds_systems": {HOSPITAL: PATIENT.authority},
        }  # fmt: skip
        return cds_hooks.application(Settings(**settings | more), clock)(store, Answers(store, clock))

    return built


@pytest.fixture
def trusting(build: Callable[..., FastAPI], tmp_path: Path) -> Callable[..., FastAPI]:
    """The application with one trusted client."""

    def built(**client: Any) -> FastAPI:
        keys = KeySet([KEY, RSA]).as_dict(private=False)
        (tmp_path / "keys.json").write_text(json.dumps(keys))
        trusted = {"name": "ehr", "iss": ISSUER, "jwks_file": str(tmp_path / "keys.json")} | client
        listed = [{name: value for name, value in trusted.items() if value is not None}]
        (tmp_path / "clients.yaml").write_text(json.dumps(listed))
        return build(cds_clients=tmp_path / "clients.yaml", cds_url=URL)

    return built


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application behind a real server."""
    server = HttpServer(app, address="127.0.0.1", port=0)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            yield client
    finally:
        await server.stop()


def a_patient(patient: PatientId = PATIENT, system: str | None = HOSPITAL, **more: Any) -> dict[str, Any]:
    identifier = {"value": patient.id, "type": {"coding": [{"code": patient.type}]}} | more
    return {
        "resourceType": "Patient", "id": "ehr-1", "identifier": [identifier | ({"system": system} if system else {})],
    }  # fmt: skip


def view(patient: dict[str, Any] | None = None, patient_id: str = "ehr-1", **more: Any) -> dict[str, Any]:
    return {
        "hook": "patient-view", "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/1", "patientId": patient_id},
        "prefetch": {"patient": patient if patient is not None else a_patient()},
    } | more  # fmt: skip


def overridden(reason: str = "expected", number: int = 1, **more: Any) -> dict[str, Any]:
    given = {
        "card": str(a_thread(number).alert), "outcome": "overridden",
        "overrideReason": {"reason": {"system": ACKNOWLEDGE_REASONS, "code": reason, "display": "…"}},
        "outcomeTimestamp": (NOON + timedelta(minutes=1)).isoformat(),
    }  # fmt: skip
    return given | more


def accepted(number: int = 1) -> dict[str, Any]:
    alert = a_thread(number).alert
    suggestion = {"id": str(will_act_id(alert))}
    return {
        "card": str(alert), "outcome": "accepted", "acceptedSuggestions": [suggestion],
        "outcomeTimestamp": (NOON + timedelta(minutes=1)).isoformat(),
    }  # fmt: skip


async def cards(client: httpx.AsyncClient, request: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    answer = await client.post(SERVICE, json=request or view())
    assert answer.status_code == 200, answer.text
    validate(answer.json(), CARDS)
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


async def feed_back(client: httpx.AsyncClient, *given: dict[str, Any], status: int = 200) -> None:
    answer = await client.post(f"{SERVICE}/feedback", json={"feedback": list(given)})
    assert answer.status_code == status, answer.text


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"refrain_notify_{name}_total", labels) or 0


async def test_discovery(build: Callable[..., FastAPI]) -> None:
    async with calling(build()) as client:
        found = (await client.get("/cds-services")).json()
    validate(found, DISCOVERY)
    assert found["services"][0]["prefetch"] == {"patient": "Patient/{{context.patientId}}"}


async def test_the_whole_life_of_a_card(build: Callable[..., FastAPI], store: Store, clock: Clock) -> None:
    take(store, issued(1), issued(2, tier="P2"), now=clock)
    clock.passes(minutes=2)
    api = AlertApi(store, Answers(store, clock), lambda _: (), clock)
    served = GrpcServer([(alerts_pb2_grpc.add_AlertServiceServicer_to_server, api)], [NAME])
    await served.start()
    async with calling(build()) as client, grpc.aio.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        first, second = await cards(client)
        assert (first["indicator"], second["indicator"]) == ("critical", "warning")
        assert first["links"] == [
            {"label": "Open in Refrain", "type": "absolute",
             "url": f"https://refrain.hospital.example/alerts/{a_thread(1).alert}"}
        ]  # fmt: skip
        offered = {reason["code"] for reason in first["overrideReasons"]} | {"will_act"}
        assert offered == {reason.code for reason in REASONS} - {"data_problem_solved"}
        await feed_back(client, overridden("known_already", 1), accepted(2))
        stub = alerts_pb2_grpc.AlertServiceStub(channel)
        for number, reason, override in ((1, "known_already", True), (2, "will_act", False)):
            answer = await stub.GetAlert(alerts_pb2.GetAlertRequest(alert_id=str(a_thread(number).alert)))
            assert answer.alert.acknowledge_reason == reason
            [action] = [each for each in answer.actions if each.type == "acknowledged"]
            assert action.actor == "cds-hooks"
            [kept] = [
                each for each in Queries(store).actions(a_thread(number).alert) if each.body.type == "acknowledged"
            ]
            assert (kept.actor.via, kept.body.override) == ("cds-hooks", override)
        assert await cards(client) == []
    await served.stop()


async def test_the_same_feedback_again_changes_nothing(build: Callable[..., FastAPI], store: Store) -> None:
    take(store, issued(1))
    async with calling(build()) as client:
        for _ in range(3):
            await feed_back(client, overridden())
        before = counted("cds_feedback", outcome="too_late", reason="not_relevant")
        await feed_back(client, overridden("not_relevant"))
        assert counted("cds_feedback", outcome="too_late", reason="not_relevant") == before + 1
    assert [each.body.type for each in Queries(store).actions(a_thread(1).alert)].count("acknowledged") == 1
    assert thread_of(store).acknowledge_reason == "expected"


@pytest.mark.parametrize(
    ("reason", "comment"),
    [
        (
            {"reason": {"system": "urn:other", "code": "expected"}, "userComment": "seen on the ward"},
            "seen on the ward",
        ),
        ({"reason": {"system": ACKNOWLEDGE_REASONS, "code": "no-such"}}, "overridden in the EHR without a reason"),
        (None, "overridden in the EHR without a reason"),
    ],
)
async def test_a_reason_that_is_not_ours_is_another(
    build: Callable[..., FastAPI], store: Store, reason: Any, comment: str
) -> None:
    take(store, issued(1))
    async with calling(build()) as client:
        await feed_back(client, overridden(overrideReason=reason))
    [action] = [each for each in Queries(store).actions(a_thread(1).alert) if each.body.type == "acknowledged"]
    assert action.body.reason == "other"
    assert action.body.comment.startswith(comment)


async def test_what_is_no_card_of_ours_is_counted_only(build: Callable[..., FastAPI], store: Store) -> None:
    take(store, issued(1))
    before = counted("cds_feedback", outcome="unknown_card", reason="expected")
    async with calling(build()) as client:
        await feed_back(client, overridden(card=str(uuid4())))
        await feed_back(client, accepted() | {"acceptedSuggestions": [{"id": str(uuid4())}]})
    assert counted("cds_feedback", outcome="unknown_card", reason="expected") == before + 1
    assert not thread_of(store).answered


@pytest.mark.parametrize("tier", ["P3", "DQ"])
async def test_an_alert_that_makes_no_card_is_not_answered_from_an_ehr(
    build: Callable[..., FastAPI], store: Store, tier: str
) -> None:
    """Its id is known to whoever reads FHIR; questions about data are the laboratory's to answer."""
    take(store, issued(1, tier=tier))
    before = counted("cds_feedback", outcome="unknown_card", reason="expected")
    async with calling(build()) as client:
        await feed_back(client, overridden())
    assert counted("cds_feedback", outcome="unknown_card", reason="expected") == before + 1
    assert not thread_of(store).answered


async def test_an_answer_to_what_it_was_is_none_to_what_it_became(
    build: Callable[..., FastAPI], store: Store, clock: Clock
) -> None:
    take(store, issued(1, tier="P2"), now=clock)
    clock.passes(hours=2)
    more = {"fact": AlertAmended, "sequence": 1, "tier": "P2", "due_hours": 24, "what_changed": "urgency changed"}
    take(store, issued(1, **more), now=clock)
    before = counted("cds_feedback", outcome="out_of_date", reason="expected")
    async with calling(build()) as client:
        await feed_back(client, overridden())
        assert len(await cards(client)) == 1
    assert counted("cds_feedback", outcome="out_of_date", reason="expected") == before + 1


async def test_ended_answered_and_quiet_alerts_have_no_card(build: Callable[..., FastAPI], store: Store) -> None:
    take(store, issued(1), issued(2), issued(3, tier="P3"), issued(4, tier="DQ"))
    take(store, issued(2, fact=AlertClosed, sequence=1, reason="over"))
    async with calling(build()) as client:
        assert [card["uuid"] for card in await cards(client)] == [str(a_thread(1).alert)]
    async with calling(build(cds_tiers=("DQ",))) as client:
        [card] = await cards(client)
        assert card["indicator"] == "info"
        assert "data_problem_solved" in {reason["code"] for reason in card["overrideReasons"]}


TWIN = PatientId(authority="SOUTHWARD", type="MR", id=PATIENT.id)


@pytest.mark.parametrize(
    ("patient", "patient_id", "found", "outcome"),
    [
        (a_patient(), "ehr-1", 1, "found"),
        (a_patient(system=patient_system(PATIENT.authority)), "ehr-1", 1, "found"),
        ({}, str(chart_id_of(PATIENT.key)), 1, "found"),
        (a_patient(system="urn:somebody-else"), "ehr-1", 0, "unknown"),
        (a_patient(system=None), "ehr-1", 0, "unknown"),
        (a_patient(use="old"), "ehr-1", 0, "unknown"),
        (a_patient(value=PATIENT.id + "0"), "ehr-1", 0, "unknown"),
        ({"resourceType": "Patient", "id": "ehr-1"}, "ehr-1", 0, "unknown"),
    ],
)
async def test_a_patient_is_found_by_what_is_surely_theirs(
    build: Callable[..., FastAPI], store: Store, patient: dict[str, Any], patient_id: str, found: int, outcome: str
) -> None:
    take(store, issued(1))
    before = counted("cds_patients", outcome=outcome)
    async with calling(build()) as client:
        assert len(await cards(client, view(patient, patient_id))) == found
    assert counted("cds_patients", outcome=outcome) == before + 1


async def test_a_number_alone_is_believed_only_where_the_site_says_so(
    build: Callable[..., FastAPI], store: Store
) -> None:
    take(store, issued(1))
    async with calling(build(cds_match_by_type=True)) as client:
        assert len(await cards(client, view(a_patient(system=None)))) == 1
        take(store, issued(2, fact=AlertRaised, patient=TWIN))
        before = counted("cds_patients", outcome="ambiguous")
        assert await cards(client, view(a_patient(system=None))) == []
        assert counted("cds_patients", outcome="ambiguous") == before + 1
        assert len(await cards(client, view(a_patient()))) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (view() | {"prefetch": {}}, 412), (view() | {"prefetch": {"patient": None}}, 412),
        (view(patient_id="ehr-2"), 400), (view({"resourceType": "Bundle"}), 400), (view(hook="order-sign"), 400),
        (view(hookInstance="1"), 400), (view(context={}), 400), ([], 400), ({}, 400),
        (view(a_patient() | {"identifier": 7}), 400), (view() | {"more": "x" * 1_100_000}, 413),
    ],
    ids=range(11),
)  # fmt: skip
async def test_calls_that_cannot_be_served(build: Callable[..., FastAPI], body: Any, status: int) -> None:
    async with calling(build()) as client:
        answer = await client.post(SERVICE, json=body)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
        assert PATIENT.id not in answer.text


async def test_json_that_is_nested_without_end_is_none(
    build: Callable[..., FastAPI], caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(build()) as client:
        answer = await client.post(SERVICE, content="[" * 900_000, headers={"Content-Type": "application/json"})
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "given",
    [
        {"outcome": "ignored"}, {"outcome": "accepted"}, {"outcomeTimestamp": "yesterday"}, {"card": "1"},
        {"outcomeTimestamp": "2026-03-10T12:00:00"}, {"overrideReason": {"userComment": "x" * 2001}},
    ],
    ids=range(6),
)  # fmt: skip
async def test_feedback_that_is_none_changes_nothing(
    build: Callable[..., FastAPI], store: Store, given: dict[str, Any]
) -> None:
    take(store, issued(1), issued(2))
    async with calling(build()) as client:
        await feed_back(client, overridden(number=2), overridden() | given, status=400)
    assert not thread_of(store, 2).answered


def test_what_comes_from_outside_is_no_markdown() -> None:
    assert escaped("**now** [x](javascript:1)\n# <b>") == r"\*\*now\*\* \[x\]\(javascript\:1\) \# \<b\>"


# --- who may call ---


def a_token(clock: Clock, *, key: Any = KEY, alg: str = "ES384", header: Any = (), **claims: Any) -> str:
    now = int(clock().timestamp())
    known = {"iss": ISSUER, "aud": f"{URL}{SERVICE}", "iat": now, "exp": now + 300, "jti": str(uuid4())} | claims
    said = {name: value for name, value in known.items() if value is not None}
    return str(jwt.encode({"alg": alg, "kid": key.kid, "typ": "JWT"} | dict(header), said, key, algorithms=[alg]))


async def status(client: httpx.AsyncClient, token: str, path: str = SERVICE) -> int:
    body = view() if path == SERVICE else {"feedback": [overridden()]}
    answer = await client.post(path, json=body, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def test_a_trusted_client_signs_its_answers(trusting: Callable[..., FastAPI], store: Store, clock: Clock) -> None:
    take(store, issued(1))
    async with calling(trusting()) as client:
        assert await status(client, a_token(clock)) == 200
        assert await status(client, a_token(clock, key=RSA, alg="RS384")) == 200
        assert await status(client, a_token(clock, aud=[f"{URL}{SERVICE}/feedback"]), f"{SERVICE}/feedback") == 200
    assert thread_of(store).acknowledged_by == "ehr"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://somebody.example"}, {"aud": "https://other.example" + SERVICE}, {"aud": None}, {"exp": None},
        {"exp": int(NOON.timestamp()) - 60}, {"exp": int(NOON.timestamp()) + 90_000}, {"iat": None}, {"jti": None},
        {"iat": int(NOON.timestamp()) + 600}, {"nbf": int(NOON.timestamp()) + 600}, {"key": OTHER_KEY},
        {"nbf": "soon"}, {"iss": None},
    ],
    ids=range(13),
)  # fmt: skip
async def test_nobody_else_is_let_in(trusting: Callable[..., FastAPI], clock: Clock, wrong: dict[str, Any]) -> None:
    async with calling(trusting()) as client:
        assert await status(client, a_token(clock, **wrong)) == 401
        assert await status(client, a_token(clock)) == 200


async def test_no_token_and_no_real_token(trusting: Callable[..., FastAPI], clock: Clock) -> None:
    good = a_token(clock)
    head, payload, signature = good.split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + payload + "."
    nested = base64.urlsafe_b64encode(b"[" * 30_000).decode()
    async with calling(trusting()) as client:
        assert (await client.post(SERVICE, json=view())).status_code == 401
        forged = f"{head}.{payload}.{signature[:-4]}AAAA"
        for token in ("x", "nonsense", unsigned, forged, "a.b.c", f"{head}.{nested}.x", f"{nested}.{payload}.x"):
            assert await status(client, token) == 401


async def test_a_token_works_once_also_at_another_replica(trusting: Callable[..., FastAPI], clock: Clock) -> None:
    token = a_token(clock)
    async with calling(trusting()) as one, calling(trusting()) as other:
        assert await status(one, token) == 200
        assert await status(other, token) == 401


async def test_a_tenant_that_is_asked_for(trusting: Callable[..., FastAPI], clock: Clock) -> None:
    async with calling(trusting(tenant="ward")) as client:
        assert await status(client, a_token(clock)) == 401
        assert await status(client, a_token(clock, tenant="ward")) == 200


async def test_published_keys_are_read_again_when_there_is_a_new_one(
    trusting: Callable[..., FastAPI], clock: Clock
) -> None:
    published = [KEY]
    keys = FastAPI()
    keys.add_api_route("/keys", lambda: KeySet(published).as_dict(private=False))
    new = ECKey.generate_key("P-384", {"kid": "new"})
    async with calling(keys) as at, calling(trusting(jwks_file=None, jwks_url=f"{at.base_url}/keys")) as client:
        assert await status(client, a_token(clock)) == 200
        published.append(new)
        clock.passes(minutes=2)
        assert await status(client, a_token(clock, key=new)) == 200
        elsewhere = {"jku": "http://127.0.0.1:1/keys"}
        assert await status(client, a_token(clock, key=OTHER_KEY, header=elsewhere)) == 401


async def test_without_trusted_clients_nobody_is_let_in(build: Callable[..., FastAPI], clock: Clock) -> None:
    async with calling(build(cds_open=False)) as client:
        assert await status(client, a_token(clock)) == 401
        assert (await client.get("/cds-services")).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"cds_open": True, "address": "0.0.0.0"}, {"cds_clients": "x.yaml"}, {"cds_tiers": ("P9",)}]
)
def test_settings_that_do_not_fit_together(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="NOTIFY_CDS"):
        Settings(roster=tmp_path / "r.yaml", **wrong)


async def test_a_page_of_another_origin_cannot_call(build: Callable[..., FastAPI]) -> None:
    async with calling(build()) as client:
        unasked = await client.post(SERVICE, content=json.dumps(view()), headers={"Content-Type": "text/plain"})
        assert unasked.status_code == 415
        rebound = await client.post(SERVICE, json=view(), headers={"Host": "rebound.example"})
        assert rebound.status_code == 401


async def test_browsers_of_the_settings_origins_may_call(build: Callable[..., FastAPI]) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    async with calling(build(cds_origins=("https://ehr.hospital.example",))) as client:
        known = await client.options(SERVICE, headers=asks | {"Origin": "https://ehr.hospital.example"})
        assert known.headers["access-control-allow-origin"] == "https://ehr.hospital.example"
        other = await client.options(SERVICE, headers=asks | {"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_no_number_comes_into_a_log(
    build: Callable[..., FastAPI], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    take(store, issued(1), issued(2, patient=TWIN))
    with caplog.at_level(logging.DEBUG):
        async with calling(build(cds_match_by_type=True)) as client:
            for body in (
                view(),
                view(a_patient(system=None)),
                view() | {"prefetch": {}},
                view(a_patient() | {"id": 7}),
            ):
                await client.post(SERVICE, json=body)
            await client.post(SERVICE, content=PATIENT.id, headers={"Content-Type": "application/json"})
    written = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert PATIENT.id not in written
    assert "871.5" not in written
