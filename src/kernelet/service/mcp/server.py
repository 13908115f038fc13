"""The MCP server over an engine: lists the tools, runs them, reports progress, and interrupts what is cancelled.

On the low-level server of the official SDK: the schemas are the specification's, not what is made of a signature.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from pydantic_core import to_jsonable_python

from kernelet import __version__
from kernelet.service.engine import Engine
from kernelet.service.errors import Exists, NotFound, ServiceError
from kernelet.service.execution import Options
from kernelet.service.result import ExecutionResult
from kernelet.service.session import Session
from kernelet.service.snapshots import Snapshots
from kernelet.service.stdlib import Stdlib

from . import tools
from .content import Block, Transcript, image_blocks, json_block, structured
from .repl import Repl, executed, no_session, refused
from .resources import TEMPLATE, Resources

Context: TypeAlias = ServerRequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Choices:
    """How the server presents itself."""

    tools: tools.Choice = "ipython"
    ipython_name: str = "ipython"
    more_arguments: bool = False
    """Whether the ipython tool takes `timeout` and `session_id`."""
    default_session: str | None = None
    """The session of the ipython tool where none is named. None: one for each token, as HTTP needs it."""


class KerneletServer:
    """Handles the requests of all clients of one engine."""

    def __init__(self, engine: Engine, library: Stdlib, snapshots: Snapshots, choices: Choices) -> None:
        self._engine = engine
        self._choices = choices
        self._resources = Resources(engine)
        self._repl = Repl(engine, library, snapshots)
        settings = engine.settings
        ipython = tools.ipython(
            choices.ipython_name,
            more_arguments=choices.more_arguments,
            timeout=settings.timeout_default,
            max_chars=settings.max_output_chars,
        )
        offered = ([] if choices.tools == "repl" else [ipython]) + ([] if choices.tools == "ipython" else tools.repl())
        self._tools: Mapping[str, types.Tool] = {tool.name: tool for tool in offered}

    def server(self) -> Server[Any]:
        """Return the SDK's server, which any transport can run."""
        return Server(
            "kernelet",
            version=__version__,
            title="kernelet",
            instructions="Python that keeps its variables from call to call.",
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_resource_templates,
            on_read_resource=self._read_resource,
        )

    async def _list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return await self._resources.list()

    async def _list_resource_templates(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def _read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await self._resources.read(str(params.uri))

    async def _list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=list(self._tools.values()))

    async def _call_tool(self, ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(
                types.INVALID_PARAMS, f"There is no tool {params.name!r}; there are {', '.join(self._tools)}"
            )
        arguments = dict(params.arguments or {})
        check_arguments(tool, arguments)
        if params.name == self._choices.ipython_name:
            return await self._ipython(ctx, **arguments)
        if params.name == "execute_repl":
            return await self._execute_repl(ctx, **arguments)
        return _answered(await self._repl.call(params.name, arguments), [])

    async def _ipython(
        self,
        ctx: Context,
        code: str,
        restart: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  # the engine's, which knows how to end user code
        session_id: str | None = None,
    ) -> types.CallToolResult:
        name = session_id or self._choices.default_session or session_of_token(ctx)
        try:
            session = await self._obtain(name)
            options = Options(timeout=timeout, restart=restart, surface="mcp")
            transcript, result = await self._run(ctx, session, code, options)
        except ServiceError as error:
            return types.CallToolResult(content=[types.TextContent(type="text", text=str(error))], is_error=True)
        return types.CallToolResult(
            content=list(transcript.blocks(result)),
            structured_content=structured(result),
            is_error=result.status != "ok",
        )

    async def _obtain(self, name: str) -> Session:
        """Return the session; it is made when it is not there."""
        try:
            return await self._engine.obtain(name)
        except NotFound:
            try:
                return await self._engine.create(name)
            except Exists:  # a parallel call was quicker
                return await self._engine.obtain(name)

    async def _execute_repl(
        self,
        ctx: Context,
        session_id: str,
        code: str,
        timeout: float | None = None,  # noqa: ASYNC109  # as above
    ) -> types.CallToolResult:
        limit = self._engine.settings.timeout_repl if timeout is None else timeout
        try:
            session = self._engine.session(session_id)
        except NotFound as error:
            return _answered(no_session(session_id, error), [])
        try:
            _, result = await self._run(ctx, session, code, Options(timeout=limit, surface="mcp"))
        except ServiceError as error:
            return _answered(refused(error), [])
        return _answered(executed(result, limit), image_blocks(result))

    async def _run(
        self, ctx: Context, session: Session, code: str, options: Options
    ) -> tuple[Transcript, ExecutionResult]:
        """Run code to its end, with progress for the client. A cancelled request interrupts the code."""
        interval = self._engine.settings.ping_interval
        execution = session.submit(code, options)
        transcript = Transcript(self._engine.settings.max_output_chars)
        started = reported = time.monotonic()
        try:
            async for event in execution.subscribe().events():
                transcript.add(event)
                # The subscription pings when there is nothing else.
                now = time.monotonic()
                if now - reported >= interval:
                    reported = now
                    await ctx.session.report_progress(now - started, None, transcript.last_line or "running")
            return transcript, await execution.result
        except anyio.get_cancelled_exc_class():
            session.stop(execution, "client")
            raise
        finally:
            session.stop(execution, "disconnect")


def check_arguments(tool: types.Tool, arguments: Mapping[str, Any]) -> None:
    """Check arguments against the tool's schema, which uses little of JSON Schema.

    Raises:
        MCPError: one is missing, unknown or of another type; the message says which.
    """
    properties: dict[str, Any] = tool.input_schema["properties"]
    problems = [f"{name} is missing" for name in tool.input_schema.get("required", []) if name not in arguments]
    for name, value in arguments.items():
        if name not in properties:
            problems.append(f"{name} is unknown")
            continue
        allowed = properties[name].get("anyOf", [properties[name]])
        if not any(_is(value, kind["type"]) for kind in allowed):
            problems.append(f"{name} takes {' or '.join(kind['type'] for kind in allowed)}, not {value!r:.100}")
    if problems:
        raise MCPError(types.INVALID_PARAMS, f"{tool.name}: {'; '.join(problems)}")


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return value is None


def session_of_token(ctx: Context) -> str:
    """Return the default session of whoever holds the token of this request: HTTP has no sessions of its own."""
    headers = getattr(ctx.request, "headers", None)
    token = headers.get("authorization", "") if headers is not None else ""
    return f"mcp-{hashlib.sha256(token.encode()).hexdigest()[:12]}" if token else "default"


def _answered(answer: dict[str, Any], images: list[Block]) -> types.CallToolResult:
    plain = to_jsonable_python(answer)  # times become ISO 8601
    return types.CallToolResult(
        content=[json_block(plain), *images], structured_content=plain, is_error=not answer["success"]
    )
