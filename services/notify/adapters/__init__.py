"""Whatever of notify has a socket, a file, a database or a clock."""
