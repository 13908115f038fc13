"""display_pub, displayhook and the streams as libraries use and replace them (rows 9, 12, 25)."""

from __future__ import annotations

import pytest

from cells import value
from frontend import Frontend
from needs import need_module

NAMES = "import sys\nshell = get_ipython()\n"


# -- display_pub


def test_publish_is_looked_up_when_something_is_displayed(fresh_kernel: Frontend) -> None:
    """wandb and reacton replace it."""
    code = (
        NAMES
        + """
own, seen = shell.display_pub.publish, []
def publish(data, metadata=None, **kwargs):
    seen.append(sorted(kwargs)); own(data, metadata, **kwargs)
shell.display_pub.publish = publish
display("x", display_id="d")
shell.display_pub.publish = own
seen
"""
    )
    result = fresh_kernel.execute(code)
    assert [content["transient"] for content in result.displays] == [{"display_id": "d"}]
    assert result.result == {"text/plain": "[['transient']]"}


def test_publisher_can_be_swapped(fresh_kernel: Frontend) -> None:
    """IPython's capture_output and ipyflow do."""
    result = fresh_kernel.execute(
        "from IPython.utils.capture import capture_output\nwith capture_output() as got:\n    display(1); print('x')\n"
        "len(got.outputs), got.stdout"
    )
    assert result.result == {"text/plain": "(1, 'x\\n')"}
    assert result.displays == []


def test_hook_sees_changes_and_swallows_displays(fresh_kernel: Frontend) -> None:
    code = (
        NAMES
        + """
def hook(message):
    if message["content"]["data"]["text/plain"] == "1": return None
    message["content"]["data"]["hook"] = message["msg_type"]
    return message
shell.display_pub.register_hook(hook)
display(1); display(2)
shell.display_pub.unregister_hook(hook), shell.display_pub.unregister_hook(hook)
"""
    )
    result = fresh_kernel.execute(code)
    assert [content["data"] for content in result.displays] == [{"text/plain": "2", "hook": "display_data"}]
    assert result.result == {"text/plain": "(True, False)"}


