"""The alias that lets `python -m kernel -f conn.json` start kernelet; nothing else."""

from kernelet.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
