"""Tests, by service; a package because a library that tests use brings one of the same name."""
