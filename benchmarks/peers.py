"""Install the peers into this interpreter, one by one: one that cannot be had does not stop the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.kernels import FLOOR, INSTANT, KERNELS, OURS  # noqa: E402


def main() -> int:
    names = {kernel.distributions[0] for kernel in KERNELS.values() if kernel.label not in (OURS, INSTANT, FLOOR)}
    for name in sorted(names):
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary", name],
            capture_output=True,
            text=True,
        )
        why = done.stderr.strip().splitlines()[-1:] or ["pip failed"]
        print(f"{name}: installed" if done.returncode == 0 else f"{name}: cannot be installed: {why[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
