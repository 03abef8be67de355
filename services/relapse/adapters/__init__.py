"""Whatever of relapse has a socket, a file or a database."""
