"""Windows live beside cells: Tk on a virtual screen, Qt without one, and event loops that a notebook registers.

A window here is a timer of its toolkit that counts and prints: `every(ms, function)`.
"""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Callable, Iterator

import pytest

from frontend import Frontend
from needs import need_module
from screen import screen

Start = Callable[..., Frontend]

SETUP = {
    "tk": """
        import tkinter
        window = tkinter.Tk()
        def every(ms, function):
            def again():
                if function() is not False:
                    window.after(ms, again)
            window.after(ms, again)
        """,
    "qt": """
        from PyQt6 import QtCore, QtWidgets
        window = QtWidgets.QLabel("a window")
        window.show()
        def every(ms, function):
            timer = QtCore.QTimer(window)
            timer.timeout.connect(lambda: timer.stop() if function() is False else None)
            timer.start(ms)
        """,
}
COMMON = """
    import asyncio, time
    ticks = 0
    def tick():
        global ticks
        ticks += 1
    def later(text, after=10):
        "Print a text when the window has ticked that often from now on."
        end = ticks + after
        def look():
            if ticks >= end:
                print(text)
                return False
        every(1, look)
    async def ticking(after=10):
        end = ticks + after
        while ticks < end:
            await asyncio.sleep(0.005)
    every(2, tick)
    """


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with screen() as name:
        yield name


@pytest.fixture(scope="module", params=["tk", "qt"])
def gui_kernel(request: pytest.FixtureRequest, display: str) -> Iterator[Frontend]:
    """A kernel with a window that ticks; its `gui` is the toolkit's name."""
    gui: str = request.param
    need_module({"tk": "_tkinter", "qt": "PyQt6"}[gui])
    kernel = Frontend(env={"DISPLAY": display, "QT_QPA_PLATFORM": "offscreen", "QT_API": None})
    kernel.gui = gui  # type: ignore[attr-defined]
    result = kernel.execute(f"%gui {gui}\n{textwrap.dedent(SETUP[gui]) + textwrap.dedent(COMMON)}")
    assert result.status == "ok", result.content
    yield kernel
    kernel.kill()


@pytest.fixture
def kernel(gui_kernel: Frontend) -> Iterator[Frontend]:
    yield gui_kernel
    gui_kernel.assert_quiet()


def value(kernel: Frontend, code: str) -> str:
    result = kernel.execute(code)
    assert result.status == "ok", result.content
    assert result.result is not None, (result.stdout, result.stderr)
    return str(result.result["text/plain"])


def hear(kernel: Frontend, text: str) -> None:
    """Wait for what a window printed, and take it."""
    kernel.see_text(text)
    kernel.take("iopub", lambda m: m["msg_type"] == "stream" and text in m["content"]["text"])


def test_window_lives_between_cells(kernel: Frontend) -> None:
    kernel.execute("later('ticked on')")
    hear(kernel, "ticked on")


def test_window_lives_while_a_cell_awaits(kernel: Frontend) -> None:
    assert value(kernel, "before = ticks\nawait ticking(20)\nticks - before >= 20") == "True"


def test_tasks_keep_their_time_beside_a_window(kernel: Frontend) -> None:
    code = """
        async def count():
            for n in range(20):
                await asyncio.sleep(0.005)
            print('counted', ticks > at_first)
        at_first = ticks
        task = asyncio.create_task(count())
        """
    kernel.execute(textwrap.dedent(code))
    hear(kernel, "counted True")


def test_tasks_that_never_rest_leave_time_for_the_window(kernel: Frontend) -> None:
    kernel.execute("async def spin():\n    while True: await asyncio.sleep(0)\nspinning = asyncio.create_task(spin())")
    kernel.execute("later('ticked beside a busy loop')")
    hear(kernel, "ticked beside a busy loop")
    assert value(kernel, "spinning.cancel()") == "True"


def test_questions_are_answered_beside_a_window(kernel: Frontend) -> None:
    assert kernel.request("complete_request", {"code": "tick", "cursor_pos": 4}).content["matches"][:2] == [
        "tick",
        "ticking",
    ]
    assert kernel.request("kernel_info_request", channel="control").status == "ok"


def test_callback_may_start_a_task(kernel: Frontend) -> None:
    code = """
        async def from_window():
            await asyncio.sleep(0.001)
            print('a task of a window')
        def start():
            asyncio.get_running_loop().create_task(from_window())
            return False
        every(1, start)
        """
    kernel.execute(textwrap.dedent(code))
    hear(kernel, "a task of a window")


def test_interrupt_ends_a_cell_that_awaits_and_leaves_the_window_alone(kernel: Frontend) -> None:
    for _ in range(5):
        msg_id = kernel.send_execute("print('waiting')\nawait asyncio.sleep(600)")
        kernel.see_text("waiting", msg_id)
        kernel.interrupt()
        result = kernel.result(msg_id)
        assert (result.ename, result.stderr) == ("KeyboardInterrupt", "")
    kernel.execute("later('ticking still')")
    hear(kernel, "ticking still")


