"""What inspect tells, beside what test_completion.py asks: HTML only where it is wanted."""

from __future__ import annotations

from frontend import Frontend

ASK = {"code": "shown", "cursor_pos": 5, "detail_level": 1}


def test_code_is_highlighted_as_html_only_where_html_is_wanted(fresh_kernel: Frontend) -> None:
    kernel = fresh_kernel
    kernel.execute("def shown(a, b=2):\n    '''Documented.'''\n    return 'the body'")
    plain = kernel.request("inspect_request", ASK).content["data"]
    assert set(plain) == {"text/plain"}
    assert "the body" in plain["text/plain"]
    assert "\x1b[" in plain["text/plain"]  # in colours, as ipykernel has it
    assert kernel.execute("import sys; 'pygments.lexers.python' in sys.modules").result == {"text/plain": "False"}
    kernel.execute("import warnings; warnings.simplefilter('ignore'); get_ipython().enable_html_pager = True")
    both = kernel.request("inspect_request", ASK).content["data"]
    assert both["text/plain"] == plain["text/plain"]
    assert "<span" in both["text/html"]
