"""Who calls the CDS service: the JWT of a CDS client (CDS Hooks 2.0, Security), checked against the trusted ones.

A key is taken from the settings' JWKS alone: where a token says its keys are (``jku``) is never asked.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator
from sqlalchemy.exc import IntegrityError

from refrain.contracts.ids import derive
from services.notify.adapters.store import Store
from services.notify.adapters.tables import REQUESTS, microseconds

ALGORITHMS = ["ES384", "RS384"]
"""The two that the specification recommends; ``none`` and shared secrets are not among them."""
LEEWAY_SECONDS = 30
LONGEST = timedelta(hours=1)
"""Longest life of a token; the specification wants five minutes at most, some EHRs take more."""
KEYS_AGAIN_AFTER = timedelta(minutes=1)
TIMEOUT_SECONDS = 5
OPEN_CLIENT = "cds-hooks"


class Client(BaseModel):
    """One trusted CDS client: an EHR."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    """How its answers are signed in the audit."""
    iss: str
    jwks_file: Path | None = None
    jwks_url: str = ""
    tenant: str = ""
    """When set, the token must name this one."""

    @model_validator(mode="after")
    def _has_keys(self) -> Client:
        if (self.jwks_file is None) == (not self.jwks_url):
            raise ValueError("a client has either jwks_file or jwks_url")
        parts = urlsplit(self.jwks_url)
        if self.jwks_url and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("jwks_url is https")
        return self


CLIENTS = TypeAdapter(tuple[Client, ...])


def read_clients(path: Path) -> tuple[Client, ...]:
    """The list of trusted clients, YAML. OSError or ValueError when it cannot be used."""
    try:
        clients = CLIENTS.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError:
        raise ValueError("the list of CDS clients is no YAML") from None
    if len({client.iss for client in clients}) != len(clients):
        raise ValueError("two CDS clients have the same iss")
    return clients


class Untrusted(Exception):
    """A call by nobody who is known. ``reason``: a closed list, for metrics and logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Keys:
    keys: KeySet | None = None
    read_at: datetime | None = None


@dataclass(slots=True)
class Gatekeeper:
    """Checks tokens. ``open_to_loopback``: without any trusted client, programs of this machine may call."""

    store: Store
    clients: Collection[Client]
    now: Callable[[], datetime]
    open_to_loopback: bool = False
    _kept: dict[str, _Keys] = field(default_factory=dict)

    async def caller(self, authorization: str, audiences: Collection[str], peer: str) -> str:
        """Name of the client that calls one of ``audiences``, whose token is spent with it; Untrusted."""
        if not self.clients and self.open_to_loopback and is_loopback(peer):
            return OPEN_CLIENT
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Untrusted("no_token")
        client, claims = await self._read(token.strip())
        self._check(client, claims, audiences)
        await asyncio.to_thread(self._spend, client, claims)
        return client.name

    async def _read(self, token: str) -> tuple[Client, dict[str, Any]]:
        """Whose token it is, from its own words, and then its claims under that one's keys."""
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        said = _issuer(token)
        client = next((each for each in self.clients if each.iss == said), None)
        if client is None:
            raise Untrusted("unknown_issuer")
        try:
            try:
                decoded = jwt.decode(token, await self._keys(client), registry=registry)
            except InvalidKeyIdError:
                decoded = jwt.decode(token, await self._keys(client, again=True), registry=registry)
        except (JoseError, ValueError, RecursionError):
            raise Untrusted("bad_signature") from None
        except (httpx.HTTPError, OSError):
            raise Untrusted("keys_away") from None
        return client, dict(decoded.claims)

    def _check(self, client: Client, claims: dict[str, Any], audiences: Collection[str]) -> None:
        now = self.now().timestamp()
        aud = claims.get("aud")
        if not set([aud] if isinstance(aud, str) else aud if isinstance(aud, list) else []) & set(audiences):
            raise Untrusted("wrong_audience")
        expires, *begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf") if name != "nbf" or name in claims)
        if not now - LEEWAY_SECONDS < expires <= now + LONGEST.total_seconds():
            raise Untrusted("expired")
        if any(each > now + LEEWAY_SECONDS for each in begins):
            raise Untrusted("not_yet")
        if client.tenant and claims.get("tenant") != client.tenant:
            raise Untrusted("wrong_tenant")
        if not isinstance(claims.get("jti"), str) or not claims["jti"]:
            raise Untrusted("no_jti")

    def _spend(self, client: Client, claims: dict[str, Any]) -> None:
        """A token works once, whichever replica it comes to: its id is kept far longer than it lives."""
        request = derive("cds token", client.iss, claims["jti"])
        row = {
            "cluster": self.store.cluster, "request": str(request), "hash": "token",
            "at": microseconds(self.now()), "thread": "",
        }  # fmt: skip
        try:
            with self.store.writing() as sql:
                sql.execute(REQUESTS.insert(), row)
        except IntegrityError:
            raise Untrusted("replayed") from None

    async def _keys(self, client: Client, *, again: bool = False) -> KeySet:
        kept = self._kept.setdefault(client.iss, _Keys())
        recently = kept.read_at is not None and self.now() - kept.read_at < KEYS_AGAIN_AFTER
        if kept.keys is None or (again and not recently):
            kept.keys, kept.read_at = KeySet.import_key_set(await self._published(client)), self.now()
        return kept.keys

    async def _published(self, client: Client) -> Any:
        if client.jwks_file is not None:
            return json.loads(await asyncio.to_thread(client.jwks_file.read_text, "utf-8"))
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
            answer = await http.get(client.jwks_url)
            answer.raise_for_status()
            return answer.json()


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise Untrusted("no_times")
    return float(found)


def _issuer(token: str) -> str:
    """Who a token says it is of, unchecked: only to know whose keys to check it with."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["iss"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Untrusted("unreadable") from None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
