"""The conformance suite that all kernels share (jupyter_kernel_test), with every sample filled in."""

from __future__ import annotations

from typing import Any, ClassVar

import jupyter_kernel_test
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel

from frontend import KERNEL_NAME, Sandbox
from needs import need_kernelspec


class TestConformance(jupyter_kernel_test.KernelTests):
    """Samples of Python for the shared tests."""

    kernel_name = KERNEL_NAME
    language_name = "python"
    file_extension = ".py"
    sandbox: ClassVar[Sandbox]

    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples: ClassVar[list[dict[str, Any]]] = [
        {"text": "zi", "matches": {"zip"}},
        {"text": "import pathlib; pathlib.PureWin", "matches": {"PureWindowsPath"}},
        {"text": "'text'.isasc", "matches": {"isascii"}},
        {"text": "no_such_name_any", "matches": set()},
    ]
    complete_code_samples: ClassVar[list[str]] = [
        "1",
        "print('hello, world')",
        "def f(x):\n  return x*2\n\n\n",
        "!ls",
        "",
    ]
    incomplete_code_samples: ClassVar[list[str]] = ["print('''hello", "def f(x):\n  x*2", "f(1,", "%%timeit"]
    invalid_code_samples: ClassVar[list[str]] = ["import = 7q", "1 2 3 )"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError"
    code_execute_result: ClassVar[list[dict[str, str]]] = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "import IPython.display; IPython.display.HTML('<b>x</b>')", "mime": "text/html", "result": "<b>x</b>"},
    ]
    code_display_data: ClassVar[list[dict[str, str]]] = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
        {"code": "from IPython.display import JSON, display; display(JSON({'a': 1}))", "mime": "application/json"},
    ]
    code_history_pattern = "1?2*"
    # ipykernel answers session 0 when asked for the current session by its number.
    supported_history_operations = ("tail", "search") if KERNEL_NAME == "python3" else ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    @classmethod
    def setUpClass(cls) -> None:
        """Start the kernel in a home of its own."""
        cls.sandbox = Sandbox()
        cls.km, cls.kc = start_new_kernel(kernel_name=cls.kernel_name, env=cls.sandbox.environment())

    @classmethod
    def tearDownClass(cls) -> None:
        """End the kernel."""
        super().tearDownClass()
        cls.sandbox.close()


class TestIopubWelcome(jupyter_kernel_test.IopubWelcomeTests):
    """The first iopub message of a new client."""

    kernel_name = KERNEL_NAME
    support_iopub_welcome = True
    sandbox: ClassVar[Sandbox]

    @classmethod
    def setUpClass(cls) -> None:
        """Start the kernel in a home of its own."""
        cls.sandbox = Sandbox()
        cls.km = KernelManager(kernel_name=cls.kernel_name)
        cls.km.start_kernel(env=cls.sandbox.environment())
        cls.kc = cls.km.blocking_client()

    @classmethod
    def tearDownClass(cls) -> None:
        """End the kernel."""
        super().tearDownClass()
        cls.sandbox.close()


@pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="it tests that kernelspec anyway")
class TestInstantConformance(TestConformance):
    """The same on a kernel that is forked from a zygote."""

    kernel_name = "kernelet-instant"
    patch: ClassVar[pytest.MonkeyPatch]
    runtime: ClassVar[Sandbox]

    @classmethod
    def setUpClass(cls) -> None:
        """Start the kernel, in a runtime folder of its own: its zygote must end with this class."""
        need_kernelspec("kernelet-instant")
        cls.patch = pytest.MonkeyPatch()
        cls.runtime = Sandbox()
        cls.patch.setenv("JUPYTER_RUNTIME_DIR", str(cls.runtime.runtime))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls) -> None:
        """End the kernel and the zygote."""
        from kernelet.launch.zygotes import Zygotes

        super().tearDownClass()
        Zygotes(cls.runtime.runtime / "kernelet-zygotes").end()
        cls.patch.undo()
        cls.runtime.close()
