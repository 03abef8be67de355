"""What chart is told from outside: what is refused at the start, and what never shows up again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from refrain.contracts.events import PatientId
from services.chart.adapters.web.roles import Role
from services.chart.settings import Settings

LEDGER = {"ledger": "sqlite:///chart.db"}
PROVIDER = {"public_url": "https://refrain.test", "oidc_issuer": "https://id.test", "oidc_client_id": "refrain"}


@pytest.mark.parametrize(
    "settings",
    [
        {"public_url": "https://refrain.test/console"},
        {"public_url": "refrain.test"},
        {"public_url": "ftp://refrain.test"},
        {"patient_link": "javascript:alert({id})"},
        {"patient_link": "https://record.test/"},
        {"patient_link": "https://record.test/{id}/{name}"},
        PROVIDER | {"public_url": ""},
        PROVIDER | {"oidc_client_id": ""},
        PROVIDER | {"oidc_api_audience": "refrain"},
        PROVIDER | {"oidc_role_map": {"nurses": "queen"}},
        {"http_certificate": "c.pem"},
        {"session_idle_seconds": 0},
        {"trusted_proxies": "*"},
        {"trusted_proxies": "10.0.0.1, *"},
    ],
)
def test_what_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**LEDGER | settings)


def test_roles_are_mapped_by_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHART_LEDGER", LEDGER["ledger"])
    monkeypatch.setenv("CHART_OIDC_ROLE_MAP", '{"ward-nurses": "clinician"}')
    assert Settings().oidc_role_map == {"ward-nurses": Role.CLINICIAN}


def test_a_link_into_the_hospitals_record_is_quoted() -> None:
    settings = Settings(**LEDGER | {"patient_link": "https://record.test/{authority}/{id}?type={type}"})
    patient = PatientId(authority="NORTH/1", type="MR", id="0 7&x=1")
    assert settings.link_to(patient) == "https://record.test/NORTH%2F1/0%207%26x%3D1?type=MR"
    assert Settings(**LEDGER).link_to(patient) == ""


def test_a_secret_comes_from_a_file_or_the_environment_and_is_not_printed(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    given = Settings(**LEDGER | {"oidc_client_secret": "from the environment"})
    assert given.oidc_secret == "from the environment"
    assert "from the environment" not in repr(given)
    assert Settings(**LEDGER | {"oidc_client_secret_file": file}).oidc_secret == "from the file"
    assert Settings(**LEDGER).oidc_secret == ""


def test_people_reach_it_over_tls_here_or_at_a_proxy() -> None:
    assert not Settings(**LEDGER).https
    assert not Settings(**LEDGER | {"public_url": "http://127.0.0.1:8080"}).https
    assert Settings(**LEDGER | {"public_url": "https://refrain.test"}).https
    assert Settings(**LEDGER | {"http_certificate": "c.pem", "http_key": "k.pem"}).https


def test_half_of_mutual_tls_is_refused() -> None:
    with pytest.raises(ValueError, match="CHART_TLS_CERTIFICATE"):
        _ = Settings(**LEDGER | {"tls_server_authority": "ca.pem"}).clients_tls
    assert Settings(**LEDGER).clients_tls is None
