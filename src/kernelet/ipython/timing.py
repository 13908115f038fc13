"""%time and %timeit, in a line or a cell, of code that awaits.

IPython's own compile their body as sync code. A cell in which the body of one awaits is rewritten, so that the magic is
awaited: then the whole cell runs on the loop, as any other cell that awaits. In the lane's thread.
"""

from __future__ import annotations

import ast
import gc
import inspect
import time
import timeit
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, magics_class
from IPython.core.magics.execution import TimeitResult, _format_time
from IPython.utils.timing import clock2

if TYPE_CHECKING:
    from .shell import ZMQInteractiveShell

_CALLS = {"run_line_magic": 2, "run_cell_magic": 3}
_MAGICS = ("time", "timeit")
_NO_RAISE = "--no-raise-error"
_TIMEIT_OPTIONS = "n:r:tcp:qov:"
# As in the timeit module: a measurement takes this long at least, unless the number of loops is given.
_LONG_ENOUGH_S = 0.2
_MOST_LOOPS = 10**9


@magics_class
class _Options(Magics):
    """Parses options as IPython's magics do."""


def await_magics(shell: ZMQInteractiveShell, cell: str) -> str:
    """Return a transformed cell with `await` before each %time and %timeit whose body awaits."""
    try:
        tree = ast.parse(cell)
    except SyntaxError:  # IPython says so later
        return cell
    lines = cell.encode().splitlines(keepends=True)
    found = [node for node in _outside_of_functions(tree) if _is_magic(node) and _body_awaits(shell, _arguments(node))]
    for call in sorted(found, key=lambda call: (call.lineno, call.col_offset), reverse=True):
        line, start = lines[call.lineno - 1], call.col_offset
        old = f"get_ipython().{call.func.attr}".encode()  # type: ignore[attr-defined]  # `_is_magic` has seen it
        if line[start:].startswith(old):
            rest = line[start + len(old) :]
            lines[call.lineno - 1] = line[:start] + b"await get_ipython().run_awaiting_magic" + rest
    return b"".join(lines).decode()


def _outside_of_functions(node: ast.AST) -> list[ast.Call]:
    found = [node] if isinstance(node, ast.Call) else []
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef):  # nothing can be awaited there
            found += _outside_of_functions(child)
    return found


def _is_magic(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=name) if name in _CALLS:
            texts = [one.value for one in call.args if isinstance(one, ast.Constant)]
            return len(texts) == len(call.args) == _CALLS[name] and texts[0] in _MAGICS
    return False


def _arguments(call: ast.Call) -> list[str]:
    return [str(one.value) for one in call.args if isinstance(one, ast.Constant)]


def _body_awaits(shell: ZMQInteractiveShell, arguments: list[str]) -> bool:
    name, line, *cell = arguments
    try:
        if name == "time":
            return _awaits(shell, cell[0] if cell else _time_line(line)[0])
        stmt = _timeit_line(shell, line)[1]
        return _awaits(shell, stmt) or (bool(cell) and _awaits(shell, cell[0]))
    except Exception:  # noqa: BLE001  # bad options, or a transformer of the user's: the magic itself tells of it
        return False


def _awaits(shell: ZMQInteractiveShell, source: str) -> bool:
    return ("await" in source or "async" in source) and _is_async(
        _compile(shell, ast.parse(shell.transform_cell(source)), "<timed>", "exec")
    )


def _compile(shell: ZMQInteractiveShell, tree: ast.AST, name: str, mode: str) -> Any:
    flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(tree, name, mode, flags, True)  # type: ignore[call-overload]  # any kind of tree


def _is_async(code: Any) -> bool:
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _time_line(line: str) -> tuple[str, bool]:
    """Return the statement of a %time line, and whether its error is to be raised."""
    first, _, rest = line.strip().partition(" ")
    return (rest, False) if first == _NO_RAISE else (line, True)


def _timeit_line(shell: ZMQInteractiveShell, line: str) -> tuple[Any, str]:
    """Return the options of a %timeit line, and the rest."""
    options, rest = _Options(shell).parse_options(
        line, _TIMEIT_OPTIONS, posix=False, strict=False, preserve_non_opts=True
    )
    return options, str(rest)


async def run(shell: ZMQInteractiveShell, name: str, line: str, cell: str | None) -> Any:
    """Run the magic `name` on the running loop; return what it returns."""
    if name == "time":
        return await _time(shell, line, cell)
    return await _timeit(shell, line, cell)


async def _time(shell: ZMQInteractiveShell, line: str, cell: str | None) -> Any:
    stmt, is_raised = _time_line(line)
    source = stmt if cell is None else cell
    tree = shell.transform_ast(shell.compile.ast_parse(shell.transform_cell(source)))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    codes = [_compile(shell, tree, "<timed exec>", "exec")]
    if last is not None:
        codes.append(_compile(shell, ast.Expression(last.value), "<timed eval>", "eval"))
    value, failed = None, None
    wall, cpu = time.perf_counter(), clock2()
    try:
        for code in codes:
            value = eval(code, shell.user_ns)
            if _is_async(code):
                value = await value
    except Exception as error:  # noqa: BLE001  # the user's own: raised again once its time was told
        failed = error
    user, system = (now - then for now, then in zip(clock2(), cpu, strict=True))
    wall = time.perf_counter() - wall
    total = f"total: {_format_time(user + system)}"
    print(f"CPU times: user {_format_time(user)}, sys: {_format_time(system)}, {total}")
    print(f"Wall time: {_format_time(wall)}")
    if failed is not None and is_raised:
        raise failed
    return None if failed is not None or source.rstrip().endswith(";") else value


async def _timeit(shell: ZMQInteractiveShell, line: str, cell: str | None) -> Any:
    options, stmt = _timeit_line(shell, line)
    setup, body = ("pass", stmt) if cell is None else (stmt or "pass", cell)
    inner = _timed_loop(shell, setup, body)
    timer = time.process_time if "c" in options else time.time if "t" in options else timeit.default_timer
    repeat = int(options.get("r", 7))
    number = int(options.get("n", 0))

    async def measure(loops: int) -> float:
        collects = gc.isenabled()
        gc.disable()
        try:
            taken: float = await inner(range(loops), timer)
            return taken
        finally:
            if collects:
                gc.enable()

    if number == 0:
        number = 1
        while await measure(number) < _LONG_ENOUGH_S and number < _MOST_LOOPS:
            number *= 10
    runs = [await measure(number) for _ in range(repeat)]
    result = TimeitResult(number, repeat, min(runs) / number, max(runs) / number, runs, 0.0, int(options.get("p", 3)))
    if "q" not in options:
        print(result)
    if "v" in options:
        shell.user_ns[options["v"]] = result
    return result if "o" in options else None


def _timed_loop(shell: ZMQInteractiveShell, setup: str, body: str) -> Any:
    """Return a coroutine function of an iterator and a timer: it runs `setup`, then times `body` for each item."""
    statements = [
        shell.transform_ast(shell.compile.ast_parse(shell.transform_cell(source))).body for source in (setup, body)
    ]
    frame = ast.parse(
        "async def inner(_it, _timer):\n    _t0 = _timer()\n    for _i in _it: pass\n    return _timer() - _t0\n"
    )
    function: Any = frame.body[0]
    function.body[1].body = statements[1] or function.body[1].body
    function.body[:0] = statements[0]
    names: dict[str, Any] = {}
    exec(_compile(shell, ast.fix_missing_locations(frame), "<magic-timeit>", "exec"), shell.user_ns, names)
    return names["inner"]
