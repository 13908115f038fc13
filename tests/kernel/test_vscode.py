"""What VS Code (Jupyter 2026.6) sends to a kernel that it starts itself, message by message."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import pytest
import zmq

from frontend import DEADLINE_S, KERNEL_NAME, Frontend, RawKernel, Sandbox, connection
from needs import need_module
from result import Result

pytestmark = pytest.mark.skipif(KERNEL_NAME != "kernelet", reason="its client starts this interpreter's kernelet")


@pytest.fixture(scope="module")
def vscode() -> Iterator[Frontend]:
    """A kernel that VS Code's hidden cells have prepared."""
    with Frontend() as kernel:
        kernel.execute("1")
        yield kernel


def hidden(kernel: Frontend, code: str) -> Result:
    """Run a cell as VS Code runs its own: seen by nobody, not counted, not remembered."""
    return kernel.execute(dedent(code), silent=False, store_history=False, allow_stdin=True, stop_on_error=False)


def test_hidden_cells_of_the_start_do_not_move_the_counter(vscode: Frontend) -> None:
    before = vscode.execute("0").content["execution_count"]
    for code in (
        "try:\n    import ipywidgets as _widgets\n    print('12', _widgets.__version__)\nexcept:\n    pass",
        "__vsc_ipynb_file__ = '/home/ada/note book.ipynb'",
        "%config Completer.use_jedi = False",
        "import matplotlib\n%matplotlib inline\ndict(matplotlib.rcParams) and None",
        "import types, sys\nsys.modules['vscode'] = types.ModuleType('vscode')\ndel types",
    ):
        result = hidden(vscode, code)
        assert result.status == "ok", (code, result.content)
    result = vscode.execute("__vsc_ipynb_file__")
    assert result.content["execution_count"] == before + 1
    assert result.result == {"text/plain": "'/home/ada/note book.ipynb'"}


def test_variables_are_listed_by_a_cell_that_prints_json(vscode: Frontend) -> None:
    vscode.execute("mine = {'a': 1}\nimport numpy\nmatrix = numpy.zeros((2, 3))")
    code = """
        def _VSCODE_getVariableDescriptions():
            import json as _j
            shown = {}
            for name, value in list(globals().items()):
                if not name.startswith("_") and name not in ("In", "Out", "exit", "quit", "get_ipython"):
                    shown[name] = [type(value).__name__, str(getattr(value, "shape", ""))]
            return _j.dumps(shown)
        print(_VSCODE_getVariableDescriptions())
        del _VSCODE_getVariableDescriptions
    """
    listed = json.loads(hidden(vscode, code).stdout)
    assert listed["mine"] == ["dict", ""]
    assert listed["matrix"] == ["ndarray", "(2, 3)"]


def test_variables_answered_while_a_hidden_cell_fails(vscode: Frontend) -> None:
    """A hidden cell that fails says stop_on_error False: the cells behind it run."""
    failing = vscode.send_execute("1 / 0", store_history=False, stop_on_error=False)
    behind = vscode.send_execute("'runs'", store_history=False, stop_on_error=False)
    assert vscode.result(failing).content["ename"] == "ZeroDivisionError"
    assert vscode.result(behind).result == {"text/plain": "'runs'"}


def test_debugger_gate_reads_a_version_of_ipykernel(vscode: Frontend) -> None:
    version = hidden(vscode, "import ipykernel\nprint(ipykernel.__version__)").stdout.strip()
    found = re.match(r"^(\d+)\.\d+\.\d+$", version)
    assert found
    assert int(found[1]) >= 6


def test_run_cell_is_hooked_on_the_instance(vscode: Frontend) -> None:
    """addRunCellHook.py of the interactive window replaces `run_cell`, and the kernel must call the replacement."""
    hidden(
        vscode,
        """
        def __vsc_hook(shell):
            original = shell.run_cell
            def run_cell(*args, **kwargs):
                __vsc_seen.append(args[0] if args else kwargs["raw_cell"])
                return original(*args, **kwargs)
            shell.run_cell = run_cell
        __vsc_seen = []
        __vsc_hook(get_ipython())
        """,
    )
    vscode.execute("'hooked'")
    assert vscode.execute("repr('hooked') in __vsc_seen").result == {"text/plain": "True"}
    hidden(vscode, "del get_ipython().run_cell")


