"""What stops the local stack, as a sentence for the person at the keyboard."""

from __future__ import annotations


class CannotStart(Exception):
    """Something on this machine is in the way. The text says what it is and what to do about it."""
