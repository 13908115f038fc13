"""Completion in two threads at once: main's, a subshell's and the assistant's do not mix."""

from __future__ import annotations

from frontend import Frontend

SETUP = """
import threading
shell = get_ipython()
shell.Completer.use_jedi = False
table, zebra_crossing = {"keyhole": 1}, 2
asked, gate = threading.Event(), threading.Event()
def slow(text):
    if threading.current_thread() is not threading.main_thread():
        print("completing", flush=True)
        asked.set()
        assert gate.wait(60)
    return []
shell.Completer.custom_matchers.append(slow)
"""


def test_completion_of_a_subshell_is_not_mixed_with_mains(fresh_kernel: Frontend) -> None:
    """IPython's completer keeps the line that it completes in attributes of its own."""
    kernel = fresh_kernel
    kernel.execute(SETUP)
    subshell = str(kernel.request("create_subshell_request", channel="control").content["subshell_id"])
    slow = kernel.send("complete_request", {"code": "table['k", "cursor_pos": 8}, subshell_id=subshell)
    kernel.take("iopub", lambda message: message["content"].get("text") == "completing\n")
    quick = kernel.request("complete_request", {"code": "x = 1\nzebra_c", "cursor_pos": 13})
    assert quick.content["matches"] == ["zebra_crossing"]
    kernel.execute("gate.set()")
    assert kernel.result(slow).content["matches"] == ["keyhole"]


def test_completion_of_the_assistant_is_not_mixed_with_that_of_the_running_cell(fresh_kernel: Frontend) -> None:
    """The cell completes too: as `%%` magics and IDE-like libraries do."""
    kernel = fresh_kernel
    kernel.execute(SETUP)
    cell = kernel.send_execute(
        "import warnings\nprint('on', flush=True)\nassert asked.wait(60)\n"
        "print(shell.complete('zebra_c')[1])\ngate.set()"
    )
    kernel.see_text("on", cell)
    slow = kernel.request("complete_request", {"code": "table['k", "cursor_pos": 8})
    assert slow.content["matches"] == ["keyhole"]
    assert "zebra_crossing" in kernel.result(cell).stdout
