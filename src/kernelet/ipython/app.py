"""IPython's configuration for the kernel: profile, config files, command-line traits, extensions, start-up code.

The class is named IPKernelApp, and config reaches the shell under that name, because users' config files and options
say `c.IPKernelApp.exec_lines`, and libraries look for `"IPKernelApp" in get_ipython().config`. Main thread.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Sequence
from typing import Any

from IPython.core.application import BaseIPythonApplication, base_aliases, base_flags
from IPython.core.history import HistoryManager
from IPython.core.profiledir import ProfileDir
from IPython.core.shellapp import InteractiveShellApp, shell_aliases, shell_flags
from traitlets import Any as AnyTrait
from traitlets import Bool, Container, Dict, Enum, Int, TraitError, Unicode, default, observe
from traitlets.config import Config

from ..runtime.attribution import POLICIES, Attribution
from ..runtime.host import Host
from ..runtime.replay import LIMIT_BYTES
from .shell import ZMQInteractiveShell

HISTORY_ROWS_HELD = 1000


class IPKernelApp(BaseIPythonApplication, InteractiveShellApp):
    """Builds the shell from configuration. Does not own sockets: the connection was made before."""

    name = "ipython-kernel"
    description = "kernelet: a Jupyter kernel"
    aliases = {**base_aliases, **shell_aliases}
    flags = {**base_flags, **shell_flags}
    classes = [  # type: ignore[assignment]  # any Configurable
        ZMQInteractiveShell,
        ProfileDir,
        HistoryManager,
    ]

    kernel = AnyTrait(help="What get_ipython().kernel is.")
    connection_file = Unicode("", help="The file that the connection was read from.").tag(config=True)
    quiet = Bool(True, help="Kept for configuration files; the kernel is always quiet.").tag(config=True)
    capture_fd_output = Bool(True, help="Show what is written to file descriptors 1 and 2 in the cell.").tag(
        config=True
    )
    no_stdout = Bool(False, help="Leave sys.stdout alone.").tag(config=True)
    no_stderr = Bool(False, help="Leave sys.stderr alone.").tag(config=True)
    ipykernel_aliases = Bool(True, help="Let ipykernel's module names lead to this kernel, in its process.").tag(
        config=True
    )

    thread_output = Enum(
        POLICIES,
        help="Whose output a thread's is: auto (of the cell whose code started it; a library's own: the newest cell), "
        "origin (of the cell that it was started in), latest (of the newest cell, as with ipykernel), none.",
    ).tag(config=True)
    replay_bytes = Int(
        LIMIT_BYTES, min=0, help="How much of its output the kernel keeps for clients that ask for it again; 0: none."
    ).tag(config=True)

    @default("thread_output")
    def _default_thread_output(self) -> str:
        given = os.environ.get("KERNELET_THREAD_OUTPUT", "auto")
        if given not in POLICIES:
            self.log.warning("KERNELET_THREAD_OUTPUT is %r, not one of %s: ignored", given, ", ".join(POLICIES))
            return "auto"
        return given

    @observe("thread_output")
    def _choose_thread_output(self, change: Any) -> None:
        if self._attribution is not None:
            self._attribution.policy = change["new"]

    _attribution: Attribution | None = None

    def configure(self, host: Host, argv: Sequence[str]) -> None:
        """Read command line, profile and config files. An option nobody knows is warned of and ignored."""
        known, unknown = split_unknown(argv, {*self.aliases, *self.flags})
        stderr = open(host.log.fd, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115  # open for good
        self.initialize(known)
        for handler in self.log.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stderr)
        for option in unknown:
            self.log.warning("option %s is unknown, and ignored", option)
        self.connection_file = os.path.abspath(host.connection_file)
        self.update_config(_defaults(self.connection_file, self.config))
        self._attribution = host.attribution
        host.attribution.policy = self.thread_output
        host.wire.recent.limit_bytes = self.replay_bytes

    def parse_command_line(self, argv: Any = None) -> None:
        """Read the command line. What most of them have is not worth traitlets' parser, which asks every option."""
        plain = None if argv is None else plain_options(argv, self.classes)
        if plain is None:
            from IPython.core.completer import IPCompleter  # 5 ms, and most command lines are plain

            self.classes = [*self.classes, IPCompleter]
            super().parse_command_line(argv)
        else:
            self.argv, self.extra_args, self.cli_config = list(argv), [], plain
            self.update_config(plain)

    @property
    def abs_connection_file(self) -> str:
        """The absolute path of the connection file."""
        return self.connection_file

    @property
    def connection_dir(self) -> str:
        """The directory of the connection file."""
        return os.path.dirname(self.connection_file)

    def init_crash_handler(self) -> None:
        """Nothing: the kernel reports its own crashes."""

    def make_shell(self, host: Host, **options: Any) -> ZMQInteractiveShell:
        """Build the one shell of the process."""
        if not host.guest:
            self.init_path()
        self.shell = ZMQInteractiveShell.instance(parent=self, profile_dir=self.profile_dir, host=host, **options)
        self.shell.configurables.append(self)  # type: ignore[arg-type]  # any Configurable
        return self.shell

    # Whether the namespace comes from another kernel, in which start-up code has run.
    inherits = False

    def run_startup(self) -> None:
        """Enable GUI and matplotlib options, load extensions, run start-up files, exec_lines and exec_files."""
        self.init_gui_pylab()
        self.init_extensions()
        if self.inherits:
            return
        self.init_code()


