"""ipykernel's module names lead to this kernel: beside the real ipykernel, without it, and not when switched off.

compat.md, section 3, and rows 4, 6, 7, 17, 22 of section 1.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from cells import value
from frontend import Frontend
from needs import need_module

Start = Callable[..., Frontend]

pytestmark = pytest.mark.better_than_ipykernel("these names are its own")

# ipykernel is in the environment of the tests; this hides it from the kernel.
HIDE_IPYKERNEL = """
import importlib.machinery as machinery
find_spec = machinery.PathFinder.find_spec
def find_another(fullname, path=None, target=None):
    return None if fullname.partition(".")[0] == "ipykernel" else find_spec(fullname, path, target)
machinery.PathFinder.find_spec = find_another
"""
SWITCHED_OFF = {"KERNELET_NO_IPYKERNEL_ALIASES": "1"}
COMM_OPENS = """
import ipywidgets
slider = ipywidgets.IntSlider()
slider.comm is not None
"""


@pytest.fixture
def alone(start_kernel: Start, tmp_path_factory: pytest.TempPathFactory) -> Frontend:
    """A kernel whose environment has no ipykernel."""
    path = tmp_path_factory.mktemp("site")
    (path / "sitecustomize.py").write_text(HIDE_IPYKERNEL)
    return start_kernel(env={"PYTHONPATH": str(path)})


# -- beside the real ipykernel


def test_presence_is_told_from_the_start_without_importing_anything(fresh_kernel: Frontend) -> None:
    code = """
    import sys
    [name in sys.modules for name in ("ipykernel", "ipykernel.zmqshell", "ipykernel.iostream",
                                      "ipykernel.kernelbase", "jupyter_client", "ipykernel._version")]
    """
    assert value(fresh_kernel, code) == "[True, True, True, False, False, False]"


def test_ipykernel_is_the_real_one_and_cheap(fresh_kernel: Frontend) -> None:
    need_module("ipykernel")
    import ipykernel

    code = "import ipykernel as i, sys\ni.__version__, i.version_info >= (6, 18), 'jupyter_client' in sys.modules"
    assert value(fresh_kernel, code) == f"('{ipykernel.__version__}', True, False)"
    assert value(fresh_kernel, "i.__file__") == repr(ipykernel.__file__)


def test_debugger_gate_of_vscode_is_passed(kernel: Frontend) -> None:
    assert kernel.execute("import ipykernel; print(ipykernel.__version__)").stdout.split(".")[0] >= "6"


@pytest.mark.parametrize(
    "statement",
    [
        "from ipykernel.zmqshell import ZMQInteractiveShell\ntype(get_ipython()) is ZMQInteractiveShell",
        "import ipykernel.zmqshell\nisinstance(get_ipython().display_pub, ipykernel.zmqshell.ZMQDisplayPublisher)",
        "import sys, ipykernel.iostream\ntype(sys.stdout) is ipykernel.iostream.OutStream",
        "from ipykernel.comm import CommManager\nisinstance(get_ipython().kernel.comm_manager, CommManager)",
        "from ipykernel.iostream import BackgroundSocket as B\nisinstance(get_ipython().kernel.iopub_socket, B)",
        "from ipykernel.iostream import IOPubThread as T\nisinstance(get_ipython().kernel.iopub_thread, T)",
        "from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.initialized()",
        "from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.instance().kernel is get_ipython().kernel",
        "from ipykernel.kernelapp import IPKernelApp\nIPKernelApp.instance().shell is get_ipython()",
        "from ipykernel.ipkernel import IPythonKernel\nIPythonKernel.instance() is get_ipython().kernel",
        "import ipykernel\nipykernel.get_connection_file() == get_ipython().config.IPKernelApp.connection_file",
        "import ipykernel.connect as c\nc.get_connection_info(unpack=True)['key'] == get_ipython().kernel.session.key",
    ],
)
@pytest.mark.parametrize("with_ipykernel", [True, False])
def test_names_lead_to_this_kernel(with_ipykernel: bool, statement: str, request: pytest.FixtureRequest) -> None:
    kernel = request.getfixturevalue("kernel" if with_ipykernel else "alone")
    assert value(kernel, statement) == "True"


@pytest.mark.parametrize(
    "module", ["ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.embed", "ipykernel.inprocess.ipkernel"]
)
def test_comms_survive_the_import_of_the_real_kernel(fresh_kernel: Frontend, module: str) -> None:
    code = f"import {module}\nimport comm\ncomm.get_comm_manager() is get_ipython().kernel.comm_manager"
    assert value(fresh_kernel, code) == "True"
    opened = fresh_kernel.execute("comm.create_comm(target_name='there', data={'a': 1});")
    assert [content["data"] for content in opened.of_type("comm_open")] == [{"a": 1}]


def test_widgets_survive_the_import_of_kernelapp(fresh_kernel: Frontend) -> None:
    need_module("ipywidgets")
    fresh_kernel.execute("import ipykernel.kernelapp")
    opened = fresh_kernel.execute(COMM_OPENS).of_type("comm_open")
    assert {content["target_name"] for content in opened} == {"jupyter.widget"}
    assert len(opened) == 3  # style, layout, slider
    assert value(fresh_kernel, "slider.comm.kernel is get_ipython().kernel") == "True"


def test_who_replaced_create_comm_keeps_it(fresh_kernel: Frontend) -> None:
    """Panel does that on purpose."""
    code = """
    import comm
    def mine(*args, **kwargs): ...
    comm.create_comm = mine
    import ipykernel.kernelapp
    comm.create_comm is mine
    """
    assert value(fresh_kernel, code) == "True"


def test_real_modules_that_we_leave_alone_are_real(kernel: Frontend) -> None:
    code = """
    import ipykernel.kernelbase, ipykernel.jsonutil, ipykernel.kernelspec
    [getattr(m, "__shim_for__", "real") for m in (ipykernel.kernelbase, ipykernel.jsonutil, ipykernel.kernelspec)]
    """
    assert value(kernel, code) == "['real', 'real', 'real']"
    assert value(kernel, "import ipykernel.comm\nipykernel.comm.__shim_for__") == "'ipykernel.comm'"


def test_wrapper_kernel_on_the_real_base_class_can_be_defined(kernel: Frontend) -> None:
    code = """
    from ipykernel.kernelbase import Kernel
    class Echo(Kernel):
        implementation = "echo"
    Echo.initialized()
    """
    assert value(kernel, code) == "False"


def test_source_and_pickle_of_the_shell_class(kernel: Frontend) -> None:
    code = """
    import inspect, pickle
    cls = type(get_ipython())
    inspect.getsource(cls).startswith("class ZMQInteractiveShell"), pickle.loads(pickle.dumps(cls)) is cls
    """
    assert value(kernel, code) == "(True, True)"


def test_a_child_process_sees_the_real_package_only(kernel: Frontend) -> None:
    code = """
    import subprocess, sys
    child = "import sys; print('ipykernel' in sys.modules, any('kernelet' in str(type(f)) for f in sys.meta_path))"
    subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip()
    """
    assert value(kernel, code) == "'False False'"


# -- without the real ipykernel


def test_minimal_package_where_ipykernel_is_absent(alone: Frontend) -> None:
    code = """
    import ipykernel
    from ipykernel import get_connection_file
    import ipykernel.comm, ipykernel.kernelapp
    ipykernel.__version__, ipykernel.version_info, ipykernel.__shim_for__, hasattr(ipykernel, "nonsense")
    """
    assert value(alone, code) == "('7.4.0', (7, 4, 0), 'ipykernel', False)"
    failed = alone.execute("import ipykernel.kernelbase")
    assert failed.ename == "ModuleNotFoundError"


def test_widgets_work_where_ipykernel_is_absent(alone: Frontend) -> None:
    need_module("ipywidgets")
    assert len(alone.execute(COMM_OPENS).of_type("comm_open")) == 3


# -- switched off


def test_switch_in_the_environment(start_kernel: Start) -> None:
    kernel = start_kernel(env=SWITCHED_OFF)
    assert value(kernel, "import sys\n[name for name in sys.modules if name.startswith('ipykernel')]") == "[]"
    assert value(kernel, "import ipykernel.comm\nhasattr(ipykernel.comm, '__shim_for__')") == "False"
    assert value(kernel, "str(type(get_ipython()))") == "\"<class 'ipykernel.zmqshell.ZMQInteractiveShell'>\""


def test_switch_in_the_configuration(start_kernel: Start) -> None:
    kernel = start_kernel(extra_arguments=["--IPKernelApp.ipykernel_aliases=False"])
    assert value(kernel, "import sys\n[name for name in sys.modules if name.startswith('ipykernel')]") == "[]"


# -- the command line


def test_argv_looks_like_ipykernels(kernel: Frontend) -> None:
    code = "import sys\nsys.argv[0].endswith('ipykernel_launcher.py'), sys.argv[1], sys.argv[3:]"
    assert value(kernel, code) == "(True, '-f', [])"
    assert value(kernel, "import os\nos.path.exists(sys.argv[0])") == "True"


def test_launcher_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kernelet.ipykernel_launcher", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()


# -- ipykernel.comm.Comm


def test_comm_class_of_ipykernel_makes_a_comm_of_this_kernel(kernel: Frontend) -> None:
    code = """
    from ipykernel.comm import Comm
    class Mine(Comm):
        target_name = "mine"
    one = Comm("there", data={"a": 1}, metadata={"m": 2}, buffers=[b"x"], show_warning=False)
    two = Comm(target_name="there", comm_id="the-id", primary=False, target_module="mod", show_warning=False)
    one.kernel is get_ipython().kernel, two.comm_id, two.target_module, one in one.kernel.comm_manager.comms.values()
    """
    result = kernel.execute(code.replace("\n    ", "\n"))
    assert result.result == {"text/plain": "(True, 'the-id', 'mod', True)"}
    [opened] = [m for m in result.iopub if m["msg_type"] == "comm_open"]
    assert opened["content"]["data"] == {"a": 1}
    assert opened["metadata"] == {"m": 2}
    assert bytes(opened["buffers"][0]) == b"x"
    kernel.execute("one.close()")


def test_comm_class_of_ipykernel_warns_that_it_is_old(kernel: Frontend) -> None:
    result = kernel.execute("from ipykernel.comm import Comm\nComm('there').close()")
    assert "DeprecationWarning" in result.stderr
