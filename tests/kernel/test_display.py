"""Rich output: display_data, updates by display_id, clear_output, execute_result, and what JSON cannot say."""

from __future__ import annotations

import base64
import json

import pytest

from frontend import Frontend, RawKernel

IMPORT = "from IPython.display import *\n"


def test_display_data_has_data_metadata_and_transient(kernel: Frontend) -> None:
    (content,) = kernel.execute(IMPORT + "display('shown')").displays
    assert content == {"data": {"text/plain": "'shown'"}, "metadata": {}, "transient": {}}


def test_display_and_prints_keep_their_order(kernel: Frontend) -> None:
    result = kernel.execute(IMPORT + "print('a')\ndisplay(1)\nprint('b')\ndisplay(2)\n3")
    assert result.types[2:-1] == ["stream", "display_data", "stream", "display_data", "execute_result"]


def test_display_id_comes_with_the_display_and_its_updates(kernel: Frontend) -> None:
    result = kernel.execute(IMPORT + "handle = display('first', display_id='d1')\nhandle.update('second')")
    first, second = result.displays
    assert result.types[2:-1] == ["display_data", "update_display_data"]
    assert first["transient"] == second["transient"] == {"display_id": "d1"}
    assert second["data"] == {"text/plain": "'second'"}


def test_an_update_from_a_later_cell_has_that_cell_as_parent(kernel: Frontend) -> None:
    kernel.execute(IMPORT + "handle = display('first', display_id=True)")
    result = kernel.execute("handle.update('later')")
    assert result.types == ["busy", "execute_input", "update_display_data", "idle"]
    assert result.displays[0]["transient"]["display_id"]
    result = kernel.execute("update_display('latest', display_id=handle.display_id)")
    assert result.displays[0]["data"] == {"text/plain": "'latest'"}


@pytest.mark.parametrize("wait", [False, True])
def test_clear_output_says_wait_and_nothing_else(kernel: Frontend, wait: bool) -> None:
    result = kernel.execute(IMPORT + f"print('old')\nclear_output(wait={wait})\nprint('new')")
    assert result.of_type("clear_output") == [{"wait": wait}]
    assert result.types[2:-1] == ["stream", "clear_output", "stream"]


def test_a_trailing_semicolon_hides_the_result(kernel: Frontend) -> None:
    assert kernel.execute("1 + 1;").types == ["busy", "execute_input", "idle"]


def test_rich_reprs_of_a_result(kernel: Frontend) -> None:
    code = """
class Rich:
    def __repr__(self): return "plain"
    def _repr_html_(self): return "<b>html</b>"
    def _repr_markdown_(self): return "**md**"
    def _repr_latex_(self): return "$x$"
    def _repr_svg_(self): return "<svg/>"
    def _repr_json_(self): return {"a": [1, None, True]}
    def _repr_png_(self): return b"\\x89PNG\\r\\n\\x1a\\n"
Rich()
"""
    result = kernel.execute(code).result
    png = result.pop("image/png")
    assert base64.b64decode(png) == b"\x89PNG\r\n\x1a\n"
    assert result == {
        "text/plain": "plain",
        "text/html": "<b>html</b>",
        "text/markdown": "**md**",
        "text/latex": "$x$",
        "image/svg+xml": "<svg/>",
        "application/json": {"a": [1, None, True]},
    }


def test_a_mimebundle_with_metadata(kernel: Frontend) -> None:
    code = """
class Bundle:
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": "p", "application/x-own": {"k": "v"}}, {"application/x-own": {"m": 1}}
Bundle()
"""
    (content,) = kernel.execute(code).of_type("execute_result")
    assert content["data"] == {"text/plain": "p", "application/x-own": {"k": "v"}}
    assert content["metadata"] == {"application/x-own": {"m": 1}}


def test_raw_display_with_metadata(kernel: Frontend) -> None:
    (content,) = kernel.execute(
        IMPORT + "display({'text/html': '<i>h</i>'}, metadata={'text/html': {'isolated': True}}, raw=True)"
    ).displays
    assert content["data"] == {"text/html": "<i>h</i>"}
    assert content["metadata"] == {"text/html": {"isolated": True}}


def test_an_image_is_base64_text(kernel: Frontend) -> None:
    (content,) = kernel.execute(IMPORT + "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n0000', format='png'))").displays
    assert base64.b64decode(content["data"]["image/png"]) == b"\x89PNG\r\n\x1a\n0000"


def test_bytes_in_a_raw_bundle_arrive_as_base64(kernel: Frontend) -> None:
    (content,) = kernel.execute(IMPORT + "display({'image/png': b'\\xff\\x00'}, raw=True)").displays
    assert base64.b64decode(content["data"]["image/png"]) == b"\xff\x00"