def test_hook_on_results(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute(NAMES + "hook = lambda m: None\nshell.displayhook.register_hook(hook)")
    assert fresh_kernel.execute("6 * 7").result is None
    fresh_kernel.execute("shell.displayhook.unregister_hook(hook);")
    assert fresh_kernel.execute("_ + 1").result == {"text/plain": "43"}


def test_hook_is_of_its_thread_only(fresh_kernel: Frontend) -> None:
    result = fresh_kernel.execute(
        NAMES + "import threading\nsys.stdout.register_hook(lambda m: None)\nprint('swallowed')\n"
        "thread = threading.Thread(target=print, args=('from a thread',)); thread.start(); thread.join()"
    )
    assert result.stdout == "from a thread\n"


def test_publisher_has_session_and_socket(kernel: Frontend) -> None:
    code = NAMES + "kernel = shell.kernel\npub = shell.display_pub\n"
    assert (
        value(kernel, code + "pub.session is kernel.session, pub.pub_socket is kernel.iopub_socket") == "(True, True)"
    )
    assert value(kernel, "pub.session = 'other'\npub.session = kernel.session\npub.session is kernel.session") == "True"


# -- streams


def test_streams_have_the_attributes_of_ipykernels(kernel: Frontend) -> None:
    code = (
        NAMES
        + """
out = sys.stdout
(out.encoding, out.name, sys.stderr.name, out.topic, out.echo, out.isatty(), out.closed, out.flush_interval,
 hasattr(out, "buffer"), out.session is shell.kernel.session, out.pub_thread is shell.kernel.iopub_thread,
 type(out).__module__, out.write("é\\n"), out.flush(), out._flush())
"""
    )
    result = kernel.execute(code)
    assert result.stdout == "é\n"
    assert result.result is not None
    assert " ".join(result.result["text/plain"].split()) == (
        "('UTF-8', 'stdout', 'stderr', b'stream.stdout', None, False, False, 0.2, False, True, True, "
        "'ipykernel.iostream', 2, None, None)"
    )


def test_streams_refuse_bytes(kernel: Frontend) -> None:
    assert kernel.execute("import sys\nsys.stdout.write(b'x')").ename == "TypeError"


def test_stream_hook_changes_and_swallows_text(fresh_kernel: Frontend) -> None:
    code = (
        NAMES
        + """
def hook(message):
    if "secret" in message["content"]["text"]: return None
    message["content"]["text"] = message["content"]["text"].upper()
    return message
sys.stdout.register_hook(hook)
sys.stdout.write("a secret\\n"); sys.stdout.write("plain\\n")
sys.stdout.unregister_hook(hook)
sys.stdout.write("after\\n");
"""
    )
    assert fresh_kernel.execute(code).stdout == "PLAIN\nafter\n"


def test_stream_of_ones_own(kernel: Frontend) -> None:
    """Log handlers make one from what sys.stdout has."""
    code = (
        NAMES
        + """
import io, logging
copy = io.StringIO()
own = type(sys.stdout)(sys.stdout.session, sys.stdout.pub_thread, "stderr", echo=copy)
logger = logging.getLogger("own"); handler = logging.StreamHandler(own); logger.addHandler(handler)
logger.propagate = False
logger.error("logged")
logger.removeHandler(handler)
copy.getvalue()
"""
    )
    result = kernel.execute(code)
    assert result.stderr == "logged\n"
    assert result.result == {"text/plain": "'logged\\n'"}
    assert kernel.execute("type(sys.stdout)(None, None, 'stdout')").ename == "TypeError"
    assert kernel.execute("own.fileno()").ename == "UnsupportedOperation"


def test_an_echo_that_is_set_later_gets_what_is_written_from_then_on(kernel: Frontend) -> None:
    code = """
import io, sys
copy = io.StringIO()
print("before")
sys.stdout.echo = copy
print("during"); print("still")
sys.stdout.echo = None
print("after")
copy.getvalue(), sys.stdout.echo
"""
    result = kernel.execute(code)
    assert result.stdout == "before\nduring\nstill\nafter\n"
    assert result.result == {"text/plain": r"('during\nstill\n', None)"}


def test_stream_as_a_childs_stderr(kernel: Frontend) -> None:
    """subprocess asks for fileno(); mcp's client does this at each start."""
    result = kernel.execute(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import sys; print(1); print(2, file=sys.stderr)'],"
        " stdout=sys.stdout, stderr=sys.stderr)"
    )
    assert (result.stdout, result.stderr) == ("1\n", "2\n")


def test_system_and_fork_reach_the_cell(kernel: Frontend) -> None:
    result = kernel.execute(
        "import os, sys\nprint('parent')\nos.system('echo system')\nchild = os.fork()\n"
        "if child == 0:\n    print('child'); sys.stdout.flush(); os._exit(0)\nos.waitpid(child, 0);"
    )
    assert result.stdout == "parent\nsystem\nchild\n"


def test_a_crash_is_told_on_the_real_stderr(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import faulthandler\nfaulthandler.enable()")
    fresh_kernel.send_execute("import os\nos.kill(os.getpid(), 11)")
    assert fresh_kernel.exit_status() != 0
    assert "Segmentation fault" in fresh_kernel.log


def test_stacks_on_a_signal_go_to_the_real_stderr(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute("import faulthandler, signal, os, sys\nfaulthandler.register(signal.SIGUSR2, file=sys.stderr)")
    fresh_kernel.execute("os.kill(os.getpid(), signal.SIGUSR2)")
    assert "most recent call first" in fresh_kernel.log


@pytest.mark.parametrize("package", ["click", "loguru"])
def test_colours_are_kept(kernel: Frontend, package: str) -> None:
    need_module(package)
    code = {
        "click": "import click\nclick.echo(click.style('x', fg='red'))",
        "loguru": "import loguru, sys\nloguru.logger.remove()\n"
        "loguru.logger.add(sys.stdout, format='<red>x</red>')\nloguru.logger.info('x')",
    }[package]
    assert "\x1b[31m" in kernel.execute(code).stdout
