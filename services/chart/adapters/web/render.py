"""Templates: everything is escaped, an unknown name is an error, and each page knows who reads it."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from refrain.contracts.kinds import kind_of
from services.chart.adapters.web.roles import Permission, Person
from services.chart.adapters.web.sessions import csrf_of
from services.chart.domain.course_words import analyte_name
from services.chart.domain.worklist_words import headline, standing

HERE = Path(__file__).parent
STATIC = HERE / "static"
FINGERPRINT_LENGTH = 16
ENDING_LENGTH = 3


def build_templates(zone: ZoneInfo) -> Environment:
    """Of this folder's ``templates``; times are shown in the site's zone."""
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals |= {
        "static": static, "zone": zone.key, "csrf_field": csrf_field, "analyte_name": analyte_name,
        "kind_of": kind_of, "headline": headline, "standing_of": standing,
    }  # fmt: skip
    templates.filters |= {
        "moment": lambda at: _time(at, at.astimezone(zone).strftime("%Y-%m-%d %H:%M")),
        "day": lambda at: _time(at, at.astimezone(zone).strftime("%Y-%m-%d")),
        "age": age,
        "ending": ending,
    }
    return templates


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page or a fragment. Templates also know ``person`` (or None), ``may(permission)``, ``path``, ``now``, …"""
    console = request.app.state.console
    person: Person | None = getattr(request.state, "person", None)

    def may(permission: Permission) -> bool:
        return person is not None and person.may(permission)

    known = {
        "person": person, "may": may, "csrf": csrf_token(request), "path": request.url.path, "now": console.now(),
        "behind": console.behind_since(),
        "settings": console.settings, "request_id": getattr(request.state, "request_id", ""),
    }  # fmt: skip
    body = console.templates.get_template(template).render(known | context)
    return HTMLResponse(body, status_code=status)


def csrf_token(request: Request) -> str:
    """What a form of this visit must carry; empty before the gate gave the visit a cookie."""
    token = getattr(request.state, "token", "")
    return csrf_of(token) if token else ""


@pass_context
def csrf_field(context: Context) -> Markup:
    """``{{ csrf_field() }}`` in every form that posts."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(context["csrf"])


def static(path: str) -> str:
    """Address of a file in ``static``; it changes with the file, so that the browser may keep it for good."""
    return f"/static/{path}?v={fingerprint(path)}"


@cache
def fingerprint(path: str) -> str:
    """Of a file in ``static``. OSError when there is none."""
    if ".." in Path(path).parts or Path(path).is_absolute():
        raise FileNotFoundError(path)
    return sha256((STATIC / path).read_bytes()).hexdigest()[:FINGERPRINT_LENGTH]


def age(at: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that says enough: ``3 min``, ``5 h``, ``12 days``."""
    seconds = (now - at).total_seconds()
    if seconds < 0:
        return f"in {_span(-seconds)}"
    return _span(seconds)


def ending(number: str) -> str:
    """Enough of a patient's number to tell two tabs apart: browsers keep titles in their history, for anybody."""
    return f"…{number[-ENDING_LENGTH:]}"


def _span(seconds: float) -> str:
    if seconds < 60:
        return "under a minute"
    if seconds < 2 * 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h"
    return f"{seconds // 86400:.0f} days"


def _time(at: datetime, shown: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), shown)
