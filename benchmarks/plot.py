"""The picture of a run: each kernel against ipykernel, row by row. `python benchmarks/plot.py build/bench.json`.

Needs matplotlib; without it there is no picture, and the run says nothing of one.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

REFERENCE = "ipykernel"
_MARKERS = "osD^vPX*<>"
_NARROWEST, _WIDEST, _FAILED = 0.01, 10.0, 16.0


def draw(document: Path) -> Path | None:
    """Draw the document that run.py wrote, into an SVG and a PNG beside it; return the PNG. None without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    told = json.loads(document.read_text())
    rows = compared(told)
    failures = failed(told)
    if not rows:
        return None
    labels = [label for label in told["results"] if label not in (REFERENCE, "floor")]
    figure, axes = pyplot.subplots(figsize=(11, 1.6 + 0.27 * len(rows)), layout="constrained")
    for index, label in enumerate(labels):
        points = [(ratios[label], place) for place, (_, ratios) in enumerate(rows) if label in ratios]
        ours = index == 0
        axes.scatter(
            [min(max(ratio, _NARROWEST), _WIDEST) for ratio, _ in points],
            [place for _, place in points],
            label=label,
            marker=_MARKERS[index % len(_MARKERS)],
            s=60 if ours else 34,
            color=f"C{index}",
            zorder=3 if ours else 2,
            alpha=1.0 if ours else 0.7,
        )
        lost = [place for place, (title, _) in enumerate(rows) if label in failures.get(title, ())]
        axes.scatter([_FAILED] * len(lost), lost, marker="x", s=40, color=f"C{index}", zorder=3)
    axes.text(_FAILED, -0.7, "failed", ha="center", fontsize=8)
    axes.axvline(1.0, color="black", linewidth=1, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(_NARROWEST * 0.9, _FAILED * 1.4)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -1.2)
    axes.grid(axis="both", alpha=0.25)
    axes.set_xlabel(f"times {REFERENCE} (= 1); left is better, in every row")
    axes.set_title(
        f"{told['machine']['cpu']}, {told['machine']['cores']} cores, {told['python']}, {told['begun'][:10]}"
    )
    axes.legend(loc="lower left", fontsize=8)
    picture = document.with_suffix(".png")
    figure.savefig(picture, dpi=120)
    figure.savefig(document.with_suffix(".svg"))
    pyplot.close(figure)
    return picture


def compared(told: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    """Return for each row its title and each kernel's cost by the reference's: below 1 is better, always."""
    rows = []
    for key, title in titles(told).items():
        row, ratios = told["rows"][key], {}
        for label, results in told["results"].items():
            ratio = results.get(key, {}).get("ratio")
            if ratio and label not in (REFERENCE, "floor"):
                ratios[label] = 1 / ratio if row.get("more") else ratio
        if ratios:
            rows.append((title, ratios))
    return rows


def failed(told: dict[str, Any]) -> dict[str, set[str]]:
    """Return by title of a row the kernels that lost an answer or gave a wrong one, so that there is no number."""
    found: dict[str, set[str]] = {}
    for key, title in titles(told).items():
        for label, results in told["results"].items():
            result = results.get(key, {})
            if result.get("faults") and result.get("median") is None:
                found.setdefault(title, set()).add(label)
    return found


def titles(told: dict[str, Any]) -> dict[str, str]:
    """Return the titles of the rows by their keys; one that goes on from the row above says what that was."""
    found, whole = {}, ""
    for key, row in told["rows"].items():
        if row["title"].startswith("…"):
            found[key] = f"{whole}: {row['title'].lstrip('… ')}"
        else:
            whole = found[key] = row["title"]
    return found


if __name__ == "__main__":
    print(draw(Path(sys.argv[1])) or "no matplotlib here, or nothing to compare")
