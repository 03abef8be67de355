"""People and machines that use the console, their sessions, and what they looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GROWING = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates all of them empty."""
    op.create_table(
        "users",
        sa.Column("id", sa.String(200), primary_key=True, comment="lower case; as in the roster"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("source", sa.String(10), nullable=False, comment="local or oidc"),
        sa.Column("subject", sa.String(600), unique=True, comment="issuer and subject at the provider; null for local"),
        sa.Column("password", sa.String(300), comment="argon2; null for people of the provider"),
        sa.Column("must_change", sa.Boolean, nullable=False, comment="the password was set by somebody else"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("signed_in_at", sa.BigInteger),
    )
    _sessions()
    op.create_table(
        "tokens",
        sa.Column("key", sa.String(64), primary_key=True, comment="SHA-256 of the token"),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, comment="null: until it is revoked"),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger, comment="to the hour"),
    )
    _audit()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("key", sa.String(64), primary_key=True, comment="SHA-256 of the cookie's token"),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False, comment="newest request that a person made"),
        sa.Column(
            "id_token", sa.Text, nullable=False, comment="for signing out at the provider; empty for local people"
        ),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"])
    op.create_index("ix_sessions_seen_at", "sessions", ["seen_at"])
    op.create_table(
        "signin_attempts",
        sa.Column("key", sa.String(64), primary_key=True, comment="SHA-256 of the visit's cookie"),
        sa.Column("data", sa.Text, nullable=False, comment="state, nonce and verifier of one sign-in at the provider"),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_signin_attempts_expires_at", "signin_attempts", ["expires_at"])
    op.create_table(
        "signin_failures",
        sa.Column("id", GROWING, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String(64), nullable=False, comment="SHA-256 of what was typed as the name"),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_index("ix_signin_failures_at", "signin_failures", ["at"])
    op.create_index("ix_signin_failures_who", "signin_failures", ["who", "at"])
    op.create_index("ix_signin_failures_address", "signin_failures", ["address", "at"])


def _audit() -> None:
    op.create_table(
        "looks",
        sa.Column("id", GROWING, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("via", sa.String(20), nullable=False),
        sa.Column("patient", sa.String(36), comment="chart id; null where no one patient was looked at"),
        sa.Column("what", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False, comment="id of the alert, result, ... or empty"),
        sa.Column("request", sa.String(36), nullable=False),
    )
    op.create_index("ix_looks_at", "looks", ["at"])
    op.create_index("ix_looks_patient", "looks", ["patient", "id"])
    op.create_index("ix_looks_person", "looks", ["person", "id"])
    op.create_table(
        "account_events",
        sa.Column("id", GROWING, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False, comment="a person, or the command line"),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False, comment="whose account"),
        sa.Column("detail", sa.String(200), nullable=False),
        sa.Column("request", sa.String(36), nullable=False),
    )
    op.create_index("ix_account_events_at", "account_events", ["at"])
    op.create_index("ix_account_events_subject", "account_events", ["subject", "id"])


def downgrade() -> None:
    """Drops all of them: the record of who looked at whom is lost."""
    for table in ("account_events", "looks", "tokens", "signin_failures", "signin_attempts", "sessions", "users"):
        op.drop_table(table)
