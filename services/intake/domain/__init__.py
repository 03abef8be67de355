"""The pure core of intake: no clock, no I/O."""