def test_what_json_cannot_say_is_an_error_in_the_users_cell(kernel: Frontend) -> None:
    result = kernel.execute(IMPORT + "display({'application/json': {'a': object()}}, raw=True)\nprint('not reached')")
    assert result.status == "error"
    assert result.ename in ("TypeError", "ValueError")
    assert result.stdout == ""
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


def test_an_unserialisable_result_is_an_error_in_the_users_cell(kernel: Frontend) -> None:
    code = "class Odd:\n    def _repr_mimebundle_(self, **kw):\n        return {'application/json': {1, 2}}\nOdd()"
    result = kernel.execute(code)
    assert result.ename in ("TypeError", "ValueError", None)
    assert result.types[-1] == "idle"
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}


def test_a_bundle_changed_after_display_arrives_as_it_was(kernel: Frontend) -> None:
    code = "data = {'a': [1]}\ndisplay({'application/json': data}, raw=True)\ndata['a'].append(2)"
    (content,) = kernel.execute(IMPORT + code).displays
    assert content["data"] == {"application/json": {"a": [1]}}


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "[float('-inf')]", "{'x': float('nan')}"])
def test_nan_does_not_break_the_wire(kernel: Frontend, value: str) -> None:
    result = kernel.execute(IMPORT + f"display({{'application/json': {value}, 'text/plain': 'p'}}, raw=True)\n'after'")
    assert result.status == "ok"
    assert result.result == {"text/plain": "'after'"}
    assert result.displays[0]["data"]["text/plain"] == "p"


def test_what_leaves_the_kernel_is_json_that_a_browser_can_read() -> None:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    with RawKernel() as raw:
        client = raw.client().ready()
        request = client.execute(
            IMPORT + "display({'application/json': [float('nan'), float('inf')]}, raw=True)\nprint('\\ud800 lone')"
        )
        client.reply(request)
        for message in client.until_idle(request):
            for part in message["raw"]:
                json.loads(part.decode("utf-8"), parse_constant=refuse)


def test_dates_and_numpy_scalars_in_json(kernel: Frontend) -> None:
    code = """
import datetime
when = datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc)
display({'application/json': {'when': when}}, raw=True)
"""
    (content,) = kernel.execute(IMPORT + code).displays
    assert str(content["data"]["application/json"]["when"]).startswith("2024-01-02")


def test_capture_keeps_displays_from_iopub_and_shows_them_later(kernel: Frontend) -> None:
    captured = kernel.execute("%%capture cap\nfrom IPython.display import display\nprint('p'); display('d')\n'r'")
    assert captured.types == ["busy", "execute_input", "idle"]
    shown = kernel.execute("cap.show()")
    assert shown.stdout == "p\n"
    assert {"text/plain": "'d'"} in [content["data"] for content in shown.displays]


def test_display_works_while_a_cell_awaits(kernel: Frontend) -> None:
    code = "import asyncio\nfor n in range(3):\n    display(n)\n    await asyncio.sleep(0)"
    assert [content["data"]["text/plain"] for content in kernel.execute(IMPORT + code).displays] == ["0", "1", "2"]


def test_a_display_hook_may_swallow_the_message(kernel: Frontend) -> None:
    kernel.execute(
        "seen = []\n"
        "def hook(msg):\n"
        "    if msg['msg_type'] == 'display_data' and 'x-swallow/me' in msg['content']['data']:\n"
        "        seen.append(msg['content']['data'])\n"
        "        return None\n"
        "    return msg\n"
        "get_ipython().display_pub.register_hook(hook)"
    )
    result = kernel.execute(IMPORT + "display({'x-swallow/me': 'a'}, raw=True)\ndisplay('kept')\nseen")
    assert [content["data"] for content in result.displays] == [{"text/plain": "'kept'"}]
    assert result.result == {"text/plain": "[{'x-swallow/me': 'a'}]"}
    kernel.execute("get_ipython().display_pub.unregister_hook(hook)")


def test_a_large_display_arrives_whole(kernel: Frontend) -> None:
    (content,) = kernel.execute(IMPORT + "display({'text/html': 'x' * 20_000_000}, raw=True)").displays
    assert content["data"]["text/html"] == "x" * 20_000_000


# -- a repr that fails

FAILING = {
    "__repr__": "def __repr__(self): raise ZeroDivisionError('repr')",
    "_repr_html_": "def _repr_html_(self): raise ZeroDivisionError('html')",
    "_repr_mimebundle_": "def _repr_mimebundle_(self, **kw): raise ZeroDivisionError('bundle')",
    "_ipython_display_": "def _ipython_display_(self): raise ZeroDivisionError('display')",
}


