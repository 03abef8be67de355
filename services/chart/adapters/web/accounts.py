"""Tables about the people and machines that use the console: a rebuild of the read model does not touch them.

Times are microseconds since 1970. Secrets are stored as hashes only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GROWING = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in an INTEGER key."""

metadata = MetaData()
USERS = Table(
    "users",
    metadata,
    Column("id", String(200), primary_key=True, comment="lower case; as in the roster"),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("source", String(10), nullable=False, comment="local or oidc"),
    Column("subject", String(600), unique=True, comment="issuer and subject at the provider; null for local"),
    Column("password", String(300), comment="argon2; null for people of the provider"),
    Column("must_change", Boolean, nullable=False, comment="the password was set by somebody else"),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("signed_in_at", BigInteger),
)
SESSIONS = Table(
    "sessions",
    metadata,
    Column("key", String(64), primary_key=True, comment="SHA-256 of the cookie's token"),
    Column("person", String(200), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False, index=True, comment="newest request that a person made"),
    Column("id_token", Text, nullable=False, comment="for signing out at the provider; empty for local people"),
)
ATTEMPTS = Table(
    "signin_attempts",
    metadata,
    Column("key", String(64), primary_key=True, comment="SHA-256 of the visit's cookie"),
    Column("data", Text, nullable=False, comment="state, nonce and verifier of one sign-in at the provider"),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
FAILURES = Table(
    "signin_failures",
    metadata,
    Column("id", GROWING, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("who", String(64), nullable=False, comment="SHA-256 of what was typed as the name"),
    Column("address", String(64), nullable=False),
    Index("ix_signin_failures_who", "who", "at"),
    Index("ix_signin_failures_address", "address", "at"),
)
TOKENS = Table(
    "tokens",
    metadata,
    Column("key", String(64), primary_key=True, comment="SHA-256 of the token"),
    Column("name", String(200), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, comment="null: until it is revoked"),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger, comment="to the hour"),
)
LOOKS = Table(
    "looks",
    metadata,
    Column("id", GROWING, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("person", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("via", String(20), nullable=False),
    Column("patient", String(36), comment="chart id; null where no one patient was looked at"),
    Column("what", String(80), nullable=False),
    Column("subject", String(200), nullable=False, comment="id of the alert, result, ... or empty"),
    Column("request", String(36), nullable=False),
    Index("ix_looks_patient", "patient", "id"),
    Index("ix_looks_person", "person", "id"),
)
ACCOUNT_EVENTS = Table(
    "account_events",
    metadata,
    Column("id", GROWING, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", String(200), nullable=False, comment="a person, or the command line"),
    Column("what", String(40), nullable=False),
    Column("subject", String(200), nullable=False, comment="whose account"),
    Column("detail", String(200), nullable=False),
    Column("request", String(36), nullable=False),
    Index("ix_account_events_subject", "subject", "id"),
)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(stored: int) -> datetime:
    """The inverse of :func:`microseconds`."""
    return EPOCH + timedelta(microseconds=stored)


def hashed(secret: str) -> str:
    """Of a random token: it has enough entropy for a plain hash."""
    return sha256(secret.encode()).hexdigest()
