"""What went wrong, as HTTP answers: one JSON shape, `{"detail": …}`, for every refusal."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from kernelet.service import files
from kernelet.service.errors import ServiceError
from kernelet.service.http.models import Problem
from kernelet.service.inside.expression import InsideError


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of the refusals that an endpoint knows, beside those that all have."""
    described = {
        400: "The host is not served.",
        401: "No token, or a wrong one.",
        403: "The origin or the path is not allowed.",
        404: "There is no such session, kernel or file.",
        409: "The id is taken, or the session is in no state for this.",
        413: "Too large.",
        415: "Not JSON.",
        422: "The request has another shape, or a value that means nothing.",
        429: "A cap is reached; see Retry-After.",
        500: "An error in the service.",
        501: "This backend cannot do it.",
        503: "No kernel can be had at the moment; see Retry-After.",
    }
    chosen = {400, 401, 403, 422, *statuses}
    return {status: {"model": Problem, "description": described[status]} for status in sorted(chosen)}


def problem(status: int, detail: str, retry_after: float | None = None) -> JSONResponse:
    """Return a refusal."""
    headers = {"Retry-After": str(math.ceil(retry_after))} if retry_after is not None else None
    return JSONResponse({"detail": detail}, status, headers=headers)


def install(app: FastAPI) -> None:
    """Have the application answer our exceptions."""

    @app.exception_handler(ServiceError)
    async def refused(request: Request, error: ServiceError) -> JSONResponse:
        return problem(error.status, str(error), error.retry_after)

    @app.exception_handler(RequestValidationError)
    async def misshapen(request: Request, error: RequestValidationError) -> JSONResponse:
        # What was sent is not sent back: it may be a megabyte of code.
        return problem(422, "; ".join(dict.fromkeys(_sentence(one, request) for one in error.errors())))

    @app.exception_handler(InsideError)
    async def failed_inside(request: Request, error: InsideError) -> JSONResponse:
        return problem(409, f"The interpreter could not do it: {error.name}: {error}")

    @app.exception_handler(files.FileError)
    async def bad_file(request: Request, error: files.FileError) -> JSONResponse:
        match error:
            case files.EscapeError():
                status = 403
            case files.AbsentError():
                status = 404
            case _:
                status = 409
        return problem(status, str(error))


def _sentence(problem: dict[str, Any], request: Request) -> str:
    """Return one complaint of the validation as `where: what`."""
    place, message = list(problem["loc"]), str(problem["msg"])
    if problem["type"] == "json_invalid":
        return f"The body is no JSON: {problem['ctx']['error']} at character {place[-1]}."
    if place == ["body"]:
        kind = request.headers.get("content-type", "none")
        if "json" not in kind:
            return f"The body must be JSON, with the header `Content-Type: application/json` (it was {kind:.80})."
        return "The body must be a JSON object."
    where = ".".join(str(part) for part in place[1:] or place)
    return f"{where}: {message}"
