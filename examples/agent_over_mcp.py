"""An agent loop over MCP: a model asks for a tool, the tool's answer goes back to the model, until the model is done.

    python examples/agent_over_mcp.py

The tool is `ipython` of `kernelet mcp`, a process of our own over stdio. The model here is a script with one mistake
in it, so that the loop runs without an account anywhere: it reads the traceback and tries again. A real one goes in its
place: it gets the question, the tools and the answers so far, and returns either a call or its last words.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import mcp_types as types
from mcp import Client, StdioServerParameters

MAX_STEPS = 10


@dataclass(frozen=True)
class Call:
    """What a model wants to be run."""

    tool: str
    arguments: dict[str, object]


class Model(Protocol):
    """Anything that decides what to do next."""

    def decide(self, question: str, tools: Sequence[types.Tool], answers: Sequence[types.CallToolResult]) -> Call | str:
        """Return the next call, or the final answer."""


class ScriptedModel:
    """Decides as a model would that looks at the last answer: on an error it corrects its code."""

    def decide(self, question: str, tools: Sequence[types.Tool], answers: Sequence[types.CallToolResult]) -> Call | str:
        if not answers:
            return self._run("temperatures = [12.5, 14.0, 'n/a', 19.5]\nmean = sum(temperatures) / len(temperatures)")
        last = answers[-1]
        if last.is_error and "TypeError" in text_of(last):
            # The variables of the failed call are still there: only the rest is done again.
            return self._run("known = [t for t in temperatures if not isinstance(t, str)]\nsum(known) / len(known)")
        if last.is_error:
            return f"I could not find out: {text_of(last)}"
        return f"The mean temperature is {float(text_of(last)):.2f} degrees."

    def _run(self, code: str) -> Call:
        return Call("ipython", {"code": code})


def text_of(answer: types.CallToolResult) -> str:
    return "".join(part.text for part in answer.content if isinstance(part, types.TextContent))


async def agent(model: Model, question: str) -> str:
    """Answer the question with the tools of a server that lives as long as this."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "kernelet", "mcp"])
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        answers: list[types.CallToolResult] = []
        for _ in range(MAX_STEPS):
            decision = model.decide(question, tools, answers)
            if isinstance(decision, str):
                return decision
            print(f">>> {decision.arguments['code']}")
            answers.append(await client.call_tool(decision.tool, decision.arguments))
            print(text_of(answers[-1]))
    return f"No answer after {MAX_STEPS} steps."


if __name__ == "__main__":
    print(asyncio.run(agent(ScriptedModel(), "What is the mean temperature?")))
