"""Packages that look at the code of a cell: its file name, its source, its functions and classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cells import value
from frontend import Frontend
from needs import need_module


def test_numba_caches_a_function_of_a_cell(tmp_path: Path) -> None:
    need_module("numba")
    cell = "import numba\n@numba.njit(cache=True)\ndef double(x): return 2 * x\n"
    cell += "double(21), sum(double.stats.cache_hits.values())"
    for hits in (0, 1):  # the second in another kernel
        with Frontend(env={"XDG_CACHE_HOME": str(tmp_path)}) as kernel:
            result = kernel.execute(cell, deadline_s=90)
            assert result.result == {"text/plain": f"(42, {hits})"}


def test_joblib_memory_remembers_a_function_of_a_cell(kernel: Frontend) -> None:
    need_module("joblib")
    cell = """
import joblib
memory = joblib.Memory("cache", verbose=0)
@memory.cache
def double(x):
    print("computed")
    return 2 * x
double(21)
"""
    assert kernel.execute(cell).stdout == "computed\n"
    again = kernel.execute(cell)
    assert (again.stdout, again.result) == ("", {"text/plain": "42"})


def test_joblib_runs_functions_of_a_cell_in_processes(kernel: Frontend) -> None:
    need_module("joblib")
    code = "import joblib\ndef double(x): return 2 * x\njoblib.Parallel(2)(joblib.delayed(double)(n) for n in range(4))"
    assert kernel.execute(code, deadline_s=90).result == {"text/plain": "[0, 2, 4, 6]"}
    kernel.execute("from joblib.externals.loky import get_reusable_executor\nget_reusable_executor().shutdown()")


def test_line_profiler_finds_the_lines_of_a_cell(kernel: Frontend) -> None:
    need_module("line_profiler")
    kernel.execute(
        "%load_ext line_profiler\ndef work(n):\n    total = 0\n    for i in range(n): total += i\n    return total"
    )
    result = kernel.execute("%lprun -f work work(10)")
    assert result.status == "ok", result.content
    assert "total += i" in str(result.content["payload"]) + result.stdout


@pytest.mark.parametrize("package", ["cloudpickle", "pickle"])
def test_class_and_function_of_a_cell_can_be_pickled(kernel: Frontend, package: str) -> None:
    need_module(package)
    kernel.execute("class Point:\n    def __init__(self, x): self.x = x\ndef far(point): return point.x + 1")
    code = f"import {package} as p\nclone = p.loads(p.dumps((Point(1), far)))\nclone[1](clone[0])"
    assert value(kernel, code) == "2"


def test_cloudpickle_carries_a_class_to_another_process(kernel: Frontend) -> None:
    need_module("cloudpickle")
    code = """
import cloudpickle, subprocess, sys
class Point:
    x = 41
    def far(self): return self.x + 1
child = "import pickle, sys; print(pickle.load(sys.stdin.buffer).far())"
subprocess.run([sys.executable, "-c", child], input=cloudpickle.dumps(Point()), capture_output=True).stdout
"""
    assert value(kernel, code) == r"b'42\n'"
