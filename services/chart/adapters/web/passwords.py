"""Passwords of local people: argon2, a few sane rules, and the same time for people who do not exist."""

from __future__ import annotations

import secrets
from functools import cache

from pwdlib import PasswordHash

SHORTEST = 12
LONGEST = 256
FEWEST_DIFFERENT = 6
"""Characters; ``aaaaaaaaaaaa`` is no password. Long and memorable beats special characters (NIST SP 800-63B)."""
GENERATED_BYTES = 12
"""16 characters."""


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    """What a password is compared with when there is no such person, so that the answer takes as long."""
    return _hasher().hash(secrets.token_urlsafe())


def hash_of(password: str) -> str:
    """For the database."""
    return _hasher().hash(password)


def matches(password: str, stored: str | None) -> bool:
    """Whether it is the one; takes the same time for None."""
    nobody = _nobody()  # also when it is not needed: the first comparison makes it
    right = _hasher().verify(password[: LONGEST + 1], stored or nobody)
    return right and stored is not None


def generated() -> str:
    """A password to tell somebody once."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def problem_of(password: str, user: str) -> str:
    """What is wrong with a new password, as a sentence; empty when nothing is."""
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters. Several words are easy to remember."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    if len(set(password)) < FEWEST_DIFFERENT:
        return f"A password has at least {FEWEST_DIFFERENT} different characters."
    lower = password.casefold()
    if user and user.casefold() in lower:
        return "A password does not contain the name to sign in with."
    if "password" in lower or "refrain" in lower or lower in _rows_of_keys():
        return "This password is easily guessed. Choose another one."
    return ""


@cache
def _rows_of_keys() -> frozenset[str]:
    rows = ("qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "abcdefghijklmnopqrstuvwxyz", "1234567890" * 2)
    return frozenset(row[:length] for row in rows for length in range(SHORTEST, len(row) + 1))
