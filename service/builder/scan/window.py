"""A read-only view of a part of an open file, so that HDF5 inside a zip archive needs no copy."""

import io
from typing import TYPE_CHECKING, BinaryIO

from service.builder.scan.wording import sized
from service.errors import UnsafeModelError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Window(io.RawIOBase):
    """Bytes `start` to `start + size` of `file`, as a file of its own.

    The file must stay open and is not closed with the view. A single read of more than `max_read` bytes is
    refused: `zipfile` reads the whole list of members in one go, as long as the file says it is.
    """

    def __init__(self, file: BinaryIO, *, start: int = 0, size: int, max_read: int | None = None) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._max_read = max_read
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes in the view."""
        return self._size

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Return the position within the view."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move within the view; past its end is allowed, as for any file."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError("negative seek position")
        self._position = origin + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes.

        Raises:
            UnsafeModelError: more than `max_read` bytes at once were asked for.
        """
        left = max(self._size - self._position, 0)
        wanted = left if size is None or size < 0 else size
        if self._max_read is not None and wanted > self._max_read:
            raise UnsafeModelError(
                f"The archive's list of members claims {sized(wanted)}; a saved Keras model has three or"
                " four members. Save the model again with `model.save(...)`."
            )
        self._file.seek(self._start + self._position)
        data = self._file.read(min(wanted, left))
        self._position += len(data)
        return data

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer`, with zeros past the end.

        NOTE: h5py does not look at the number returned; without zeros HDF5 would parse stale memory.
        """
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        view[len(data) :] = bytes(len(view) - len(data))
        return len(data)
