"""The interactive shell of the kernel: IPython's, with its output on the wire.

The class is named ZMQInteractiveShell and says that it lives in ipykernel.zmqshell, because rich, plotly, tqdm,
transformers and hundreds of others decide by that name that they run in a notebook (compat.md, section 1).
"""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from collections.abc import Callable
from contextvars import Context
from typing import Any

from IPython.core import page, payloadpage
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell, InteractiveShellABC
from traitlets import Any as AnyTrait
from traitlets import CBool, Instance, Type, default, observe

from ..runtime.attribution import PARENT
from ..runtime.deadline import DEADLINE
from ..runtime.host import Host
from ..runtime.parking import ParkedLoop
from . import inspector, plain_values
from .cell_name import CellCompiler
from .commands import Commands
from .display import ZMQDisplayPublisher, ZMQShellDisplayHook
from .history import HistoryByNumber
from .hooks import ParentToken, message_parent
from .late_completer import LateCompleter
from .plain_cells import PlainCells
from .runners import LoopRunner, run_in_trio
from .shared import CELL, CellNumbers, PayloadsByThread, SteadyBuiltinTrap, SteadyDisplayTrap
from .tracebacks import below_ipython, contains_group, hide_our_frames
from .windows import Windowed

# What ipykernel sets for children, so that they colour their output and never open a pager.
ENVIRONMENT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
}
EXIT_AFTER_S = 0.15
_NOTHING: contextlib.nullcontext[None] = contextlib.nullcontext()


class _Traceback(threading.local):
    """The traceback that the cell of this thread showed last: lines, and the error's own name and text."""

    shown: tuple[str, str, list[str]] | None = None
    error: BaseException | None = None


