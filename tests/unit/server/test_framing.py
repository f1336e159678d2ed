"""When a request is whole: what gunicorn's own parser makes of the same bytes is the oracle."""

import io

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from hypothesis import given
from hypothesis import strategies as st

from service.server.framing import MOST_CHUNKS, MOST_HEAD, Incoming
from service.server.streams import Received

LIMIT = 10_000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
TRAILERS = CHUNKED[:-2] + b"X-Sum: 1\r\nX-More: 2\r\n\r\n"
WHOLE = [GET, POST, CHUNKED, TRAILERS]


def parsed(data: bytes) -> tuple[bytes, bytes]:
    """Return body and rest as gunicorn's parser reads them."""
    parser = RequestParser(Config(), iter([data]), ("127.0.0.1", 1))
    request = next(parser)
    body = request.body.read()
    assert isinstance(body, bytes)
    return body, parser.unreader.take_buffered()


def fed(pieces: list[bytes], limit: int = LIMIT) -> Incoming:
    incoming = Incoming(limit)
    for piece in pieces:
        incoming.feed(piece)
    return incoming


@pytest.mark.parametrize("request_bytes", WHOLE)
@pytest.mark.parametrize("after", [b"", GET, b"\r\n"])
def test_it_ends_where_the_parser_says(request_bytes: bytes, after: bytes) -> None:
    incoming = fed([request_bytes + after])

    _, rest = parsed(request_bytes + after)

    assert incoming.is_whole
    assert incoming.length == len(request_bytes + after) - len(rest)


@pytest.mark.parametrize("request_bytes", WHOLE)
@given(data=st.data())
def test_it_is_whole_with_its_last_byte_however_it_comes(request_bytes: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(1, len(request_bytes) - 1), max_size=8)))
    pieces = [request_bytes[a:b] for a, b in zip([0, *cuts], [*cuts, len(request_bytes)], strict=True)]

    before = fed([*pieces[:-1], pieces[-1][:-1]])
    whole = fed(pieces)

    assert not before.is_whole
    assert whole.is_whole
    assert whole.length == len(request_bytes)


@given(bodies=st.lists(st.binary(max_size=40), max_size=6), tail=st.binary(max_size=10))
def test_chunks_of_any_content_end_where_the_parser_says(bodies: list[bytes], tail: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in bodies if one)
    data = head + chunks + b"0\r\n\r\n"

    incoming = fed([data + tail])

    body, rest = parsed(data + tail)
    assert body == b"".join(bodies)
    assert incoming.length == len(data + tail) - len(rest)


@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"x" * (MOST_HEAD + 1),
    ],
)
def test_what_will_not_be_read_to_its_end_is_handed_on_at_once(data: bytes) -> None:
    incoming = fed([data])

    assert incoming.is_ready
    assert not incoming.is_whole


@pytest.mark.parametrize("data", [b"", b"GET / HT", GET[:-1], POST[:-1], CHUNKED[:-1], TRAILERS[:-1], b"\r\n\r\n"])
def test_what_may_still_come_is_waited_for(data: bytes) -> None:
    assert not fed([data]).is_ready


def test_a_body_in_chunks_over_the_limit_is_refused() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    refusal = fed([head, b"fffffff\r\n"]).refusal

    assert refusal
    assert refusal.status == 413


def test_a_body_in_too_many_chunks_is_refused() -> None:
    incoming = Incoming(64 * 2**20)
    incoming.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    incoming.feed(b"1\r\nx\r\n" * (MOST_CHUNKS + 1))

    assert incoming.refusal
    assert incoming.refusal.status == 413


@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(0, 50), max_size=20))
def test_what_is_read_and_given_back_is_what_came(data: bytes, sizes: list[int]) -> None:
    received, oracle = Received(), io.BytesIO(data)
    received.fill(bytearray(data))

    for size in sizes:
        piece = received.read(size)
        assert piece == oracle.read(size)
        back = len(piece) // 2
        received.unread(piece[len(piece) - back :])
        oracle.seek(-back, io.SEEK_CUR)

    received.unread(b"more")
    assert received.take_buffered() == b"more" + oracle.read()
    assert received.read() == b""


def test_a_coding_other_than_chunked_is_refused_however_it_comes() -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"

    refusals = [fed(pieces).refusal for pieces in ([head], [head + b"0\r\n\r\n"], [head[:40], head[40:]])]

    assert [one.status for one in refusals if one] == [501] * 3
