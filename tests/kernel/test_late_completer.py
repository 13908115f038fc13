"""The completer is made when somebody asks for it; nobody can tell that it was not there before."""

from __future__ import annotations

import pytest

from frontend import Frontend


@pytest.mark.better_than_ipykernel("it makes the completer at the start")
def test_a_cell_needs_no_completer(fresh_kernel: Frontend) -> None:
    made = fresh_kernel.execute("import sys; 'IPython.core.completer' in sys.modules")
    assert made.result == {"text/plain": "False"}
    assert fresh_kernel.request("complete_request", {"code": "zi", "cursor_pos": 2}).content["matches"] == ["zip"]


def test_config_shows_and_sets_the_completer(fresh_kernel: Frontend) -> None:
    assert "IPCompleter" in fresh_kernel.execute("%config").stdout
    fresh_kernel.execute("%config IPCompleter.omit__names = 0")
    reply = fresh_kernel.request("complete_request", {"code": "''.__len", "cursor_pos": 8})
    assert reply.content["status"] == "ok"
    assert fresh_kernel.execute("get_ipython().Completer.omit__names").result == {"text/plain": "0"}


def test_a_hook_that_is_set_before_anybody_completed_comes_behind_ipythons(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute(
        "get_ipython().set_hook('complete_command', lambda shell, event: ['json_of_mine'], str_key='import')\n"
        "get_ipython().set_hook('complete_command', lambda shell, event: ['fresh_one'], str_key='begin')"
    )
    matches = fresh_kernel.request("complete_request", {"code": "import js", "cursor_pos": 9}).content["matches"]
    assert "json" in matches
    assert "json_of_mine" not in matches
    assert fresh_kernel.request("complete_request", {"code": "begin fr", "cursor_pos": 8}).content["matches"] == [
        "fresh_one"
    ]


def test_a_completer_of_the_users_takes_its_place(fresh_kernel: Frontend) -> None:
    fresh_kernel.execute(
        "def own(completer, text):\n    return ['owned'] if text.startswith('ow') else []\n"
        "get_ipython().set_custom_completer(own)"
    )
    assert "owned" in fresh_kernel.request("complete_request", {"code": "ow", "cursor_pos": 2}).content["matches"]
