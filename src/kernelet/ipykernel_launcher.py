"""`python -m kernelet.ipykernel_launcher -f conn.json`: a kernel, by the name that front ends and scripts look for.

VS Code looks for it in the kernelspec, and notebooks ask `'ipykernel_launcher' in sys.argv[0]`. `python -m kernelet`
is the same, and puts this file's path into sys.argv as well.
"""

from __future__ import annotations

from .__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
