"""Whatever of chart has a socket, a file, a database or a clock."""
