"""Flagging: places each observation against its range."""
