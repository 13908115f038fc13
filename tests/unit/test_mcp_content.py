"""What the tools answer and how they present themselves."""

from __future__ import annotations

import json

import needs

needs.need_module("mcp")

import mcp_types as types  # noqa: E402

from kernelet.service.mcp import tools  # noqa: E402
from kernelet.service.mcp.content import Block, Transcript, structured  # noqa: E402
from kernelet.service.result import (  # noqa: E402
    Error,
    Event,
    ExecutionResult,
    Notice,
    Output,
    OutputFile,
    Raised,
    Rich,
    Text,
)

PNG = {"image/png": "aGVs\nbG8=\n", "text/plain": "<Figure>"}


def blocks(*events: Event, max_chars: int = 1000, **fields: object) -> list[Block]:
    transcript = Transcript(max_chars)
    for event in events:
        transcript.add(event)
    return transcript.blocks(ExecutionResult(execution_id="e", session_id="s", **fields))  # type: ignore[arg-type]


def texts(found: list[Block]) -> list[str]:
    return [block.text if isinstance(block, types.TextContent) else block.mime_type for block in found]


def test_text_and_images_stay_in_order() -> None:
    found = blocks(
        Text(type="stdout", text="before"),
        Text(type="stderr", text=" warned\n"),
        Rich(type="display", data=PNG),
        Text(type="stdout", text="after\n"),
        Rich(type="result", data={"text/plain": "42"}),
    )
    assert texts(found) == ["before warned\n", "image/png", "after\n", "42\n"]
    assert isinstance(found[1], types.ImageContent)
    assert found[1].data == "aGVsbG8="


def test_text_over_the_budget_is_cut_once_and_images_stay() -> None:
    found = blocks(
        *(Text(type="stdout", text="x" * 30) for _ in range(10)), Rich(type="display", data=PNG), max_chars=100,
        full_output=".exec/e.stdout",
    )  # fmt: skip
    assert texts(found) == [
        "x" * 70 + "\n... [200 of 300 chars omitted; full text: .exec/e.stdout] ...\n" + "x" * 30,
        "image/png",
    ]


def test_a_progress_bar_is_its_last_state() -> None:
    assert texts(blocks(*(Text(type="stderr", text=f"\r{n}%") for n in range(99)))) == ["98%"]


def test_a_traceback_has_no_colours_and_comes_once() -> None:
    error = {"name": "ValueError", "value": "no", "traceback": ["\x1b[31mTraceback\x1b[0m", "ValueError: no"]}
    assert texts(blocks(Raised(**error), error=Error(**error), status="error")) == ["Traceback\nValueError: no"]  # type: ignore[arg-type]
    assert texts(blocks(error=Error(name="KeyError", value="1"), status="error")) == ["KeyError: 1"]


def test_what_a_reader_must_know_comes_last() -> None:
    files = [OutputFile(path="plot.png", size=3, mime="image/png")]
    assert texts(blocks(Notice(text="slow"), notice="Variables are kept.", files=files)) == [
        "\n[slow]\n",
        "Variables are kept.\nFiles written: plot.png (3 bytes)",
    ]


def test_an_answer_is_never_empty() -> None:
    assert texts(blocks()) == ["(no output)"]


def test_a_bundle_is_read_as_its_most_readable_text() -> None:
    found = blocks(
        Rich(type="result", data={"text/html": "<b>x</b>", "text/plain": "x\n"}),
        Rich(type="display", data={"text/html": "<b>x</b>"}),
        Rich(type="display", data={"application/json": {"a": 1}}),
        Rich(type="display", data={"image/svg+xml": "<svg/>", "text/markdown": "*m*"}),
        Rich(type="display", data={}),
    )
    assert texts(found) == ["x\n", "<b>x</b>", 'application/json: {"a": 1}', "*m*\n", ""]


def test_the_last_line_said_is_known_while_it_runs() -> None:
    transcript = Transcript(10)
    transcript.add(Text(type="stdout", text="epoch 1\nepoch \x1b[1m2\x1b[0m\n\n"))
    assert transcript.last_line == "epoch 2"


def test_structured_content_has_no_image_data() -> None:
    result = ExecutionResult(execution_id="e", session_id="s", results=[Output(type="display", data=PNG)])
    answer = structured(result)
    assert answer["results"][0]["data"] == {"image/png": "<7 bytes>", "text/plain": "<Figure>"}
    assert "error" not in answer
    assert json.dumps(answer)
    assert result.results[0].data == PNG


def test_the_ipython_tool_has_exactly_the_schema_of_its_specification() -> None:
    tool = tools.ipython("mshtools-ipython", more_arguments=False, timeout=30, max_chars=10000)
    assert tool.name == "mshtools-ipython"
    assert tool.input_schema == {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "Python code to run in the IPython environment"},
            "restart": {
                "type": "boolean",
                "default": False,
                "description": "Whether to restart the IPython environment (resets all variables and imports)",
            },
        },
        "required": ["code"],
    }
    more = tools.ipython("ipython", more_arguments=True, timeout=30, max_chars=10000).input_schema
    assert sorted(more["properties"]) == ["code", "restart", "session_id", "timeout"]
    assert more["required"] == ["code"]


def test_the_ten_repl_tools_have_the_signatures_of_their_specification() -> None:
    found = {
        tool.name: (sorted(tool.input_schema["properties"]), tool.input_schema.get("required", []))
        for tool in tools.repl()
    }
    assert found == {
        "create_repl_session": (["include_stdlib", "session_id"], []),
        "execute_repl": (["code", "session_id", "timeout"], ["session_id", "code"]),
        "list_repl_sessions": ([], []),
        "get_session_namespace": (["session_id", "variable_name"], ["session_id"]),
        "destroy_repl_session": (["session_id"], ["session_id"]),
        "clear_repl_session": (["session_id"], ["session_id"]),
        "save_repl_session": (["filepath", "session_id"], ["session_id", "filepath"]),
        "load_repl_session": (["filepath", "session_id"], ["session_id", "filepath"]),
        "add_to_stdlib": (["function_code"], ["function_code"]),
        "list_stdlib_functions": ([], []),
    }


def test_only_tools_that_look_say_that_they_only_look() -> None:
    looks = {tool.name for tool in tools.repl() if tool.annotations and tool.annotations.read_only_hint}
    assert looks == {"list_repl_sessions", "get_session_namespace", "list_stdlib_functions"}
