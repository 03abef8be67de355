"""``add-user`` and ``add-token``: the first administrator, and machines, from the command line."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime

from sqlalchemy import Engine

from services.chart.adapters.web import passwords
from services.chart.adapters.web.roles import Role
from services.chart.adapters.web.tokens import Tokens
from services.chart.adapters.web.users import By, Refused, Users

BY = By("command line")
"""In the audit."""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both."""
    roles = [role.value for role in Role]
    user = commands.add_parser("add-user", help="a person with a password (CHART_LOCAL_USERS)")
    user.add_argument("id", help="as in the duty roster")
    user.add_argument("--role", required=True, choices=roles)
    user.add_argument("--name", default="", help="as shown; the id when not given")
    user.add_argument("--generate", action="store_true", help="make a password, print it once, have it changed")
    token = commands.add_parser("add-token", help="a machine that reads FHIR")
    token.add_argument("--name", required=True)
    token.add_argument("--role", default=Role.VIEWER.value, choices=roles)
    token.add_argument("--days", type=int, help="until it ends; without, until it is revoked")


def add_user(engine: Engine, told: argparse.Namespace, now: datetime) -> None:
    """The password is asked for, or the first line of standard input. Refused says what is wrong."""
    password = passwords.generated() if told.generate else _asked()
    Users(engine).add(told.id, told.name, Role(told.role), password, now, BY, must_change=told.generate)
    if told.generate:
        print(password)


def add_token(engine: Engine, told: argparse.Namespace, now: datetime) -> None:
    """Prints the token, which is not to be had again. Refused says what is wrong."""
    if told.days is not None and told.days < 1:
        raise Refused("A token lasts a day at least.")
    print(Tokens(engine).add(told.name, Role(told.role), told.days, now, BY))


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise Refused("The password was not written the same way twice.")
    return password