def test_interrupt_while_nothing_runs_is_ignored(kernel: Frontend) -> None:
    for _ in range(3):
        os.kill(kernel.pid, signal.SIGINT)
    kernel.execute("later('ticks after an interrupt')")
    hear(kernel, "ticks after an interrupt")


def test_interrupt_ends_a_callback_that_blocks(kernel: Frontend) -> None:
    code = "def block():\n    if blocked: return False\n    blocked.append(print('blocked'))\n    while True: pass\n"
    code += "blocked = []\nevery(1, block)"
    kernel.execute(code)
    kernel.see_text("blocked")
    kernel.interrupt()
    kernel.see_text("KeyboardInterrupt")
    kernel.execute("later('free again')")
    hear(kernel, "free again")
    kernel.leftovers()


def test_error_of_a_callback_is_shown_and_ends_nothing(kernel: Frontend) -> None:
    kernel.execute(
        "def fail():\n    if failed: return False\n    failed.append(1)\n    1 / 0\nfailed = []\nevery(1, fail)"
    )
    kernel.see_text("ZeroDivisionError")
    kernel.execute("later('no harm done')")
    hear(kernel, "no harm done")
    kernel.leftovers()


def test_gui_can_be_turned_off_and_on(kernel: Frontend) -> None:
    assert kernel.execute("%gui").status == "ok"
    kernel.execute("before = ticks\nawait asyncio.sleep(0.05)")
    assert value(kernel, "ticks == before, get_ipython().active_eventloop, get_ipython().kernel.eventloop") == (
        "(True, None, None)"
    )
    assert kernel.execute(f"%gui {kernel.gui}").status == "ok"  # type: ignore[attr-defined]
    kernel.execute("later('on again')")
    hear(kernel, "on again")


def test_window_may_turn_the_loop_off_itself(kernel: Frontend) -> None:
    kernel.execute("def off():\n    get_ipython().enable_gui(None)\n    print('off')\n    return False\nevery(1, off)")
    hear(kernel, "off")
    assert kernel.execute(f"%gui {kernel.gui}").status == "ok"  # type: ignore[attr-defined]
    kernel.execute("later('on once more')")
    hear(kernel, "on once more")


def test_loop_that_user_code_closes_takes_the_window_along(kernel: Frontend) -> None:
    kernel.execute("asyncio.get_event_loop().close()")
    kernel.execute("later('in another loop')")
    hear(kernel, "in another loop")


def test_two_toolkits_at_once_are_refused(kernel: Frontend) -> None:
    other = "wx" if kernel.gui == "tk" else "tk"  # type: ignore[attr-defined]
    result = kernel.execute(f"%gui {other}")
    assert "Cannot activate multiple GUI eventloops" in result.stderr + str(result.content)
    assert kernel.execute(f"get_ipython().enable_gui({other!r})").content["ename"] == "UsageError"
    assert kernel.execute("get_ipython().enable_gui('nonsense')").content["ename"] == "UsageError"


def test_subshell_may_not_turn_windows_on(kernel: Frontend) -> None:
    subshell = kernel.request("create_subshell_request", channel="control").content["subshell_id"]
    code = f"get_ipython().enable_gui({kernel.gui!r})"  # type: ignore[attr-defined]
    msg_id = kernel.send_execute(code, subshell_id=subshell)
    assert kernel.result(msg_id).content["ename"] == "UsageError"
    kernel.request("delete_subshell_request", {"subshell_id": subshell}, channel="control")


def test_matplotlib_draws_in_a_window_and_then_inline(kernel: Frontend) -> None:
    need_module("matplotlib")
    gui: str = kernel.gui  # type: ignore[attr-defined]
    assert kernel.execute(f"%matplotlib {gui}").status == "ok"
    backend = {"tk": "tkagg", "qt": "qtagg"}[gui]
    code = "import matplotlib.pyplot as plt\nfigure = plt.figure()\nplt.plot([1, 2])\nplt.show()\n"
    code += "plt.get_backend().lower()"
    result = kernel.execute(code)
    assert result.result == {"text/plain": repr(backend)}, (result.content, result.stderr)
    assert result.displays == []
    code = """
        drawn = asyncio.Event()
        figure.canvas.mpl_connect('draw_event', lambda event: drawn.set())
        figure.axes[0].set_title('drawn by the loop')
        figure.canvas.draw_idle()
        await asyncio.wait_for(drawn.wait(), 30)
        """
    result = kernel.execute(textwrap.dedent(code))
    assert result.status == "ok", result.content
    kernel.execute("plt.close('all')")
    assert kernel.execute("%matplotlib inline").status == "ok"
    shown = kernel.execute("plt.plot([1, 2]);")
    assert ["image/png" in one["data"] for one in shown.displays] == [True]
    kernel.execute(f"%gui {gui}")


def test_option_starts_a_loop(start_kernel: Start, display: str) -> None:
    kernel = start_kernel(env={"DISPLAY": display}, extra_arguments=["--gui=tk"])
    kernel.execute(textwrap.dedent(SETUP["tk"]) + textwrap.dedent(COMMON))
    kernel.execute("later('from the command line')")
    hear(kernel, "from the command line")


