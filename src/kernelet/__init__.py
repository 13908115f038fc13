"""kernelet: a small, fast, pure-Python Jupyter kernel, and the execution service on top of it."""

__version__ = "0.1.0"
