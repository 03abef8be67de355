"""Alembic's room: how intake's database came to its present shape."""