@pytest.mark.better_than_ipykernel("the reply's ename is NoneType")
@pytest.mark.parametrize("method", FAILING)
def test_a_result_whose_repr_fails_is_an_error_with_its_own_name(kernel: Frontend, method: str) -> None:
    result = kernel.execute(f"class Broken:\n    {FAILING[method]}\nBroken()")
    assert result.ename == "ZeroDivisionError"
    assert result.error is not None
    for name in ("ename", "evalue", "traceback"):
        assert result.content[name] == result.error[name]
    assert result.status == result.reply["metadata"]["status"] == "error"


@pytest.mark.better_than_ipykernel("the reply's ename is NoneType")
def test_what_can_be_shown_of_a_result_is_shown_beside_the_error(kernel: Frontend) -> None:
    code = (
        "class Half:\n    def __repr__(self): return 'plain'\n    def _repr_html_(self): raise KeyError('html')\nHalf()"
    )
    result = kernel.execute(code)
    assert result.result == {"text/plain": "plain"}
    assert (result.ename, result.content["ename"]) == ("KeyError", "KeyError")


@pytest.mark.better_than_ipykernel("the reply's ename is NoneType")
def test_a_repr_that_returns_no_text(kernel: Frontend) -> None:
    result = kernel.execute("class Seven:\n    def __repr__(self): return 7\nSeven()")
    assert (result.ename, result.content["ename"]) == ("TypeError", "TypeError")


def test_a_display_whose_repr_fails_is_shown_and_the_cell_goes_on(kernel: Frontend) -> None:
    code = "class Broken:\n    def __repr__(self): raise KeyError('repr')\ndisplay(Broken())\nprint('went on')"
    result = kernel.execute(IMPORT + code)
    assert (result.ename, result.stdout, result.status) == ("KeyError", "went on\n", "ok")


def test_a_failed_repr_does_not_fail_the_next_cell(kernel: Frontend) -> None:
    kernel.execute("class Broken:\n    def __repr__(self): raise KeyError('repr')\nBroken()")
    assert kernel.execute("'fine'").status == "ok"


# -- what JSON has no word for

ODD_VALUES = [
    ("float('nan')", "nan"),
    ("[float('inf'), float('-inf')]", ["inf", "-inf"]),
    ("np.float64('nan')", "nan"),
    ("np.float32(1.5)", 1.5),
    ("np.int64(7)", 7),
    ("np.bool_(True)", True),
    ("np.array([[1, 2], [3, 4]])", [[1, 2], [3, 4]]),
    ("np.array([1.0, np.nan])", [1.0, "nan"]),
    ("np.datetime64('2024-01-02T03:04:05')", "2024-01-02T03:04:05"),
    ("{np.int64(1): np.str_('a')}", {"1": "a"}),
    ("{(1, 2): 'tuple', None: 'none', 1.5: 'float', True: 'true'}", None),
    ("datetime.date(2024, 1, 2)", "2024-01-02"),
    ("{datetime.date(2024, 1, 2): 1}", {"2024-01-02": 1}),
    ("datetime.timedelta(seconds=90)", "0:01:30"),
    ("b'\\x00\\xff'", "AP8="),
    ("bytearray(b'ab')", "YWI="),
    ("memoryview(b'ab')", "YWI="),
    ("{'set', }", ["set"]),
    ("(n for n in range(3))", [0, 1, 2]),
    ("decimal.Decimal('1.5')", 1.5),
    ("fractions.Fraction(1, 4)", 0.25),
    ("pathlib.PurePosixPath('/a/b')", "/a/b"),
    ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"),
    ("complex(1, 2)", "(1+2j)"),
    ("Colour.RED", "red"),
    ("2 ** 100", 2**100),
]


@pytest.mark.better_than_ipykernel("refuses some of these")
@pytest.mark.parametrize(("value", "arrives"), ODD_VALUES, ids=[value for value, _ in ODD_VALUES])
def test_values_that_json_has_no_word_for(kernel: Frontend, value: str, arrives: object) -> None:
    code = f"""
import datetime, decimal, enum, fractions, pathlib, uuid
import numpy as np
class Colour(enum.Enum):
    RED = "red"
display({{'application/json': {value}, 'text/plain': 'p'}}, raw=True)
"""
    (content,) = kernel.execute(IMPORT + code).displays
    assert content["data"]["text/plain"] == "p"
    if arrives is None:
        arrives = {"(1, 2)": "tuple", "null": "none", "1.5": "float", "true": "true"}
    assert content["data"]["application/json"] == arrives


def test_a_value_that_contains_itself_is_an_error_in_the_cell(kernel: Frontend) -> None:
    result = kernel.execute(IMPORT + "data = {}\ndata['self'] = data\ndisplay({'application/json': data}, raw=True)")
    assert result.status == "error"
    assert kernel.execute("1 + 1").result == {"text/plain": "2"}
