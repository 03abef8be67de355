"""Every router of the console, written out: a page that is not here is not there."""

from __future__ import annotations

from fastapi import APIRouter

from services.chart.adapters.web.pages import account, admin

ROUTERS: tuple[APIRouter, ...] = (
    account.router,
    admin.router,
)
"""In the order in which a path is looked for. Each route names its permission (``may``)."""
