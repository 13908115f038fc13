"""A call of a function of this package, as one expression that any Python kernel evaluates, and the answer to it.

It goes as a user_expression of a silent execute_request: nothing enters the user's namespace, no counter moves, and a
kernel behind a proxy that has never heard of kernelet can do it too. Runs in the service; pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, Final

NAME: Final = "kernelet"
"""The name of the expression in the request and in the reply."""

_MIME: Final = "application/vnd.kernelet.inside+json"

_ANSWER: Final = f"""
class _Answer:
    def __init__(self, value):
        self.value = value

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {{"{_MIME}": self.value, "text/plain": ""}}
"""


class InsideError(Exception):
    """What went wrong in the kernel: `name` is the type of the exception there, the message its text."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@cache
def _source(module: ModuleType) -> str:
    return inspect.getsource(module) + _ANSWER


def expression(function: Callable[..., Any], /, **arguments: object) -> str:
    """Return the expression that calls `function`, which takes the shell first, with `arguments` (literals)."""
    module = inspect.getmodule(function)
    assert module is not None
    return (
        f"(lambda n: (exec(compile({_source(module)!r}, '<{module.__name__}>', 'exec'), n), "
        f"n['_Answer'](n[{function.__name__!r}](__import__('IPython').get_ipython(), **{arguments!r})))[1])"
        f"({{'__name__': {module.__name__!r}}})"
    )


def request_content(function: Callable[..., Any], /, **arguments: object) -> dict[str, Any]:
    """Return the content of the execute_request that makes the call."""
    return {
        "code": "",
        "silent": True,
        "store_history": False,
        "user_expressions": {NAME: expression(function, **arguments)},
        "allow_stdin": False,
        "stop_on_error": False,
    }


def answer(reply_content: Mapping[str, Any]) -> Any:
    """Return what the function returned, out of the content of the execute_reply.

    Raises:
        InsideError: it raised something, was interrupted, or the kernel never ran it.
    """
    result = reply_content.get("user_expressions", {}).get(NAME, reply_content)
    if result.get("status") != "ok":
        raise InsideError(str(result.get("ename", "aborted")), str(result.get("evalue", "the kernel did not run it")))
    try:
        return result["data"][_MIME]
    except KeyError:
        raise InsideError("KeyError", "the kernel's display formatter leaves nothing of the answer") from None