@pytest.mark.better_than_ipykernel("Qt ends ipykernel's process where there is no screen")
def test_qt_without_a_screen_is_an_error_and_not_the_end(start_kernel: Start) -> None:
    need_module("PyQt6")
    kernel = start_kernel(env=dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "QT_API")))
    result = kernel.execute("%gui qt")
    assert "DISPLAY" in result.stderr + str(result.content)
    assert kernel.execute("get_ipython().enable_gui('qt')").content["ename"] == "UsageError"
    assert value(kernel, "1 + 1") == "2"


def test_toolkit_that_is_not_installed_is_an_import_error(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import sys\nsys.modules['wx'] = None")
    assert fresh_kernel.execute("get_ipython().enable_gui('wx')").ename == "ModuleNotFoundError"
    assert value(fresh_kernel, "get_ipython().kernel.eventloop is None") == "True"


REGISTERED = """
    import asyncio, select, time, zmq
    from ipykernel.eventloops import enable_gui, loop_map, register_integration
    turns = []
    """


WAITS_FOR_THE_KERNEL = """
    fd = kernel.shell_stream.getsockopt(zmq.FD)
    while not kernel.shell_stream.flush(limit=1):
        turns.append(time.monotonic())
        select.select([fd], [], [], 0.001)
"""
RETURNS_IN_TIME = """
    turns.append(time.monotonic())
    time.sleep(kernel._poll_interval)
"""
RETURNS_AT_ONCE = "    turns.append(time.monotonic())\n"


@pytest.mark.parametrize("body", [WAITS_FOR_THE_KERNEL, RETURNS_IN_TIME, RETURNS_AT_ONCE])
@pytest.mark.better_than_ipykernel("ipykernel's messages do not come over shell_stream any more")
def test_registered_loop_runs_beside_cells(fresh_kernel: Frontend, body: str) -> None:
    code = f"@register_integration('mine')\ndef loop_mine(kernel):\n{body}\n"
    code += "@loop_mine.exit\ndef leave(kernel): print('left')\nenable_gui('mine')"
    result = fresh_kernel.execute(textwrap.dedent(REGISTERED) + code)
    assert result.status == "ok", result.content
    look = (
        "async def turned():\n    before = len(turns)\n    while len(turns) < before + 5: await asyncio.sleep(0.002)\n"
    )
    fresh_kernel.execute(look + "    print('turned')\ntask = asyncio.create_task(turned())")
    hear(fresh_kernel, "turned")
    assert fresh_kernel.execute("await turned()").stdout == "turned\n"
    assert value(fresh_kernel, "loop_map['mine'] is get_ipython().kernel.eventloop") == "True"
    assert fresh_kernel.execute("exit").stdout == "left\n"
    fresh_kernel.exit_status()


def test_registered_loop_that_fails_is_told_of_and_turned_off(fresh_kernel: Frontend) -> None:
    code = "@register_integration('broken')\ndef loop_broken(kernel): 1 / 0\nenable_gui('broken')"
    fresh_kernel.execute(textwrap.dedent(REGISTERED) + code)
    fresh_kernel.see_text("ZeroDivisionError")
    assert value(fresh_kernel, "get_ipython().kernel.eventloop is None") == "True"
    fresh_kernel.leftovers()


def test_hook_registered_with_ipython_is_known(fresh_kernel: Frontend) -> None:
    code = """
        import asyncio
        from IPython.terminal.pt_inputhooks import register
        def hook(context):
            turns.append(context.fileno())
            while not context.input_is_ready(): pass
        turns = []
        register('hooked', hook)
        get_ipython().enable_gui('hooked')
        """
    result = fresh_kernel.execute(textwrap.dedent(code))
    assert result.status == "ok", result.content
    assert value(fresh_kernel, "await asyncio.sleep(0.01)\nlen(turns) > 0") == "True"
    fresh_kernel.execute("%gui")


# Toolkits that are not here: IPython's input hook for each, and a stand-in for what it would import.
STAND_IN = """
    import asyncio, sys, types
    hook = types.ModuleType('IPython.terminal.pt_inputhooks.{hook}')
    def inputhook(context):
        turns.append(context.fileno())
        while not context.input_is_ready(): pass
    hook.inputhook = inputhook
    sys.modules.update({{hook.__name__: hook, 'wx': types.SimpleNamespace(GetApp=lambda: 'an app')}})
    turns = []
    """


@pytest.mark.parametrize(
    ("gui", "hook"),
    [("wx", "wx"), ("gtk", "gtk3"), ("gtk3", "gtk3"), ("gtk4", "gtk4"), ("osx", "osx"), ("macosx", "osx")],
)
def test_hook_of_each_toolkit_runs_while_a_cell_awaits(fresh_kernel: Frontend, gui: str, hook: str) -> None:
    fresh_kernel.execute(textwrap.dedent(STAND_IN.format(hook=hook)))
    assert fresh_kernel.execute(f"%gui {gui}").status == "ok"
    assert value(fresh_kernel, "while not turns: await asyncio.sleep(0.001)\nmin(turns) >= 0") == "True"
    assert fresh_kernel.execute("%gui").status == "ok"
    assert value(fresh_kernel, "get_ipython().kernel.eventloop is None") == "True"
