"""In a container the server that starts the kernel, or the kernel itself, is process 1: no orphan for that."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from needs import OTHER_MACHINE, need_executable, need_linux
from rawkernel import RawClient
from sandbox import Sandbox, connection

need_linux()
ENTER = [need_executable("unshare"), "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
if subprocess.run([*ENTER, "true"], capture_output=True).returncode != 0:
    pytest.skip(f"{OTHER_MACHINE}it lets users make namespaces", allow_module_level=True)

SERVER = """
import os
from jupyter_client.manager import start_new_kernel
assert os.getpid() == 1
manager, client = start_new_kernel(kernel_name="kernelet", startup_timeout=60)
said = []
for code in ("import os", "print(os.getppid(), os.environ['JPY_PARENT_PID'])"):
    client.execute_interactive(code, output_hook=lambda m: said.append(m["content"].get("text", "")), timeout=60)
client.stop_channels()
manager.shutdown_kernel()
print("".join(said).strip())
"""


def test_a_kernel_whose_server_is_process_1_stays() -> None:
    sandbox = Sandbox()
    try:
        done = subprocess.run(
            [*ENTER, sys.executable, "-c", SERVER], env=sandbox.environment({}), capture_output=True, text=True
        )
    finally:
        sandbox.close()
    assert (done.returncode, done.stdout) == (0, "1 1\n"), done.stderr


def test_a_kernel_that_is_process_1_works_is_interrupted_and_ends() -> None:
    sandbox = Sandbox()
    content = connection()
    path = sandbox.path / "connection.json"
    path.write_text(json.dumps(content))
    command = [*ENTER, sys.executable, "-m", "kernelet", "-f", str(path)]
    process = subprocess.Popen(command, env=sandbox.environment({}), stdout=subprocess.DEVNULL)
    client = RawClient(content)
    try:
        client.ready()
        request = client.execute("import os, time\nos.getpid()")
        client.reply(request)
        results = [m["content"] for m in client.until_idle(request) if m["msg_type"] == "execute_result"]
        assert results[0]["data"] == {"text/plain": "1"}
        request = client.execute("print('on', flush=True)\ntime.sleep(60)")
        while client.recv("iopub")["msg_type"] != "stream":
            pass
        client.reply(client.send("interrupt_request", channel="control"), "control")
        assert client.reply(request)["content"]["ename"] == "KeyboardInterrupt"
        shutdown = client.send("shutdown_request", {"restart": False}, channel="control")
        assert client.reply(shutdown, "control")["content"]["status"] == "ok"
        assert process.wait(60) == 0
    finally:
        client.close()
        process.kill()
        process.wait()
        sandbox.close()
