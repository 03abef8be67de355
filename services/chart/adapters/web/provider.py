"""The hospital's sign-in (OpenID Connect): authorization code with PKCE, and access tokens of machines.

authlib talks to the provider and keeps state, nonce and verifier; what a token says is believed only with a signature
of the provider's published keys, its issuer, our audience and a time that is not over. No mapped role: no access.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from authlib.oidc.core import CodeIDToken, UserInfo
from fastapi import Request
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from refrain.runtime.leaving import place_of
from services.chart.adapters.web.roles import Person, Role
from services.chart.adapters.web.users import Refused, normal_id
from services.chart.settings import Settings

log = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Signatures by the provider alone: never ``none``, never a shared secret, whatever its metadata offers."""
LEEWAY_SECONDS = 30
"""Between the clocks of two machines."""
TIMEOUT_SECONDS = 5.0
KEYS_AGAIN_AFTER = timedelta(minutes=1)
"""An unknown key is looked for in the provider's published keys at most so often."""
ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash"})
"""A token with one of them is an ID token: about a sign-in, not for asking with."""
NAME = "provider"


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for."""

    id: str
    name: str
    role: Role
    subject: str
    """Issuer and subject: the same person for good, also when the name changes."""
    id_token: str


class Provider:
    """One provider; reads its metadata when first asked. ``now`` is the clock that tokens are judged by."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer
        self.redirect_uri = f"{settings.public_url}/signin/callback"
        self._keys = _Keys(now)
        self._now = now
        provider = self

        class App(StarletteOAuth2App):
            """authlib's, with our own judgement of ID tokens."""

            async def parse_id_token(self, token: Mapping[str, Any], nonce: str, *_: Any, **__: Any) -> UserInfo:
                return await provider._identified(token, nonce)

        oauth = OAuth()
        oauth.oauth2_client_cls = App
        self._app: Any = oauth.register(
            NAME,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_secret or None,
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.oidc_scope, "code_challenge_method": "S256", "timeout": TIMEOUT_SECONDS,
                "token_endpoint_auth_method": "client_secret_basic" if settings.oidc_secret else "none",
            },
        )  # fmt: skip

    async def begin(self, request: Request, attempt: MutableMapping[str, Any]) -> str:
        """Where to send the browser; ``attempt`` takes what must be known when it comes back. Refused when away."""
        request.scope["session"] = attempt
        try:
            await self._metadata()
            redirect = await self._app.authorize_redirect(request, self.redirect_uri)
        except (httpx.HTTPError, ValueError) as error:
            raise _away(error) from error
        return str(redirect.headers["location"])

    async def finish(self, request: Request, attempt: MutableMapping[str, Any]) -> Vouched:
        """Who came back. Refused when it is not the answer to this attempt, or the person has no role here."""
        request.scope["session"] = attempt
        if request.query_params.get("iss", self._issuer) != self._issuer:
            raise _untrue("another issuer answered")  # RFC 9207
        try:
            await self._metadata()
            token = await self._app.authorize_access_token(request)
            claims = await self._claims(token)
        except (httpx.HTTPError, ValueError) as error:
            raise _away(error) from error
        except (OAuthError, JoseError) as error:
            raise _untrue(type(error).__name__) from error
        role = self._role(claims)
        if role is None:
            log.warning("somebody without a role signed in", extra={"outcome": "no_role"})
            raise Refused("You are known at the sign-in, but have no role in Refrain. Ask an administrator for one.")
        called = claims.get(self._settings.oidc_id_claim) or claims["sub"]
        name = claims.get("name") or called
        return Vouched(normal_id(str(called)), str(name), role, self._subject(claims), str(token["id_token"]))

    async def signed_out_at(self, id_token: str) -> str:
        """Where the provider ends its own session; empty when it offers that not, or is away."""
        try:
            metadata = await self._metadata()
        except (httpx.HTTPError, ValueError) as error:
            log.warning("the provider does not answer", extra={"reason": type(error).__name__})
            return ""
        if not metadata.get("end_session_endpoint"):
            return ""
        made = await self._app.create_logout_url(
            f"{self._settings.public_url}/signin", id_token_hint=id_token, client_id=self._settings.oidc_client_id
        )
        return str(made["url"])

    async def machine(self, token: str) -> tuple[Person, str] | None:
        """Whose access token it is, and their subject; None when it is not to be believed, or gives no role here."""
        audience = self._settings.oidc_api_audience
        if not audience:
            return None
        try:
            claims = await self._decoded(token)
            JWTClaimsRegistry(
                now=self._seconds, leeway=LEEWAY_SECONDS,
                iss={"essential": True, "value": self._issuer}, aud={"essential": True, "value": audience},
                exp={"essential": True}, sub={"essential": True},
            ).validate(claims.claims)  # fmt: skip
        except (httpx.HTTPError, JoseError, ValueError) as error:
            log.info("an access token was refused", extra={"reason": type(error).__name__})
            return None
        role = self._role(claims.claims)
        if role is None or ID_TOKEN_CLAIMS & claims.claims.keys():
            return None
        called = str(claims.claims.get(self._settings.oidc_id_claim) or claims.claims["sub"])
        return Person(normal_id(called), called, role, "api"), self._subject(claims.claims)

    # --- what a token says ---

    async def _identified(self, token: Mapping[str, Any], nonce: str) -> UserInfo:
        decoded = await self._decoded(token["id_token"])
        options = {"iss": {"essential": True, "value": self._issuer},
                   "aud": {"essential": True, "value": self._settings.oidc_client_id}}  # fmt: skip
        known = {"nonce": nonce, "client_id": self._settings.oidc_client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, options, known)
        claims.validate(now=self._seconds(), leeway=LEEWAY_SECONDS)
        return UserInfo(claims)

    async def _claims(self, token: Mapping[str, Any]) -> dict[str, Any]:
        """Of the ID token, which must be there; the provider's userinfo adds to it when the role is not in it."""
        claims = token.get("userinfo")
        if not claims:
            raise _untrue("no ID token")
        if _values(claims, self._settings.oidc_role_claim) or not (await self._metadata()).get("userinfo_endpoint"):
            return dict(claims)
        more = await self._app.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise _untrue("userinfo of somebody else")
        return {**more, **claims}

    async def _decoded(self, token: str) -> Any:
        metadata = await self._metadata()
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return jwt.decode(token, await self._keys.of(metadata["jwks_uri"]), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(token, await self._keys.of(metadata["jwks_uri"], again=True), registry=registry)

    async def _metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = await self._app.load_server_metadata()
        if metadata.get("issuer") != self._issuer or "jwks_uri" not in metadata:
            raise ValueError("the metadata are not those of the issuer")
        return metadata

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        held = _values(claims, self._settings.oidc_role_claim)
        return next((role for value, role in self._settings.oidc_role_map.items() if value in held), None)

    def _subject(self, claims: Mapping[str, Any]) -> str:
        return f"{self._issuer}|{claims['sub']}"

    def _seconds(self) -> int:
        return int(self._now().timestamp())


class _Keys:
    """The provider's published keys, kept."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: KeySet | None = None
        self._read_at: datetime | None = None

    async def of(self, uri: str, *, again: bool = False) -> KeySet:
        """``again``: a token names a key that is not among them."""
        recently = self._read_at is not None and self._now() - self._read_at < KEYS_AGAIN_AFTER
        if self._kept is None or (again and not recently):
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.get(uri)
                answer.raise_for_status()
            self._kept, self._read_at = KeySet.import_key_set(answer.json()), self._now()
        return self._kept


def _values(claims: Mapping[str, Any], path: str) -> set[str]:
    """What stands in a claim: text, or a list of texts, at a path such as ``realm_access.roles``."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return {found}
    return {str(value) for value in found} if isinstance(found, list) else set()


def _untrue(reason: str) -> Refused:
    log.warning("a sign-in at the provider was refused", extra={"reason": reason})
    return Refused("The sign-in could not be completed. Start again; if it happens again, ask an administrator.")


def _away(error: Exception) -> Refused:
    log.error("the provider does not answer as it should", extra={"reason": place_of(error)})
    return Refused("The sign-in of your hospital does not answer. Try again in a moment.")
