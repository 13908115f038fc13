"""Frames <-> messages: what is sent comes back, garbage is only ever malformed, and one changed byte is noticed."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import fractions
import hmac
import ipaddress
import json
import math
import pathlib
import uuid
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kernelet.protocol.codec
from kernelet.protocol.codec import DELIMITER, Codec, MalformedMessage, clean_text, dumps, json_default, loads
from kernelet.protocol.message import PROTOCOL_VERSION, Buffer

NOW = "2026-01-02T03:04:05.000006Z"
CODEPOINTS = st.text(st.characters(codec="utf-8"), max_size=20)
ANY_TEXT = st.text(st.characters(), max_size=20)  # lone surrogates too


class Colour(enum.Enum):
    RED = "red"


def values(text: st.SearchStrategy[str], allow_nan: bool = False) -> st.SearchStrategy[Any]:
    floats = st.floats(allow_nan=allow_nan, allow_infinity=allow_nan)
    plain = st.none() | st.booleans() | st.integers() | floats | text
    return st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=12)


def codec(key: bytes = b"secret", scheme: str = "hmac-sha256") -> Codec:
    return Codec(key, scheme, "session", lambda: NOW)


def sent(content: dict[str, Any] | None = None, key: bytes = b"secret", buffers: Sequence[Buffer] = ()) -> list[bytes]:
    return [bytes(frame) for frame in codec(key).encode("execute_request", content or {}, buffers=buffers)]


def resign(frames: list[bytes]) -> list[bytes]:
    """Return the frames (from the delimiter on) with a signature that is right."""
    return [DELIMITER, codec().sign(frames[2:6]), *frames[2:]]


# -- round trips -------------------------------------------------------------------------------------------------------


@given(
    content=st.dictionaries(CODEPOINTS, values(CODEPOINTS)),
    metadata=st.dictionaries(CODEPOINTS, values(CODEPOINTS)),
    idents=st.lists(st.binary().filter(lambda ident: ident != DELIMITER)),
    buffers=st.lists(st.binary()),
    key=st.sampled_from([b"", b"secret"]),
)
def test_what_is_sent_is_received(
    content: dict[str, Any], metadata: dict[str, Any], idents: list[bytes], buffers: list[bytes], key: bytes
) -> None:
    frames = codec(key).encode("comm_msg", content, b'{"msg_id":"p"}', metadata, buffers)
    message = codec(key).decode("shell", [*idents, *frames])
    assert (message.channel, message.msg_type, message.idents) == ("shell", "comm_msg", tuple(idents))
    assert json.loads(message.content_raw) == content
    assert json.loads(message.metadata_raw) == metadata
    assert message.loads(message.parent_raw) == {"msg_id": "p"}
    assert [bytes(buffer) for buffer in message.buffers] == buffers


@given(values(ANY_TEXT, allow_nan=True))
def test_any_value_becomes_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = dumps(value).decode("utf-8")
    assert not any("\ud800" <= char <= "\udfff" for char in json.dumps(json.loads(text), ensure_ascii=False))
    json.loads(text, parse_constant=refuse)


@given(ANY_TEXT)
def test_clean_text_is_encodable_and_changes_nothing_else(text: str) -> None:
    cleaned = clean_text(text)
    cleaned.encode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert cleaned == text


def test_lone_surrogates_are_replaced_and_pairs_are_joined() -> None:
    assert clean_text("a\ud800b") == "a\ufffdb"
    assert clean_text("\udc00") == "\ufffd"
    assert clean_text("\ud83d\ude00!") == "😀!"
    assert loads(dumps({"\ud83d\ude00": "\ud800"})) == {"😀": "\ufffd"}


@pytest.mark.parametrize("value, shown", [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_numbers_that_json_has_not_become_text(value: float, shown: str) -> None:
    assert loads(dumps([value, {"x": value}, 1.5])) == [shown, {"x": shown}, 1.5]
    assert loads(dumps(numpy.array([value, 1.0]))) == [shown, 1.0]
    assert loads(dumps(numpy.float32(value))) == shown


def test_a_nan_of_numpy_looks_like_any_nan() -> None:
    assert loads(dumps([numpy.float64("nan"), numpy.float64("inf")])) == ["nan", "inf"]


@pytest.mark.parametrize(
    "value, expected",
    [
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2026-01-02T03:04:05+00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (numpy.int64(7), 7),
        (numpy.float64(1.5), 1.5),
        (numpy.float32(1.5), 1.5),
        (numpy.bool_(True), True),
        (numpy.str_("s"), "s"),
        (numpy.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (numpy.datetime64("2026-01-02"), "2026-01-02"),
        (decimal.Decimal("1.5"), 1.5),
        (fractions.Fraction(1, 2), 0.5),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (datetime.timedelta(seconds=90), "0:01:30"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ipaddress.ip_address("127.0.0.1"), "127.0.0.1"),
        (1j, "1j"),
        (numpy.complex128(1j), "1j"),
        (Colour.RED, "red"),
        ((1, 2), [1, 2]),
        ({3}, [3]),
        (range(2), [0, 1]),
        ({"a": 1}.keys(), ["a"]),
        ((n * n for n in range(3)), [0, 1, 4]),
    ],
)
def test_values_of_foreign_types_have_a_stand_in(value: Any, expected: Any) -> None:
    assert loads(dumps({"x": value})) == {"x": expected}


@pytest.mark.parametrize("other", [math.nan, "\ud800", {(1, 2): 3}])
def test_a_generator_beside_something_odd_is_not_found_empty(other: Any) -> None:
    told = loads(dumps({"first": (n for n in range(3)), "odd": other, "last": map(str, range(2))}))
    assert (told["first"], told["last"]) == ([0, 1, 2], ["0", "1"])


@pytest.mark.parametrize(
    "key, expected",
    [
        ((1, 2), "(1, 2)"),
        (numpy.int64(1), "1"),
        (numpy.str_("s"), "s"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (b"a", "YQ=="),
        (frozenset({1}), "frozenset({1})"),
        (Colour.RED, "red"),
        (None, "null"),
        (True, "true"),
        (math.nan, "nan"),
    ],
)
def test_keys_of_foreign_types_have_a_stand_in(key: Any, expected: str) -> None:
    assert loads(dumps({key: 1, "x": [1.5]})) == {expected: 1, "x": [1.5]}


def test_a_stand_in_that_holds_a_nan_is_cleaned_too() -> None:
    assert loads(dumps({"x": {math.nan}, "y": [b"a", math.inf], "z": (math.nan,)})) == {
        "x": ["nan"],
        "y": ["YQ==", "inf"],
        "z": ["nan"],
    }


@pytest.mark.parametrize("value", [object(), len, {object(): 3}, [object()], {(1,): object()}])
def test_what_has_no_json_form_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps({"x": value})
    with pytest.raises(TypeError):  # also where something else had to be cleaned first
        dumps({"nan": math.nan, "x": value})


def test_the_type_error_names_the_culprit_in_short() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "<odd " + "x" * 1000

    with pytest.raises(TypeError, match=r"^Odd <odd x+ is not JSON serializable$") as caught:
        json_default(Odd())
    assert len(str(caught.value)) < 120


def test_a_value_that_contains_itself_is_a_value_error() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(ValueError, match=r"[Cc]ircular"):
        dumps(ring)
    with pytest.raises(ValueError, match=r"[Cc]ircular"):
        dumps({"ring": {"again": ring}})


# -- headers -----------------------------------------------------------------------------------------------------------


def test_headers_are_complete_and_numbered() -> None:
    ours = codec()
    first, second = ours.header("status"), ours.header("status")
    assert first == {
        "msg_id": "session_1",
        "msg_type": "status",
        "username": "kernelet",
        "session": "session",
        "date": NOW,
        "version": PROTOCOL_VERSION,
    }
    assert second["msg_id"] != first["msg_id"]


@pytest.mark.parametrize("msg_type", ["status", 'qu"ote', "é\n", ""])
def test_a_message_has_the_header_that_is_told(msg_type: str) -> None:
    ours = codec()
    told = ours.header(msg_type)
    for number in (2, 3):
        _, _, raw, *_ = ours.encode(msg_type, {})
        assert json.loads(bytes(raw)) == {**told, "msg_id": f"session_{number}"}


def test_what_is_kept_of_types_that_code_makes_up_is_bounded() -> None:
    ours = codec()
    for number in range(300):
        assert json.loads(bytes(ours.encode(f"type{number}", {})[2]))["msg_type"] == f"type{number}"
    assert len(ours._heads) < 300


def test_content_that_is_json_already_is_sent_as_it_is() -> None:
    assert codec().encode("status", b'{"a": 1}')[5] == b'{"a": 1}'


def test_where_json_has_no_encoder_in_c_the_other_one_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    value = {"é": [1, 2.5, None, {"a": True}], "nan": math.nan}
    quick = dumps(value)
    for lacking in (None, lambda *args: lambda *more: ["{}"]):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(json.encoder, "c_make_encoder", lacking)
            assert kernelet.protocol.codec._quick_encoder() is kernelet.protocol.codec._encode
    monkeypatch.setattr(kernelet.protocol.codec, "_encode_quickly", kernelet.protocol.codec._encode)
    assert dumps(value) == quick


def test_a_header_that_is_given_is_sent() -> None:
    header = codec().header("input_request")
    assert codec().decode("shell", codec().encode("x", {}, header=header)).header == header


# -- signatures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha256", "sha512", "md5", "blake2b"])
def test_the_signature_is_the_hmac_of_the_four_json_frames(digest: str) -> None:
    frames = codec(b"k", f"hmac-{digest}").encode("x", {"a": 1}, buffers=[b"not signed"])
    parts = b"".join(bytes(frame) for frame in frames[2:6])
    assert bytes(frames[1]) == hmac.new(b"k", parts, digest).hexdigest().encode()


@given(st.data())
def test_any_changed_byte_breaks_the_signature(data: st.DataObject) -> None:
    frames = sent({"code": "print(1)"})
    which = data.draw(st.integers(1, 5))
    at = data.draw(st.integers(0, len(frames[which]) - 1))
    flipped = data.draw(st.integers(1, 255))
    frames[which] = frames[which][:at] + bytes([frames[which][at] ^ flipped]) + frames[which][at + 1 :]
    with pytest.raises(MalformedMessage, match="signature"):
        codec().decode("shell", frames)


def test_an_unsigned_message_is_refused_where_there_is_a_key() -> None:
    with pytest.raises(MalformedMessage, match="unsigned"):
        codec().decode("shell", sent(key=b""))


def test_without_a_key_nothing_is_signed_and_nothing_verified() -> None:
    frames = sent(key=b"")
    assert frames[1] == b""
    frames[1] = b"whatever"
    ours = codec(b"")
    assert ours.decode("shell", frames).msg_type == ours.decode("shell", frames).msg_type == "execute_request"


def test_a_message_is_taken_once() -> None:
    ours, frames = codec(), sent()
    ours.decode("shell", frames)
    with pytest.raises(MalformedMessage, match="replayed"):
        ours.decode("control", frames)


def test_a_bad_message_does_not_spend_its_signature() -> None:
    ours, frames = codec(), sent()
    with pytest.raises(MalformedMessage):
        ours.decode("shell", [*frames[:5], b'{"changed": 1}'])
    ours.decode("shell", frames)


def test_the_memory_for_replays_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernelet.protocol.codec, "REPLAY_LIMIT", 20)
    ours, theirs = codec(), codec()
    messages = [theirs.encode("x", {}) for _ in range(21)]
    for frames in messages:
        ours.decode("shell", frames)
    ours.decode("shell", messages[0])
    with pytest.raises(MalformedMessage, match="replayed"):
        ours.decode("shell", messages[-1])


@pytest.mark.parametrize("scheme", ["", "sha256", "hmac", "hmac-", "hmac-nothing", "rsa-sha256"])
def test_an_unknown_scheme_is_a_value_error(scheme: str) -> None:
    with pytest.raises(ValueError):
        codec(b"k", scheme)


# -- garbage -----------------------------------------------------------------------------------------------------------


@given(frames=st.permutations(sent({"code": "1"}, buffers=[b"buffer"])), cut=st.integers(0, 7))
def test_cut_and_permuted_frames_are_only_ever_malformed(frames: list[bytes], cut: int) -> None:
    for key in (b"secret", b""):
        with contextlib.suppress(MalformedMessage):
            codec(key).decode("shell", frames[:cut])


@given(st.lists(st.just(DELIMITER) | st.binary() | st.sampled_from([b"{}", b"[]", b'{"msg_id":', b"1", b"null"])))
def test_garbage_is_only_ever_malformed(frames: list[bytes]) -> None:
    for key in (b"secret", b""):
        with pytest.raises(MalformedMessage):
            codec(key).decode("shell", frames)


@given(st.binary() | st.text().map(str.encode) | values(ANY_TEXT).map(json.dumps).map(str.encode))
def test_a_header_of_any_content_is_only_ever_malformed(header: bytes) -> None:
    with pytest.raises(MalformedMessage):
        codec().decode("shell", resign([DELIMITER, b"", header, b"{}", b"{}", b"{}"]))


@pytest.mark.parametrize("name", ["msg_id", "msg_type", "session"])
@pytest.mark.parametrize("value", [None, 1, [], {}, "absent"])
def test_a_header_needs_its_text_fields(name: str, value: Any) -> None:
    header = {"msg_id": "1", "msg_type": "x", "session": "s", name: value}
    if value == "absent":
        del header[name]
    with pytest.raises(MalformedMessage, match=f"header has no text '{name}'"):
        codec().decode("shell", resign([DELIMITER, b"", json.dumps(header).encode(), b"{}", b"{}", b"{}"]))


@pytest.mark.parametrize(
    "frames, said",
    [
        ([], "no delimiter"),
        ([b"a", b"b"], "no delimiter"),
        ([b"a", DELIMITER, b"", b"{}"], "2 frames after the delimiter, at least 5 needed"),
        (resign([DELIMITER, b"", b"[" * 100_000, b"{}", b"{}", b"{}"]), "not JSON"),
        (resign([DELIMITER, b"", b"[]", b"{}", b"{}", b"{}"]), "header is not a JSON object"),
    ],
)
def test_what_is_malformed_is_said(frames: list[bytes], said: str) -> None:
    with pytest.raises(MalformedMessage, match=said):
        codec().decode("shell", frames)


def test_frames_may_be_any_kind_of_buffer() -> None:
    frames = [memoryview(frame) if at % 2 else bytearray(frame) for at, frame in enumerate(sent(buffers=[b"a", b"b"]))]
    message = codec().decode("shell", [bytearray(b"client"), *frames])
    assert message.idents == (b"client",)
    assert [bytes(buffer) for buffer in message.buffers] == [b"a", b"b"]


def test_content_stays_encoded_until_it_is_asked_for() -> None:
    frames = resign([*sent()[:5], b"not JSON"])
    assert codec().decode("shell", frames).content_raw == b"not JSON"
    with pytest.raises(MalformedMessage, match="not JSON"):
        loads(b"not JSON")


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', ' {"a":1}\n', '{"a":1} ', '\t[1, {"b": null}]', '"\\ud83d\\ude00"', "1e400", "NaN", '{"a":1,"a":2}'],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_is_read_as_pythons_json_reads_it(text: str, encoding: str) -> None:
    assert repr(loads(text.encode(encoding))) == repr(json.loads(text.encode(encoding)))


@pytest.mark.parametrize("raw", [b"", b" ", b"{", b'{"a":1}x', b"\xff", b'"\xff"', b"[" * 100_000])
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not JSON"):
        loads(raw)
