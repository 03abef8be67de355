"""Every router of the console, written out: a page that is not here is not there."""

from __future__ import annotations

from fastapi import APIRouter

ROUTERS: tuple[APIRouter, ...] = ()
"""In the order in which a path is looked for. Each route names its permission (``may``)."""
