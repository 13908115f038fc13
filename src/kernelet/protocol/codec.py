"""Frames <-> messages: JSON with its corner cases, HMAC signatures, and the guard against replays.

Runs in any thread: the wire decodes, lanes encode. Owns the key, the session id and the counter of message ids.
Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
"""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from .message import PROTOCOL_VERSION, Buffer, Channel, Content, Message
from .quoting import put_back, set_aside
from .signing import Signer

DELIMITER = b"<IDS|MSG>"
# Requests remembered against replay; the oldest tenth is forgotten when it is full.
REPLAY_LIMIT = 65536
# User code may send messages of types that it makes up.
_HEADS_AT_MOST = 100
# Messages that go with every cell and hardly ever have a long text: looking for one costs more than it would save.
_SHORT = frozenset({"execute_input", "execute_reply"})
_REQUIRED = ("msg_id", "msg_type", "session")


class MalformedMessage(ValueError):
    """Frames that are not a message of ours: the text says what is wrong. They are dropped and logged."""


def json_default(value: Any) -> Any:
    """Return a JSON-able stand-in for `value`.

    Bytes become base64 text, dates ISO-8601, numbers of foreign types (numpy) their Python value, arrays and other
    iterables lists, an enum's member its value, durations, UUIDs and complex numbers what str() says of them. Raises
    TypeError for anything else, in the thread of the code that sends it.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    kind = type(value)
    if hasattr(kind, "__members__"):
        return value.value
    if kind is complex or (kind.__module__ in _SAYS_ITSELF and not hasattr(value, "isoformat")):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__index__"):
        return value.__index__()
    if hasattr(value, "__float__"):
        return float(value)
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    if isinstance(value, Iterable):
        return list(value)
    try:
        shown = f"{value!r:.60}"
    except Exception:  # noqa: BLE001  # its __repr__ is the user's
        shown = "object"
    raise TypeError(f"{type(value).__name__} {shown} is not JSON serializable")


def _default(value: Any) -> Any:
    """Return what the encoder puts in the place of `value`. Raises ValueError for what can be drawn only once.

    A second try, where there is a NaN as well, would find it empty: such a value is drawn in `_clean`, and there alone.
    """
    if isinstance(value, Iterator):
        raise ValueError("an iterator")
    return json_default(value)


# Modules whose values str() writes as others read them.
_SAYS_ITSELF = frozenset({"datetime", "uuid", "ipaddress"})
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default).encode


def _quick_encoder() -> Callable[[Any], str]:
    """Return what `_encode` is, made once for all values rather than once for each; less what tells of a circle.

    It is json's own encoder in C, by a private name: where that is missing, or another, `_encode` does.
    """
    try:
        make, quoted = json.encoder.c_make_encoder, json.encoder.encode_basestring  # type: ignore[attr-defined]  # private
        chunks = make(None, _default, quoted, None, ":", ",", False, False, False)
        if "".join(chunks({"\xe9": [1, 2.5, None]}, 0)) == '{"\xe9":[1,2.5,null]}':
            return lambda value: "".join(chunks(value, 0))
    except (AttributeError, TypeError):
        pass
    return _encode


_encode_quickly = _quick_encoder()
# What json.loads does to compact text in UTF-8, which is what clients send; the rest of it guesses encodings.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # not in typeshed


def clean_text(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone surrogates as U+FFFD.

    JSON can carry a lone surrogate, but strict readers (Rust, files written as UTF-8) then lose the whole message.
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _clean(value: Any) -> Any:
    """Return `value` with what JSON cannot say (NaN, infinities, lone surrogates) replaced, recursively."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(float(value))
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {_key(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return _clean(json_default(value))


def _key(key: Any) -> Any:
    """Return a dict's key as one that JSON can have. Raises TypeError."""
    if key is None or isinstance(key, str | int | float):
        return _clean(key)
    stand_in = str(key) if isinstance(key, tuple) else json_default(key)
    return stand_in if isinstance(stand_in, str | int | float) else str(key)


def dumps(value: Any) -> bytes:
    """Return `value` as UTF-8 JSON.

    Raises TypeError when something in it has no JSON form, ValueError when it contains itself.
    """
    if type(value) is not dict:
        return _dumps_short(value)
    texts: list[bytes] = []
    try:
        raw = _encode_quickly(set_aside(value, texts)).encode()
        return put_back(raw, texts) if texts else raw
    except (ValueError, TypeError, RecursionError):  # as below
        return _dumps_thoroughly(value)


def _dumps_short(value: Any) -> bytes:
    """Return what `dumps` does, for values that are not worth looking for long texts in them."""
    try:
        return _encode_quickly(value).encode()
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # NaN, a lone surrogate (UnicodeEncodeError), a circle, a key or value
        return _dumps_thoroughly(value)


def _dumps_thoroughly(value: Any) -> bytes:
    try:
        return _encode(value).encode()
    except (ValueError, TypeError) as error:
        try:
            return _encode(_clean(value)).encode()
        except RecursionError:
            raise error from None


def loads(raw: bytes) -> Any:
    """Return the value of JSON text. Raises MalformedMessage."""
    if raw == b"{}":
        return {}
    try:
        text = raw.decode()
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (ValueError, StopIteration, RecursionError):  # white space before it, another encoding, or no JSON
        pass
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage(f"not JSON: {error}") from None


def loads_object(raw: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object in `raw`. Raises MalformedMessage naming the part of the message."""
    value = loads(raw)
    if not isinstance(value, dict):
        raise MalformedMessage(f"{name} is not a JSON object")
    return cast("dict[str, Any]", value)


def split(frames: Sequence[Buffer]) -> tuple[int, tuple[bytes, ...]]:
    """Return where the delimiter is, and the signature and the four JSON frames behind it. Raises MalformedMessage."""
    try:
        at = frames.index(DELIMITER)
    except ValueError:
        raise MalformedMessage("no delimiter") from None
    if len(frames) < at + 6:
        raise MalformedMessage(f"{len(frames) - at - 1} frames after the delimiter, at least 5 needed")
    return at, tuple(map(bytes, frames[at + 1 : at + 6]))


class Codec:
    """Signs and encodes what we send; verifies and decodes what we get. One for the process: it has one session id."""

    def __init__(
        self, key: bytes, scheme: str, session: str, clock: Callable[[], str], username: str = "kernelet"
    ) -> None:
        """`scheme` is `hmac-<hash>`; an empty `key` turns signing off; `clock` returns the current ISO-8601 date.

        Raises ValueError for an unknown scheme.
        """
        self.session = session
        self.username = username
        self._clock = clock
        self._ids = itertools.count(1)
        # By type: what comes before and after the number in a header; the date and the end follow.
        self._heads: dict[str, tuple[str, str]] = {}
        self._seen: dict[int, None] = {}
        prefix, _, digest = scheme.partition("-")
        if prefix != "hmac" or not digest:
            raise ValueError(f"signature_scheme {scheme!r} is not of the form hmac-<hash>")
        self._signer = Signer(key, digest) if key else None

    def sign(self, parts: Sequence[Buffer]) -> bytes:
        """Return the hex signature over the four JSON frames, or b"" without a key."""
        return b"" if self._signer is None else self._signer.sign(parts)

    def header(self, msg_type: str) -> dict[str, Any]:
        """Return a new header for a message that we send."""
        return {
            "msg_id": f"{self.session}_{next(self._ids)}",
            "msg_type": msg_type,
            "username": self.username,
            "session": self.session,
            "date": self._clock(),
            "version": PROTOCOL_VERSION,
        }

    def _header_raw(self, msg_type: str) -> bytes:
        """Return a new header as JSON: `header`, of which all but number and date is written once."""
        head = self._heads.get(msg_type)
        if head is None:
            fields = {"msg_type": msg_type, "username": self.username, "session": self.session}
            start = dumps({"msg_id": self.session}).decode().removesuffix('"}')
            head = f"{start}_", f'",{dumps(fields).decode()[1:-1]},"date":"'
            if len(self._heads) < _HEADS_AT_MOST:
                self._heads[msg_type] = head
        return f'{head[0]}{next(self._ids)}{head[1]}{self._clock()}","version":"{PROTOCOL_VERSION}"}}'.encode()

    def encode(
        self,
        msg_type: str,
        content: Content | bytes,
        parent_raw: bytes = b"{}",
        metadata: dict[str, Any] | None = None,
        buffers: Sequence[Buffer] = (),
        header: dict[str, Any] | None = None,
    ) -> list[Buffer]:
        """Return the frames from the delimiter on: delimiter, signature, four JSON frames, buffers.

        `content` in bytes is JSON already.

        Raises TypeError or ValueError when the content or metadata has no JSON form.
        """
        parts = (
            self._header_raw(msg_type) if header is None else dumps(header),
            parent_raw,
            _dumps_short(metadata) if metadata else b"{}",
            content if isinstance(content, bytes) else _dumps_short(content) if msg_type in _SHORT else dumps(content),
        )
        return [DELIMITER, self.sign(parts), *parts, *buffers]

    def decode(self, channel: Channel, frames: Sequence[Buffer]) -> Message:
        """Return the message in `frames` (idents, delimiter, signature, 4 JSON frames, buffers).

        Raises MalformedMessage when there is no delimiter, the signature is wrong or was seen before, or the header
        is no JSON object with the required strings.
        """
        at, (signature, header_raw, parent_raw, metadata_raw, content_raw) = split(frames)
        if self._signer is not None:
            self._verify(signature, (header_raw, parent_raw, metadata_raw, content_raw))
        header = loads_object(header_raw, "header")
        for name in _REQUIRED:
            if not isinstance(header.get(name), str):
                raise MalformedMessage(f"header has no text {name!r}")
        return Message(
            channel,
            tuple(map(bytes, frames[:at])),
            header,
            header_raw,
            parent_raw,
            metadata_raw,
            content_raw,
            tuple(map(memoryview, frames[at + 6 :])),
            loads,
        )

    def _verify(self, signature: bytes, parts: Sequence[bytes]) -> None:
        if not signature:
            raise MalformedMessage("unsigned message")
        if not hmac.compare_digest(self.sign(parts), signature):
            raise MalformedMessage("bad signature")
        # 60 bits of a good signature tell it from 65,536 others, in a third of its memory.
        mark = int(signature[:15], 16)
        if mark in self._seen:
            raise MalformedMessage("replayed message (signature seen before)")
        self._seen[mark] = None
        if len(self._seen) > REPLAY_LIMIT:
            for old in list(itertools.islice(self._seen, REPLAY_LIMIT // 10)):
                del self._seen[old]
