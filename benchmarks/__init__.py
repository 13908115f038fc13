"""kernelet and its peers, measured side by side; `python benchmarks/run.py` runs it, README.md explains it."""
