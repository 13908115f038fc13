"""Floor 1: threads and sockets. Knows no IPython."""
