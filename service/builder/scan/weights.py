"""Tells HDF5 files that hold weights alone, and how they say which weight is whose."""

from enum import Enum
from pathlib import Path

from service.builder.scan.hdf5 import check_hdf5, opened_hdf5
from service.builder.scan.report import DEFAULT_LIMITS, ScanLimits
from service.builder.scan.window import Window
from service.errors import BrokenModelError

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_BY_ORDER = ("layer_names", "layer_names0")  # in parts where they take over 64 KiB
_BY_PATH = ("layers", "_layer_checkpoint_dependencies")


class WeightsLayout(Enum):
    """How a weights file is laid out: a list of layers in order (`.h5`), or a tree of names (`.weights.h5`)."""

    BY_ORDER = "layers in order"
    BY_PATH = "layers by path"


def scan_weights(path: Path, *, limits: ScanLimits = DEFAULT_LIMITS) -> WeightsLayout | None:
    """Return the layout of a file of weights alone; None where it has an architecture, or is no HDF5 at all.

    Raises what `scan_source` raises for the weights of a whole file.
    """
    with path.open("rb") as file:
        if file.read(len(HDF5_MAGIC)) != HDF5_MAGIC:
            return None
        view = Window(file, size=file.seek(0, 2))
        with opened_hdf5(view) as source:
            if "model_config" in source.attrs:
                return None
            check_hdf5(source, size=view.size, limits=limits)
            is_by_order = any(name in source.attrs for name in _BY_ORDER)
            is_by_path = any(name in source for name in _BY_PATH)
    if not is_by_order and not is_by_path:
        raise BrokenModelError("The HDF5 file holds neither a Keras model nor the weights of one.")
    return WeightsLayout.BY_ORDER if is_by_order else WeightsLayout.BY_PATH
