"""Who may sign in at the console of the local stack: one of each role, with passwords made on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from refrain.cli.home import Home
from refrain.runtime.database import open_database
from services.chart.adapters.web import passwords
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.users import By, Users

PEOPLE = {
    "viewer": ("Viewer", Role.VIEWER),
    "clinician": ("Clinician on duty", Role.CLINICIAN),
    "laboratory": ("Laboratory queue", Role.LABORATORY),
    "administrator": ("Laboratory lead", Role.ADMINISTRATOR),
}
"""By the id to sign in with, which is also the id in the roster: name and role."""
PASSWORDS = "passwords"
"""Name of the home's document that keeps them, readable by its owner only."""


def create_people(url: str, home: Home) -> dict[str, str]:
    """Create whoever is not there yet in chart's database. Returns the passwords made now, by id; they are kept too."""
    engine = open_database(url, "chart")
    try:
        users, now = Users(engine), datetime.now(UTC)
        there = {user.id for user in users.all()}
        made = {person: passwords.generated() for person in PEOPLE if person not in there}
        if made:
            home.remember_secret(PASSWORDS, (home.recall(PASSWORDS) or {}) | made)
        for person, password in made.items():
            name, role = PEOPLE[person]
            users.add(person, name, role, password, now, By("refrain up"), must_change=False)
    finally:
        engine.dispose()
    return made


def invitation(console: str | None, mailbox: int | None, made: Mapping[str, str], home: Home) -> list[str]:
    """Lines that say where the console is and how to sign in; passwords stand there once, when they were just made."""
    kept = home.path / f"{PASSWORDS}.json"
    lines = [f"  The console is at [bold]{console}[/]" if console else "  The console has not told its address yet."]
    if made:
        lines += ["  Sign in as one of these; the passwords are not shown again, and stay in", f"  {kept}"]
        lines += [f"    {person:<15} {password}" for person, password in made.items()]
    elif kept.exists():
        lines.append(f"  Sign in as {', '.join(PEOPLE)}; the passwords are in {kept}")
    if mailbox:
        lines.append(f"  What people were told, as they would get it: http://127.0.0.1:{mailbox}")
    return lines
