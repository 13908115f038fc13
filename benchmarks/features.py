"""Ask each kernel that is installed here for each feature, by messages, and print a table in markdown.

    python benchmarks/features.py [LABEL ...]       (`python benchmarks/peers.py` installs the peers)

"yes" and "no" are what a fresh kernel did when it was asked; other words are what it did instead.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.feature_kernel import Peer, Silence, home  # noqa: E402
from benchmarks.feature_probes import PROBES, Probe  # noqa: E402
from benchmarks.kernels import FLOOR, INSTANT, KERNELS, Kernel, look_into  # noqa: E402


def ask(kernel: Kernel, probes: list[Probe]) -> list[str]:
    """One kernel's column. A kernel that failed a probe, or ended in it, is replaced before the next."""
    column = []
    with Peer(kernel, home()) as peer:
        for probe in probes:
            try:
                peer.client.is_alive()  # starts one, if there is none
                verdict = probe.judge(peer)
            except (Silence, RuntimeError, AssertionError, subprocess.TimeoutExpired) as error:
                verdict = f"no ({error})" if isinstance(error, Silence) else "no (it ended, or hangs)"
            column.append({True: "yes", False: "no"}.get(verdict, str(verdict)))
            print(f"{kernel.label}: {probe.name}: {column[-1]}", file=sys.stderr, flush=True)
            if verdict is not True or not peer.manager or not peer.manager.is_alive():
                peer.drop()
    return column


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", nargs="*", help="kernels; all that are installed if none is named")
    parser.add_argument("-k", default="", help="only probes whose name contains this")
    options = parser.parse_args()
    here = look_into(sys.executable)
    wanted = options.labels or [k.label for k in KERNELS.values() if k.default and k.label not in (FLOOR, INSTANT)]
    kernels = [KERNELS[label] for label in wanted if not here.missing(KERNELS[label])]
    probes = [probe for probe in PROBES if options.k in probe.name]
    columns = [ask(kernel, probes) for kernel in kernels]
    print(f"Run with {here.version}: " + "; ".join(here.version_of(kernel) for kernel in kernels) + ".\n")
    print("| | " + " | ".join(kernel.label for kernel in kernels) + " |")
    print("|---" * (len(kernels) + 1) + "|")
    for row, probe in enumerate(probes):
        print(f"| {probe.name} | " + " | ".join(column[row] for column in columns) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
