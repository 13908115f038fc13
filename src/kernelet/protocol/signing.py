"""HMAC as the wire needs it: many small messages with one key. Any thread.

The two halves of the key are hashed once, and copied for each message: what `hmac` and OpenSSL's HMAC do as well, in
half the time. Source: RFC 2104.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .message import Buffer

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_LARGE_BYTES = 1 << 16


class Signer:
    """Signs with one key."""

    def __init__(self, key: bytes, digest: str) -> None:
        """`digest` is the name of a hash. Raises ValueError for one that hashlib does not know."""
        self._inner, self._outer = hashlib.new(digest), hashlib.new(digest)
        block = self._inner.block_size
        if len(key) > block:
            key = hashlib.new(digest, key).digest()
        key = key.ljust(block, b"\0")
        self._inner.update(key.translate(_INNER))
        self._outer.update(key.translate(_OUTER))

    def sign(self, parts: Sequence[Buffer]) -> bytes:
        """Return the hex signature of `parts`, one after the other."""
        inner, outer = self._inner.copy(), self._outer.copy()
        if parts and len(parts[-1]) > _LARGE_BYTES:  # no copy of a large part; else one call is quicker
            for part in parts:
                inner.update(part)
        else:
            inner.update(b"".join(parts))
        outer.update(inner.digest())
        return outer.hexdigest().encode()
