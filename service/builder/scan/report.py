"""The values of the scan: how far a source may go, and what was read off one that passed."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
Kind: TypeAlias = Literal["keras", "hdf5", "saved_model"]

KIB = 2**10
MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanLimits:
    """How much a source may claim before it counts as an attack on the machine. Sizes in bytes."""

    max_unpacked_bytes: int = 8 * GIB
    """All members of an archive together, and all weights of an HDF5 file together."""
    max_expansion: int = 100
    """Times a member or a weight may be larger than what is stored of it, above `expansion_floor`.

    Keras stores both uncompressed. DEFLATE alone reaches 1032, so that 1000 would stop nothing.
    """
    expansion_floor: int = 64 * MIB
    """Below this size no expansion is refused: zeros compress well, and that much memory is there."""
    max_config_bytes: int = 16 * MIB
    """The architecture as JSON text (NASNetLarge: 1.5 MiB). Parsed it takes up to 30 times as much."""
    max_config_depth: int = 200
    """Nested brackets of the architecture; one nested model is five."""
    max_members: int = 64
    max_directory_bytes: int = MIB
    """The archive's list of members, read before its length is known."""
    max_objects: int = 100_000
    """Groups, datasets and attributes of an HDF5 file."""
    max_program_bytes: int = GIB
    """The graph of a SavedModel, without its variables; a protocol buffer ends at 2 GiB."""


DEFAULT_LIMITS = ScanLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """What the scan read off a source that may be given to Keras.

    `kind` says how the bytes must be loaded, whatever the file's suffix: "keras" is a zip archive, "hdf5" the
    older single file, "saved_model" a TensorFlow program in a folder. `backend` and `keras_version` are None
    where the file does not record them (an archive never records its backend). `loss` is the name as written by
    the training configuration, be it `sparse_categorical_crossentropy` or `SparseCategoricalCrossentropy`; None
    where there is none or outputs differ. `config` is the parsed architecture. `size` is in bytes. `needs_code`
    says whether it names classes or functions of the user's own that were trusted.
    """

    kind: Kind
    keras_version: str | None
    written_with: str
    backend: str | None
    loss: str | None
    config: dict[str, JsonValue]
    size: int
    needs_code: bool = False
