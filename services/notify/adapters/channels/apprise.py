"""Mail, chat, SMS gateways, phone push and paging services through apprise, each as a URL that stays secret.

apprise says only whether it worked. It knows no idempotency key: each message ends with a reference that is the same
in a repeat, and a URL may carry the key itself where a service takes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from uuid import UUID

import apprise
from apprise.result import AppriseResultStatus

from services.notify.adapters.channels.channel import DeliveryFailed, silence
from services.notify.domain.words import Detail, Text

ADDRESS, KEY = "{address}", "{key}"
ANYBODY = "*"
TYPES = {"P1": apprise.NotifyType.FAILURE, "P2": apprise.NotifyType.WARNING}
"""How a service colours it; informational for the others."""


class Apprise:
    """One or more apprise URLs. ValueError when a URL is of no kind that apprise knows; its text never has the URL.

    ``urls``: by address, or under ``*`` one for everybody. ``{address}`` and ``{key}`` in it are replaced.
    """

    kind = "apprise"

    def __init__(self, name: str, urls: Mapping[str, str], *, detail: Detail = "none") -> None:
        silence("apprise", "urllib3", "requests")
        self.name = name
        self.detail: Detail = detail
        self._urls = dict(urls)
        if not self._urls:
            raise ValueError("an apprise channel needs a URL")
        for url in self._urls.values():
            if apprise.Apprise.instantiate(_filled(url, "nobody@example.org", UUID(int=0)), asset=_asset()) is None:
                raise ValueError("apprise does not know this kind of URL, or a part of it is missing")

    def send(self, text: Text, address: str, key: UUID) -> None:
        url = self._urls.get(address) or self._urls.get(ANYBODY)
        if url is None:
            raise DeliveryFailed("misconfigured", again=False)
        sender = apprise.Apprise(asset=_asset())
        if not sender.add(_filled(url, address, key)):
            raise DeliveryFailed("misconfigured", again=False)
        result = sender.notify(
            title=text.subject,
            body=f"{text.body}\nReference {str(key)[:8]}",
            notify_type=TYPES.get(text.urgency, apprise.NotifyType.INFO),
            body_format=apprise.NotifyFormat.TEXT,
        )
        if result.status is AppriseResultStatus.TIMEOUT:
            raise DeliveryFailed("timeout", again=True)
        if not result:
            raise DeliveryFailed("unreachable", again=True)


def _filled(url: str, address: str, key: UUID) -> str:
    return url.replace(ADDRESS, quote(address, safe="")).replace(KEY, str(key))


def _asset() -> apprise.AppriseAsset:
    """In this thread, nothing kept on disk, no redirect followed, no plugin from elsewhere."""
    return apprise.AppriseAsset(
        app_id="Refrain",
        async_mode=False,
        http_redirects=False,
        plugin_paths=[],
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        service_timeout=0,
        allow_templates=False,
    )


def read_urls(text: str) -> dict[str, str]:
    """The secret's text: one URL for everybody, or lines of an address and its URL; ``#`` begins a comment.

    ValueError for a line that is neither, by its number.
    """
    urls: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match [] if line.lstrip().startswith("#") else line.split():
            case []:
                continue
            case [url] if "://" in url:
                urls[ANYBODY] = url
            case [address, url] if "://" in url:
                urls[address] = url
            case _:
                raise ValueError(f"line {number} is neither a URL nor an address and a URL")
    return urls
