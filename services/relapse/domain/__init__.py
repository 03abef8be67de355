"""The pure core of relapse: no clock, no I/O."""
