"""What outlives a session: snapshots of its variables, and the standard library that new ones start with."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from kernelet.service.errors import BadRequest
from kernelet.service.http.dependencies import Id
from kernelet.service.http.models import SessionId
from kernelet.service.http.problems import responses
from kernelet.service.snapshots import Snapshots
from kernelet.service.stdlib import Stdlib, StdlibError

router = APIRouter(prefix="/v1", tags=["kept"])


class SaveRequest(BaseModel):
    """Under which name."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=255, examples=["calc.pkl"])


class LoadRequest(SaveRequest):
    """Which snapshot, and the id of the session to make of it."""

    session_id: SessionId


class Skipped(BaseModel):
    """A variable that could not be saved or loaded, and why."""

    name: str
    type: str
    reason: str


class Saved(BaseModel):
    """What is in the snapshot, and what is not."""

    success: bool = True
    path: str
    size_bytes: int
    saved: list[str]
    skipped: list[Skipped]


class Loaded(BaseModel):
    """What the new session has, and what could not be loaded."""

    success: bool = True
    session_id: str
    variable_count: int
    variables: list[str]
    skipped: list[Skipped]


class AddRequest(BaseModel):
    """Definitions of functions, as text."""

    model_config = ConfigDict(extra="forbid")

    function_code: str = Field(max_length=1_000_000, examples=["def double(n):\n    return 2 * n"])


class Added(BaseModel):
    """What was added."""

    success: bool = True
    message: str
    names: list[str]


class Library(BaseModel):
    """What the standard library has, by kind."""

    success: bool = True
    functions: list[str]
    modules: list[str]
    other: list[str]
    count: int


async def _snapshots(connection: HTTPConnection) -> Snapshots:
    found: Snapshots = connection.app.state.snapshots
    return found


async def _library(connection: HTTPConnection) -> Stdlib:
    found: Stdlib = connection.app.state.library
    return found


SnapshotsNow = Annotated[Snapshots, Depends(_snapshots)]
LibraryNow = Annotated[Stdlib, Depends(_library)]


@router.post("/sessions/{session_id}/save", tags=["sessions"], responses=responses(404, 409, 429, 501, 503))
async def save(session_id: Id, body: SaveRequest, snapshots: SnapshotsNow) -> Saved:
    """Save the variables under a name. What cannot be saved is named, the rest is there."""
    return Saved(**await snapshots.save(session_id, body.name))


@router.post("/sessions/load", status_code=201, tags=["sessions"], responses=responses(404, 409, 429, 501, 503))
async def load(body: LoadRequest, snapshots: SnapshotsNow) -> Loaded:
    """Make a session of a snapshot."""
    return Loaded(**await snapshots.load(body.session_id, body.name))


@router.get("/stdlib", responses=responses(409, 429, 503))
async def stdlib(library: LibraryNow) -> Library:
    """List the standard library."""
    try:
        found: dict[str, Any] = dict(await library.listing())
    except StdlibError as error:
        raise BadRequest(str(error)) from error
    return Library(**found)


@router.post("/stdlib", status_code=201, responses=responses(409, 429, 503))
async def add_to_stdlib(body: AddRequest, library: LibraryNow) -> Added:
    """Add functions to the standard library of new sessions, in place of those with the same names."""
    try:
        names = await library.add(body.function_code)
    except StdlibError as error:
        raise BadRequest(str(error)) from error
    return Added(message=f"Added to the standard library: {', '.join(names) or 'no function'}", names=names)
