"""Signatures are HMACs, whatever the key and the hash."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kernelet.protocol.signing import Signer


@given(
    st.binary(max_size=300),
    st.sampled_from(["md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"]),
    st.lists(st.binary()),
)
@example(b"key", "sha256", [b"{}", b"x" * 100_000])
def test_it_signs_as_pythons_hmac_does(key: bytes, digest: str, parts: list[bytes]) -> None:
    signer = Signer(key, digest)
    for _ in range(2):  # the key is used again
        assert signer.sign(parts) == hmac.new(key, b"".join(parts), digest).hexdigest().encode()


def test_an_unknown_hash_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nohash"):
        Signer(b"key", "nohash")
