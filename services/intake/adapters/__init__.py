"""Whatever of intake has a socket, a file or a database."""
