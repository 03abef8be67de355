"""``python canaille_process.py SETTINGS.json``: a real OpenID provider (canaille, in memory) with people and clients.

The settings say ``port``, ``console`` (its address), ``people`` {name: [groups]} with the password PASSWORD, and
``clients`` {client id: [audience client ids]}. Prints ``ready`` when it listens.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.backends.memory.backend import MemoryBackend
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

PASSWORD = "correct horse battery"
CLIENT_SECRET = "a secret between the two of them"


class Backend(MemoryBackend):
    """canaille's, which finds what fits any of several filters where it should find what fits all of them."""

    __module__ = MemoryBackend.__module__  # it looks for its models beside its module

    def do_query(self, model: Any, *arguments: Any, **filters: Any) -> list[Any]:
        found = [super(Backend, self).do_query(model, *arguments, **{name: filters[name]}) for name in filters]
        if not found:
            return list(super().do_query(model, *arguments))
        fitting = set.intersection(*({one.id for one in some} for some in found))
        return [one for one in found[0] if one.id in fitting]


def build(settings: dict[str, Any]) -> Any:
    """The provider's Flask application, filled."""
    host = f"127.0.0.1:{settings['port']}"
    key = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
    config = {
        "SECRET_KEY": "of this test alone", "SERVER_NAME": host, "PREFERRED_URL_SCHEME": "http",
        "TRUSTED_HOSTS": ["127.0.0.1"],
        "CANAILLE": {"DATABASE": "memory", "LOGGING": {"version": 1, "disable_existing_loggers": True}},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [key],
            "USERINFO_MAPPING": {"PREFERRED_USERNAME": "{{ user.user_name }}"},
        },
    }  # fmt: skip
    app = create_app(config, backend=Backend(config))
    with app.app_context():
        _fill(app.backend, settings)
    return app


def _fill(backend: Any, settings: dict[str, Any]) -> None:
    people = {}
    for name in settings["people"]:
        user = models.User(
            user_name=name, formatted_name=name.title(), family_name=name.title(), emails=[f"{name}@hospital.test"],
            password=PASSWORD,
        )  # fmt: skip
        backend.save(user)
        people[name] = user
    for group in {group for groups in settings["people"].values() for group in groups}:
        members = [people[name] for name, groups in settings["people"].items() if group in groups]
        backend.save(models.Group(display_name=group, members=members))
    clients = {}
    for client_id in settings["clients"]:
        client = models.Client(
            client_id=client_id, client_name=client_id, client_secret=CLIENT_SECRET, client_uri=settings["console"],
            redirect_uris=[f"{settings['console']}/signin/callback"],
            post_logout_redirect_uris=[f"{settings['console']}/signin"],
            grant_types=["authorization_code", "password"], response_types=["code"],
            scope=["openid", "profile", "groups"], token_endpoint_auth_method="client_secret_basic",
        )  # fmt: skip
        backend.save(client)
        clients[client_id] = client
    for client_id, audience in settings["clients"].items():
        clients[client_id].audience = [clients[one] for one in audience]
        backend.save(clients[client_id])


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    server = make_server("127.0.0.1", told["port"], build(told), threaded=True)
    print("ready", flush=True)
    server.serve_forever()
