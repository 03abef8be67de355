"""Who may do what. A role that is not listed for a permission has it not; a person without a role gets nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fastapi import Request


class Role(StrEnum):
    """One person has one role."""

    VIEWER = "viewer"
    CLINICIAN = "clinician"
    LABORATORY = "laboratory"
    ADMINISTRATOR = "administrator"


Permission = Literal[
    "see", "own_account", "answer", "acknowledge_ward", "acknowledge_laboratory", "record_care", "review_repairs",
    "see_quarantine", "resolve_quarantine", "map_codes", "see_dead_letters", "manage_users", "see_looks",
]  # fmt: skip

EVERYBODY = frozenset(Role)
WARD = frozenset({Role.CLINICIAN})
LABORATORY = frozenset({Role.LABORATORY, Role.ADMINISTRATOR})
ADMINISTRATION = frozenset({Role.ADMINISTRATOR})

PERMISSIONS: dict[Permission, frozenset[Role]] = {
    "see": EVERYBODY,  # patients, alerts, why, feed status
    "own_account": EVERYBODY,  # sign out, change the own password
    "answer": WARD | LABORATORY,  # alerts of one kind or the other
    "acknowledge_ward": WARD,  # answer P1, P2 and P3
    "acknowledge_laboratory": LABORATORY,  # answer data-quality alerts
    "record_care": WARD,
    "review_repairs": LABORATORY,
    "see_quarantine": LABORATORY,  # raw messages
    "resolve_quarantine": LABORATORY,
    "map_codes": LABORATORY,
    "see_dead_letters": LABORATORY,
    "manage_users": ADMINISTRATION,
    "see_looks": ADMINISTRATION,
}


def allowed(role: Role, permission: Permission) -> bool:
    """Deny by default: KeyError for a permission that nobody wrote down."""
    return role in PERMISSIONS[permission]


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a person at the console, or a machine with a token."""

    id: str
    """As in the roster, in the audit and in alert actions."""
    name: str
    role: Role
    via: Literal["console", "api"]
    session: str = ""
    """Key of the session; empty for a machine."""
    must_change_password: bool = False

    def may(self, permission: Permission) -> bool:
        return allowed(self.role, permission)


class NotSignedIn(Exception):
    """Nobody is known to ask."""


class NotAllowed(Exception):
    """The role has not the permission."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission)
        self.permission = permission


def signed_in(request: Request) -> Person:
    """Dependency: who asks. NotSignedIn otherwise, although the gate lets nobody else through."""
    person = getattr(request.state, "person", None)
    if not isinstance(person, Person):
        raise NotSignedIn
    return person


class May:
    """Dependency: who asks, if their role has the permission; NotAllowed otherwise."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission
        self.roles = PERMISSIONS[permission]

    def __call__(self, request: Request) -> Person:
        person = signed_in(request)
        if person.role not in self.roles:
            raise NotAllowed(self.permission)
        return person


def may(permission: Permission) -> May:
    """``Depends(may("record_care"))``. Every route that changes something needs one."""
    return May(permission)
