"""The request that runs, for libraries that ask for it and set it (row 8)."""

from __future__ import annotations

import pytest

from cells import value
from frontend import Frontend


def test_parent_is_a_message_on_the_shell_and_a_header_on_streams(kernel: Frontend) -> None:
    code = """
    import sys
    shell = get_ipython()
    kernel = shell.kernel
    messages = [shell.parent_header, shell.get_parent(), kernel.get_parent(), kernel.get_parent("shell")]
    messages.append(kernel._parent_header)
    headers = [one.parent_header for one in (shell.display_pub, shell.displayhook, sys.stdout, sys.stderr)]
    ({m["header"]["msg_id"] for m in messages} == {h["msg_id"] for h in headers}, messages[0]["content"]["silent"],
     sorted(kernel._parent_ident), type(kernel._parent_ident["shell"][0]), kernel.get_parent("control"))
    """
    assert value(kernel, code) == "(True, False, ['control', 'shell'], bytes, {})"


@pytest.mark.parametrize(
    "ident", ["kernel._parent_ident", "kernel._parent_ident['shell']", "[i.decode('latin1') for i in ids]", "None"]
)
def test_parent_can_be_set_to_an_earlier_cell(kernel: Frontend, ident: str) -> None:
    """As a bytes list, as text (dash), as the mapping itself (jupyter_ui_poll)."""
    first = kernel.send_execute(
        "kernel = get_ipython().kernel\nids = [b'text-id']\nthen = kernel._parent_ident, kernel.get_parent()"
    )
    kernel.result(first)
    second = kernel.send_execute(
        f"now = kernel._parent_ident, kernel.get_parent()\nkernel.set_parent({ident}, then[1])\n"
        "print('for the first')\nkernel.set_parent(*now)\nprint('for the second')"
    )
    assert kernel.result(second).stdout == "for the second\n"
    late = kernel.take("iopub", lambda m: m["content"].get("text") == "for the first\n")
    assert late["parent_header"]["msg_id"] == first


@pytest.mark.parametrize("owner", ["shell", "shell.display_pub", "shell.displayhook", "sys.stdout", "sys.stderr"])
def test_thread_parent_can_be_set_and_reset(kernel: Frontend, owner: str) -> None:
    first = kernel.send_execute("import sys\nshell = get_ipython()\nthen = shell.get_parent()")
    kernel.result(first)
    second = kernel.send_execute(
        f"token = {owner}.set_thread_parent(then)\nprint('first')\n{owner}.reset_thread_parent(token)\nprint('second')"
    )
    assert kernel.result(second).stdout == "second\n"
    late = kernel.take("iopub", lambda m: m["content"].get("text") == "first\n")
    assert late["parent_header"]["msg_id"] == first


@pytest.mark.parametrize("owner", ["shell.display_pub", "sys.stdout"])
def test_header_can_be_set_on_streams_and_publisher(kernel: Frontend, owner: str) -> None:
    first = kernel.send_execute("import sys\nshell = get_ipython()\nthen = sys.stdout.parent_header")
    kernel.result(first)
    second = kernel.send_execute(f"{owner}.parent_header = then\nprint('text')\ndisplay(1)")
    assert kernel.result(second).types == ["busy", "execute_input", "idle"]
    for msg_type in ("stream", "display_data"):
        late = kernel.take("iopub", lambda m: m["msg_type"] == msg_type)  # noqa: B023  # called at once
        assert late["parent_header"]["msg_id"] == first


def test_input_works_after_the_parent_was_set(kernel: Frontend) -> None:
    """ipywidgets' Output and interactive functions set it around every callback."""
    result = kernel.execute(
        "import sys\nsys.stdout.parent_header = dict(sys.stdout.parent_header)\nprint(input('name? '))", answers=["me"]
    )
    assert result.stdout == "me\n"


def test_cell_id_is_in_the_metadata_of_the_parent(kernel: Frontend) -> None:
    """pyspark names the cell of an error by it."""
    result = kernel.execute("get_ipython().parent_header['metadata']['cellId']", metadata={"cellId": "the-cell"})
    assert result.result == {"text/plain": "'the-cell'"}
