"""Alembic's room: how chart's database came to its present shape."""
