"""The pure core of response: no clock, no I/O."""
