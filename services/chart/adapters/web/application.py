"""The console as one application: headers ▶ gate ▶ pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from services.chart.adapters.web import errors, signin
from services.chart.adapters.web.console import Console
from services.chart.adapters.web.gate import PUBLIC, SAFE, Gate
from services.chart.adapters.web.pages import ROUTERS
from services.chart.adapters.web.render import STATIC
from services.chart.adapters.web.roles import May, Role
from services.chart.adapters.web.security import Headers


class Unguarded(Exception):
    """A route that changes something does not say who may: a defect, found before anything is served."""


def create_application(console: Console, routers: Iterable[APIRouter] = ROUTERS) -> FastAPI:
    """The web side. Unguarded when a route that changes something names no permission."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await console.clients.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.console = console
    app.add_middleware(Gate, console=console)
    app.add_middleware(Headers, https=console.settings.https)
    errors.install(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_api_route("/healthz", healthz, methods=["GET"])
    for router in (signin.router, *routers):
        _check(router)
        app.include_router(router)
    return app


async def healthz() -> PlainTextResponse:
    """That the web side answers; says nothing else."""
    return PlainTextResponse("answering\n")


def every_route(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Also those of routers within."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if isinstance(inner, APIRouter):
            yield from every_route(inner.routes)
        else:
            yield route


def roles_of(route: APIRoute) -> frozenset[Role]:
    """Whose requests a route takes, as its dependencies say; nobody's when they name no permission."""

    def within(dependant: Any) -> Iterator[frozenset[Role]]:
        if isinstance(dependant.call, May):
            yield dependant.call.roles
        for inner in dependant.dependencies:
            yield from within(inner)

    named = list(within(route.dependant))
    return frozenset.intersection(*named) if named else frozenset()


def _check(router: APIRouter) -> None:
    for route in every_route(router.routes):
        if not isinstance(route, APIRoute):
            raise Unguarded(f"{route} is not a page")
        if route.path not in PUBLIC and not set(route.methods or ()) <= SAFE and not roles_of(route):
            raise Unguarded(f"{route.path} changes something and names no permission")