def split_unknown(argv: Sequence[str], names: Collection[Any]) -> tuple[list[str], list[str]]:
    """Return the arguments that IPython's parser takes, and the options among them that nobody knows.

    The parser ends the process for an option that it does not know, and launchers add options meant for other kernels
    (nbclient, papermill and VS Code do). `--Class.trait=value` is left to it: it only warns.
    """
    known: list[str] = []
    unknown: list[str] = []
    plain = {name for entry in names for name in (entry if isinstance(entry, tuple) else (entry,))}
    for argument in argv:
        name = argument.lstrip("-").partition("=")[0]
        is_option = argument.startswith("-") and argument not in ("-", "--") and not argument[1:2].isdigit()
        if not is_option or "." in name or name in plain or (argument[:2] != "--" and argument[1:2] in plain):
            known.append(argument)
        else:
            unknown.append(argument)
    return known, unknown


def plain_options(argv: Sequence[str], classes: Collection[type[Any]]) -> Config | None:
    """Return the configuration that a command line gives by nothing but `--Class.trait=value`: as the parser would.

    None for any other, which is the parser's: aliases, flags, a trait given twice, a list, a class that is not among
    `classes`, a value that the trait refuses.
    """
    known = {one.__name__: one for one in classes}
    config = Config()
    for argument in argv:
        name, equals, value = argument.partition("=")
        owner, dot, trait_name = name.removeprefix("--").partition(".")
        if not (equals and dot and name.startswith("--") and owner in known) or trait_name in config[owner]:
            return None
        trait = known[owner].class_traits(config=True).get(trait_name)
        if trait is None or isinstance(trait, Container | Dict):
            return None
        try:
            config[owner][trait_name] = trait.from_string(value)
        except (TraitError, ValueError):
            return None
    return config


def _defaults(connection_file: str, given: Any) -> Config:
    """Return configuration that libraries look for, and defaults for a kernel where nothing else was given."""
    config = Config()
    config.IPKernelApp.connection_file = connection_file
    # The exit path may save history from another thread, when main is stuck.
    options = dict(given.HistoryManager.get("connection_options", {}) or {})
    options.setdefault("check_same_thread", False)
    config.HistoryManager.connection_options = options
    # A commit for every cell is the largest cost of one: rows wait, and `IPythonLanguage` writes them when it is idle.
    if "db_cache_size" not in given.HistoryManager:
        config.HistoryManager.db_cache_size = HISTORY_ROWS_HELD
    return config