def test_cell_id_may_be_a_uri(vscode: Frontend) -> None:
    uri = "vscode-notebook-cell:/home/ada/note%20book.ipynb#W0sZmlsZQ%3D%3D"
    result = vscode.execute("get_ipython().get_parent()['metadata']['cellId']", metadata={"cellId": uri})
    assert result.result == {"text/plain": repr(uri)}


def test_cell_name_is_taken_from_the_environment() -> None:
    with Frontend(env={"IPYKERNEL_CELL_NAME": "<VS Code Cell>"}) as kernel:
        result = kernel.execute("import sys\nsys._getframe().f_code.co_filename")
        assert result.result == {"text/plain": "'<VS Code Cell>'"}


def test_payload_with_text_is_sent_for_the_help_of_a_name(vscode: Frontend) -> None:
    [page] = vscode.execute("len?").content["payload"]
    assert page["source"] == "page"
    assert "Return the number of items" in page["data"]["text/plain"]


def test_widgets_messages_name_no_subshell_and_are_answered(vscode: Frontend) -> None:
    """VS Code does not use subshells: `subshell_id` is absent or null."""
    need_module("ipywidgets")
    made = vscode.execute("import ipywidgets\nslider = ipywidgets.IntSlider()")
    models = {c["data"]["state"]["_model_name"]: c["comm_id"] for c in made.of_type("comm_open")}
    data = {"method": "update", "state": {"value": 5}, "buffer_paths": []}
    vscode.until_idle(vscode.send("comm_msg", {"comm_id": models["IntSliderModel"], "data": data}, subshell_id=None))
    assert vscode.execute("slider.value").result == {"text/plain": "5"}


class OneIdentity:
    """The client of VS Code's raw kernels: one routing id for shell, control and stdin, no heartbeat."""

    def __init__(self, info: dict[str, Any]) -> None:
        from jupyter_client.session import Session

        self.session = Session(key=info["key"].encode(), signature_scheme=info["signature_scheme"])
        self._context = zmq.Context()
        identity = str(uuid.uuid4()).encode()
        self.sockets: dict[str, zmq.Socket[bytes]] = {}
        for name, kind in (("iopub", zmq.SUB), ("shell", zmq.DEALER), ("control", zmq.DEALER), ("stdin", zmq.DEALER)):
            one = self._context.socket(kind)
            if kind == zmq.DEALER:
                one.routing_id = identity
            else:
                one.subscribe(b"")
            one.connect(f"tcp://127.0.0.1:{info[f'{name}_port']}")
            self.sockets[name] = one

    def ask(self, channel: str, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its reply on the same channel."""
        request = self.session.send(self.sockets[channel], msg_type, content)
        return self.receive(channel, request["header"]["msg_id"])

    def receive(self, channel: str, parent: str | None = None) -> dict[str, Any]:
        """The next message on `channel` (with this parent)."""
        while self.sockets[channel].poll(int(DEADLINE_S * 1000)):
            _, message = self.session.recv(self.sockets[channel])
            if message is not None and parent in (None, message["parent_header"].get("msg_id")):
                return dict(message)
        raise TimeoutError(f"nothing on {channel}")

    def close(self) -> None:
        self._context.destroy(linger=0)


def test_raw_kernel_starts_with_a_quoted_file_and_answers_on_both_channels() -> None:
    """The module's name holds `ipykernel`: VS Code drops `-f` and appends `--f="<path>"` and perhaps `--debug`."""
    sandbox, info = Sandbox(), connection()
    file = sandbox.path / "with space" / "kernel-v3.json"
    file.parent.mkdir()
    file.write_text(json.dumps(info))
    arguments = [f'--f="{file}"', "--debug"]
    with RawKernel(arguments, content=info, module="kernelet.ipykernel_launcher", sandbox=sandbox):
        client = OneIdentity(info)
        for channel in ("shell", "control"):
            reply = client.ask(channel, "kernel_info_request", {})
            assert reply["content"]["status"] == "ok"
            assert reply["content"]["language_info"]["name"] == "python"
        assert client.receive("iopub")["msg_type"] in ("status", "iopub_welcome")
        request = {"code": "input('name? ')", "silent": False, "store_history": True, "allow_stdin": True}
        asked = client.session.send(client.sockets["shell"], "execute_request", request)
        question = client.receive("stdin")
        assert question["content"] == {"prompt": "name? ", "password": False}
        client.session.send(client.sockets["stdin"], "input_reply", {"value": "Ada"}, parent=question["header"])
        assert client.receive("shell", asked["header"]["msg_id"])["content"]["status"] == "ok"
        client.close()
    sandbox.close()
