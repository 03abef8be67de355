"""A console whose read model does not follow Kafka: every page says so, and so does one that is open already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from fastapi.testclient import TestClient

from services.chart.adapters.web import live
from services.chart.adapters.web.console import Console

SINCE = datetime.fromisoformat("2026-05-04T03:10:00+00:00")


@pytest.fixture
def behind(console: Console) -> Console:
    return replace(console, behind_since=lambda: SINCE)


@pytest.mark.parametrize("path", ["/", "/patients", "/feed", "/account"])
def test_a_page_says_of_when_it_is(client_as: Callable[..., TestClient], behind: Console, path: str) -> None:
    page = client_as("clinician", console=behind).get(path).text
    assert 'id="behind" role="alert"' in page
    assert "2026-05-04 03:10" in page
    assert 'id="behind"' not in client_as("clinician").get(path).text


def test_nobody_is_told_at_the_sign_in(client_as: Callable[..., TestClient], behind: Console) -> None:
    assert 'id="behind"' not in client_as(None, console=behind).get("/signin").text


def test_an_open_page_hears_it_with_the_sign_of_life(
    client_as: Callable[..., TestClient], behind: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STILL_SECONDS", 0.0)
    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    browser = client_as("viewer", console=behind)
    with browser.stream("GET", "/events", headers={"accept": "text/event-stream"}) as stream:
        lines = stream.iter_lines()
        said = next(line for line in lines if line.startswith("data: 2026"))
        behind.sessions.end(str(next(iter(browser.cookies.values()))), behind.now())
        list(lines)
    assert said == "data: 2026-05-04 03:10"
