"""Owns telling when a request has come whole, by RFC 9112: gunicorn's parser reads it only then, and alone decides.

What is found here says when to hand a request on, never what it means; where the two would differ, the parser's word
holds and the connection ends.
"""

import re
from dataclasses import dataclass

MOST_HEAD = 64 * 1024
MOST_CHUNKS = 100_000
_HEAD_END = b"\r\n\r\n"
_LINE_END = b"\r\n"
_FIELDS = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:([^\r\n]*)", re.IGNORECASE)
_MOST_CHUNK_LINE = 8190
_MOST_DIGITS = 18
_CHUNK_LINE = 16
_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not read to its end: what the server answers by itself."""

    status: int
    title: str
    detail: str


_TOO_MANY_CHUNKS = Refusal(
    413, "Too large", f"The body comes in more than {MOST_CHUNKS:,} chunks; send larger chunks, or a Content-Length."
)

_OTHER_CODING = Refusal(
    501, "Not implemented", "Transfer-Encoding is taken as chunked alone; send that, or a Content-Length."
)
_TOO_LARGE = Refusal(413, "Too large", "The body is larger than this server takes; send less at a time.")


class Incoming:
    """The bytes of one request as they come.

    `is_ready` says that it can be handed on: it is whole, or what came will not be read further (a head that the
    parser refuses, a body over the limit, which the application answers from the head). Bytes after it may have come
    already: the next request.
    """

    __slots__ = ("_at", "_chunks", "_head_end", "_max_body", "data", "expects_continue", "is_ready", "is_whole",
                 "length", "refusal")  # fmt: skip

    def __init__(self, max_body: int) -> None:
        self.data = bytearray()
        self.is_ready = False
        self.is_whole = False
        self.expects_continue = False
        self.refusal: Refusal | None = None
        self.length: int | None = None
        """Bytes the whole request has, where that is known."""
        self._max_body = max_body
        self._head_end = -1
        self._at = 0
        self._chunks = 0

    @property
    def has_head(self) -> bool:
        """Return whether the head has come."""
        return self._head_end >= 0

    @property
    def is_all(self) -> bool:
        """Return whether it is whole, and nothing came after it."""
        return self.is_whole and self.length == len(self.data)

    @property
    def missing(self) -> int:
        """Return how many bytes are known to come still."""
        return max(0, (self.length or 0) - len(self.data))

    def feed(self, data: bytes | memoryview) -> None:
        """Take note of more bytes."""
        searched = max(0, len(self.data) - len(_HEAD_END) + 1)
        self.data += data
        if self._head_end < 0:
            self._look_for_head(searched)
        if self._head_end >= 0 and not self.is_ready:
            self._look_for_end()

    def _look_for_head(self, searched: int) -> None:
        while self.data.startswith(_LINE_END):  # RFC 9112 2.2: empty lines before a request are passed over
            del self.data[: len(_LINE_END)]
            searched = 0
        end = self.data.find(_HEAD_END, searched)
        if end >= 0:
            self._head_end = self._at = end + len(_HEAD_END)
            self._read_head(self.data[:end])
        elif len(self.data) > MOST_HEAD or b"\n\n" in self.data[max(0, searched - 1) :]:
            self.is_ready = True

    def _read_head(self, head: bytearray) -> None:
        values: dict[bytes, list[bytes]] = {}
        for name, value in _FIELDS.findall(head):
            values.setdefault(name.lower(), []).append(value.strip())
        if not values:
            self.length = self._head_end
            return
        self.expects_continue = [one.lower() for one in values.get(b"expect", [])] == [b"100-continue"]
        codings, lengths = values.get(b"transfer-encoding", []), values.get(b"content-length", [])
        if codings:
            self.is_ready = bool(lengths)
            if [one.lower() for one in codings] != [b"chunked"]:
                self._refuse(_OTHER_CODING)
        elif lengths:
            self._take_length(lengths)
        else:
            self.length = self._head_end

    def _take_length(self, lengths: list[bytes]) -> None:
        digits = lengths[0]
        if len(lengths) > 1 or not digits.isdigit() or len(digits) > _MOST_DIGITS or int(digits) > self._max_body:
            self.is_ready = True
        else:
            self.length = self._head_end + int(digits)

    def _look_for_end(self) -> None:
        if self.length is None:
            self._walk_chunks()
        if self.length is not None and len(self.data) >= self.length:
            self.is_ready = self.is_whole = True

    def _walk_chunks(self) -> None:
        """Step from chunk to chunk as far as they have come."""
        while not self.is_ready:
            end = self.data.find(_LINE_END, self._at, self._at + _MOST_CHUNK_LINE)
            if end < 0:
                self.is_ready = len(self.data) - self._at > _MOST_CHUNK_LINE
                return
            size = self._chunk_size(end)
            if size == 0:
                self._look_for_trailers_end(end)
                return
            after = end + 2 * len(_LINE_END) + (size or 0)
            if size is None:
                self.is_ready = True
            elif after - self._head_end > self._max_body + self._chunks * _CHUNK_LINE + MOST_HEAD:
                self._refuse(_TOO_LARGE)
            elif after > len(self.data):
                return
            else:
                self._step_to(after)

    def _step_to(self, after: int) -> None:
        self._at = after
        self._chunks += 1
        if self._chunks > MOST_CHUNKS:
            self._refuse(_TOO_MANY_CHUNKS)

    def _refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.is_ready = True

    def _chunk_size(self, end: int) -> int | None:
        """Return the size that the line before `end` states, None where it states none."""
        digits = bytes(self.data[self._at : end]).partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > _MOST_DIGITS or not _HEX.issuperset(digits):
            return None
        return int(digits, 16)

    def _look_for_trailers_end(self, end: int) -> None:
        """Find the empty line after the last chunk, whose line ends at `end`."""
        found = self.data.find(_HEAD_END, end)
        if found >= 0:
            self.length = found + len(_HEAD_END)
        elif len(self.data) - end > MOST_HEAD:
            self.is_ready = True
