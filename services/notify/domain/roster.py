"""The roster: who is there, how each person is reached, who is on duty, and who is told when nobody answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RosterError(ValueError):
    """A roster cannot be used. ``problems``: a sentence each, with its place and what to do; no secrets."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Roster(BaseModel):
    """One site's roster, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def load(text: str) -> Roster:
    """A roster from YAML; RosterError with everything that is wrong with it."""
    raise ValueError("the body follows in the next commit")
