"""What a page says, as somebody reads it."""

from __future__ import annotations

from html.parser import HTMLParser

from httpx import Response

SILENT = {"script", "style", "head"}
BLOCKS = {"p", "li", "td", "th", "dt", "dd", "h1", "h2", "h3", "h4", "tr", "caption", "option", "summary", "div", "br"}


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, _: object) -> None:
        self._silent += tag in SILENT
        if tag in BLOCKS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in SILENT
        if tag in BLOCKS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def said(answer: Response | str) -> str:
    """The words of a page, or of a part of one, in one line."""
    parser = _Text()
    parser.feed(answer if isinstance(answer, str) else answer.text)
    return " ".join("".join(parser.parts).split())
