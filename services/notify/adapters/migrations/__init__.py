"""Alembic's room: how notify's database came to its present shape."""