class ZMQInteractiveShell(Windowed, Commands, LateCompleter, InteractiveShell):
    """IPython's shell in a Jupyter kernel."""

    __module__ = "ipykernel.zmqshell"

    displayhook_class = Type(ZMQShellDisplayHook)
    display_pub_class = Type(ZMQDisplayPublisher)
    compiler_class = Type(CellCompiler)
    kernel: Any = AnyTrait()
    host: Host = AnyTrait()  # type: ignore[assignment]  # a trait is its value's type
    exiter = Instance(ZMQExitAutocall)
    exit_now = CBool(False, help="Whether the kernel ends after this cell.")
    keepkernel_on_exit = None
    # Called with the exception that ends a cell, before it is shown: a debugger may stop there.
    on_uncaught: Callable[[BaseException], None] | None = None
    # There is no line to indent or to colour here: the front end does both.
    autoindent = CBool(False)
    colors_force = CBool(True)

    @default("exiter")
    def _default_exiter(self) -> ZMQExitAutocall:
        return ZMQExitAutocall(self)

    @observe("exit_now")
    def _exit(self, change: Any) -> None:
        if change["new"]:
            exit_hook = getattr(self.kernel.eventloop, "exit_hook", None)
            if exit_hook is not None:
                exit_hook(self.kernel)
            # Not at once: a console that polls whether we live must get to read the payload that asks it to leave.
            self.where()[0].call_later(EXIT_AFTER_S, self.host.exit)

    def where(self) -> tuple[ParkedLoop, Context | None]:
        """Return the loop and the context of the cells of this thread. The language replaces it."""
        return self.host.parking, None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._traceback_of_thread = _Traceback()
        self.numbers = CellNumbers()
        self._showing = threading.RLock()
        # The cells that capture what they say (`capturing.py`), and what is in the place of the streams meanwhile.
        self.captures: tuple[Any, ...] = ()
        self.divided: tuple[Any, ...] = ()
        self.capturing = threading.Lock()
        super().__init__(*args, **kwargs)
        self._plain_cells = PlainCells(self)
        # Top-level await runs on the kernel's own loop, so that tasks live on between cells.
        self.run_on_loop = LoopRunner(self)
        self.loop_runner_map = {
            **self.loop_runner_map,
            "asyncio": (self.run_on_loop, True),
            "trio": (run_in_trio, True),
        }
        if str(self.loop_runner) == "asyncio":
            self.loop_runner = self.run_on_loop

    # -- what IPython's __init__ calls -----------------------------------------------------------------------------

    def init_environment(self) -> None:
        os.environ.update(ENVIRONMENT)

    def init_virtualenv(self) -> None:
        """Nothing: the kernelspec's interpreter decides the environment."""

    def init_hooks(self) -> None:
        super().init_hooks()
        self.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)
        inspector.install(self)

    def init_display_pub(self) -> None:
        self.display_pub = self.display_pub_class(parent=self, shell=self, host=self.host)
        self.configurables.append(self.display_pub)  # type: ignore[arg-type]  # any Configurable

    def init_displayhook(self) -> None:
        self.displayhook = self.displayhook_class(parent=self, shell=self, cache_size=self.cache_size, host=self.host)
        self.configurables.append(self.displayhook)  # type: ignore[arg-type]  # any Configurable
        self.display_trap = SteadyDisplayTrap(hook=self.displayhook)
        plain_values.install(self.display_formatter)

    def init_builtins(self) -> None:
        super().init_builtins()
        self.builtin_trap = SteadyBuiltinTrap(shell=self)

    def init_history(self) -> None:
        self.history_manager = HistoryByNumber(shell=self, parent=self)
        self.configurables.append(self.history_manager)  # type: ignore[arg-type]  # any Configurable

    def init_payload(self) -> None:
        self.payload_manager = PayloadsByThread(parent=self)
        self.configurables.append(self.payload_manager)  # type: ignore[arg-type]  # any Configurable

    def init_magics(self) -> None:
        super().init_magics()
        from .magics import KernelMagics

        self.register_magics(KernelMagics)
        self.magics_manager.register_alias("ed", "edit")
        if os.name == "nt":
            self.magics_manager.register_alias("cls", "clear")

    @property
    def all_ns_refs(self) -> list[dict[str, Any]]:
        """What `del_var` and `reset_selective` go through: the namespaces as they are now; deleting reaches them."""
        from .namespace import Steady  # few kernels ask

        return [Steady(namespace) for namespace in super().all_ns_refs]

    @property
    def traceback(self) -> Any:
        """What the cell of the calling code has shown."""
        cell = CELL.get()
        return self._traceback_of_thread if cell is None else cell.traceback

    # -- running ---------------------------------------------------------------------------------------------------

    def run_cell(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run a cell; `traceback.shown` then holds the traceback that it showed, if any."""
        self.traceback.shown = self.traceback.error = None
        result: ExecutionResult = super().run_cell(*args, **kwargs)
        return result

    def transform_cell(self, raw_cell: str) -> str:
        """Return the cell as Python; %time and %timeit whose body awaits are awaited."""
        plain = self._plain_cells.unchanged(raw_cell)
        if plain is not None:
            return plain
        cell: str = super().transform_cell(raw_cell)
        if self.autoawait and "get_ipython().run_" in cell and ("await" in cell or "async" in cell):
            from .timing import await_magics  # most cells never need it

            return await_magics(self, cell)
        return cell

    def should_run_async(self, raw_cell: str, *, transformed_cell: str | None = None, **more: Any) -> bool:
        """Return whether a cell awaits. IPython compiles it to know; the text of most cells tells that they do not."""
        if transformed_cell is not None and "await" not in transformed_cell and "async" not in transformed_cell:
            return False
        return bool(super().should_run_async(raw_cell, transformed_cell=transformed_cell, **more))

    async def run_awaiting_magic(self, name: str, line: str, cell: str | None = None) -> Any:
        """Run %time or %timeit with a body that awaits: what `transform_cell` makes of them."""
        from .timing import run

        return await run(self, name, line, cell)

    @property
    def execution_count(self) -> int:
        """The number of the cell that this thread runs; between cells, of the next one."""
        return self.numbers.current

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        self.numbers.current = value

    def _tee(self, channel: str) -> Any:
        """Nothing: IPython keeps a copy of all that a cell prints in memory, for %notebook; 100 MB would stay there."""
        return _NOTHING

    def add_payload(self, payload: dict[str, Any]) -> None:
        """Send something to the front end with the reply to the current cell."""
        assert self.payload_manager is not None
        self.payload_manager.write_payload(payload)

    def take_payloads(self) -> list[dict[str, Any]]:
        """Return what the cell left for the front end, and forget it."""
        manager = self.payload_manager
        assert manager is not None
        payloads: list[dict[str, Any]] = manager.read_payload()
        if payloads:
            manager.clear_payload()
        return payloads

    def ask_exit(self) -> None:
        """Tell the front end that the user wants to leave; end the kernel unless it is to be kept."""
        keep = bool(self.keepkernel_on_exit)
        self.add_payload({"source": "ask_exit", "keepkernel": keep})
        self.exit_now = not keep

    def set_next_input(self, text: str, replace: bool = False) -> None:
        """Put `text` into the front end's next input; with `replace`, in the place of the current one."""
        self.add_payload({"source": "set_next_input", "text": text, "replace": replace})

    def auto_rewrite_input(self, cmd: str) -> None:
        """Show how IPython rewrote the input (autocall)."""
        self.add_payload({"source": "auto_rewrite_input", "transformed_input": cmd})

    # -- tracebacks ------------------------------------------------------------------------------------------------

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        """Show an exception; groups too, which IPython itself only prints."""
        try:
            etype, value, tb = self._get_exc_info(exc_tuple)
        except ValueError:
            super().showtraceback(exc_tuple, *args, **kwargs)
            return
        deadline = DEADLINE.get()
        if deadline is not None and deadline.expired and isinstance(value, KeyboardInterrupt):
            value = deadline.error().with_traceback(tb)  # nobody pressed a key
            etype = type(value)
        if self.on_uncaught is not None and kwargs.get("running_compiled_code"):
            self.on_uncaught(value)
        hide_our_frames(tb)
        from .quick_tracebacks import quicken  # not for a start

        quicken(tb)
        with self._showing:  # ultratb keeps what it formats in attributes of one object
            self._show(etype, value, tb, *args, **kwargs)

    def _show(self, etype: Any, value: Any, tb: Any, *args: Any, **kwargs: Any) -> None:
        if contains_group(value):
            lines = [line.rstrip("\n") for line in traceback.format_exception(etype, value, below_ipython(tb))]
            self._showtraceback(etype, value, lines)
            if self.call_pdb:
                self.debugger(force=True)
        else:
            super().showtraceback((etype, value, tb), *args, **kwargs)

    def _showtraceback(self, etype: Any, evalue: BaseException | None, stb: list[str]) -> None:
        name = str(etype.__name__)
        try:
            text = str(evalue)
        except Exception as error:  # noqa: BLE001  # whatever the user's __str__ raises: the error itself must be shown
            text = f"<str() of the exception raised {type(error).__name__}>"
        self.traceback.shown, self.traceback.error = (name, text, stb), evalue
        content = {"ename": name, "evalue": text, "traceback": stb}
        if self.host.capture is not None:
            self.host.capture.drain()
        self.host.wire.publish("error", content, self.host.attribution.current())

    # -- the request that runs, for libraries that ask -------------------------------------------------------------

    @property
    def parent_header(self) -> dict[str, Any]:
        return self.get_parent()

    @parent_header.setter
    def parent_header(self, parent: dict[str, Any]) -> None:
        self.set_parent(parent)

    def get_parent(self) -> dict[str, Any]:
        """Return the message whose handling runs the calling code; {} before the first."""
        return self.host.attribution.current().message

    def set_parent(self, parent: dict[str, Any]) -> None:
        """Make `parent` (a message, or a bare header) what later output of the calling code belongs to."""
        self.set_thread_parent(parent)

    def set_thread_parent(self, parent: dict[str, Any]) -> ParentToken:
        """Do what `set_parent` does, and return what `reset_thread_parent` takes."""
        current = self.host.attribution.current()
        return PARENT.set(current if parent is current.message else message_parent(parent, current))

    def reset_thread_parent(self, token: ParentToken) -> None:
        """Undo `set_thread_parent`."""
        PARENT.reset(token)


InteractiveShellABC.register(ZMQInteractiveShell)
