"""A qtconsole without a screen: `python qtconsole_session.py KERNEL`; prints what its text area held after each step.

Run by test_qtconsole.py in a process of its own, since a Qt application can be made only once in a process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from qtconsole.manager import QtKernelManager
from qtconsole.rich_jupyter_widget import RichJupyterWidget
from qtpy import QtCore, QtWidgets

DEADLINE_MS = 30_000


class Session:
    """A JupyterWidget on a kernel, and a person who waits for what it shows."""

    def __init__(self, kernel_name: str) -> None:
        self.app = QtWidgets.QApplication([])
        self.manager = QtKernelManager(kernel_name=kernel_name)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.widget = RichJupyterWidget()
        self.widget.kernel_manager = self.manager
        self.widget.kernel_client = self.client
        self.widget.exit_requested.connect(self._exit)
        self.left = ""
        self.widget.show()

    def _exit(self, source: object) -> None:
        self.left = f"kept: {self.widget._keep_kernel_on_exit}"

    @property
    def text(self) -> str:
        return str(self.widget._control.toPlainText())

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Let Qt work until `condition` holds."""
        if self._wait(condition):
            return
        self.close()
        sys.exit(f"waited for {what}; the console shows:\n{self.text[-3000:]}")

    def _wait(self, condition: Callable[[], bool]) -> bool:
        loop, timer = QtCore.QEventLoop(), QtCore.QTimer()
        end = QtCore.QDeadlineTimer(DEADLINE_MS)

        def look() -> None:
            if condition() or end.hasExpired():
                loop.quit()

        timer.timeout.connect(look)
        timer.start(20)
        loop.exec()
        return bool(condition())

    def execute(self, code: str, prompt: int) -> str:
        """Run `code`, wait for the prompt of number `prompt`, and return what the console shows."""
        self.widget.execute(code)
        self.wait(lambda: f"In [{prompt}]:" in self.text, f"In [{prompt}]")
        return self.text

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def main(kernel_name: str) -> None:
    session = Session(kernel_name)
    seen = {}
    session.wait(lambda: "In [1]:" in session.text, "the first prompt")
    seen["banner"] = session.text
    seen["result"] = session.execute("print('printed')\n6 * 7", 2)
    seen["error"] = session.execute("1 / 0", 3)
    session.widget.execute("name = input('who? ')")
    # Not its text: that is in the cell as well.
    session.wait(lambda: session.widget._reading_callback is not None, "the question")
    session.widget._control.insertPlainText("Ada")
    session.widget._reading_callback()
    session.wait(lambda: "In [4]:" in session.text, "In [4]")
    seen["asked"] = session.execute("'hello ' + name", 5)
    session.widget.execute("print('it ' 'runs')\nwhile True: pass")
    session.wait(lambda: "it runs" in session.text, "the cell's text")
    session.widget.request_interrupt_kernel()
    session.wait(lambda: "In [6]:" in session.text, "In [6]")
    seen["interrupted"] = session.text
    seen["paged"] = session.execute("len?", 7)
    session.widget.execute("exit()")
    session.wait(lambda: bool(session.left), "the wish to leave")
    seen["left"] = session.left
    session.close()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
