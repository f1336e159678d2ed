"""Owns loading a scanned file with Keras: nothing is compiled, safe mode stays on."""

from pathlib import Path
from typing import Any

from service.builder.scan import ScanReport
from service.errors import BrokenModelError, UnsupportedModelError

_SUFFIX = {"keras": ".keras", "hdf5": ".h5"}
_LONGEST_REASON = 300


def load_scanned(path: Path, report: ScanReport) -> tuple[Any, str]:
    """Load `path` and return the Keras model and what loaded it, such as `Keras 3.15.1`.

    Keras goes by the suffix; `path` is renamed to the one its content calls for. Raises UnsupportedModelError
    or BrokenModelError with what Keras said, in one line.
    """
    import keras

    path = path.rename(path.with_suffix(_SUFFIX[report.kind]))
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:
        raise UnsupportedModelError(
            f"Written with {report.written_with}; Keras {keras.__version__} cannot load it: {_one_line(error, path)}"
        ) from error
    _check_callable(model)
    return model, f"Keras {keras.__version__}"


def _check_callable(model: Any) -> None:
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise BrokenModelError(
            "The model has no fixed inputs and outputs (it was saved before it was built). "
            "Give its first layer an Input shape, call it once, and save it again."
        )


def _one_line(error: Exception, path: Path) -> str:
    text = " ".join(str(error).split()).replace(str(path), path.name).replace(str(path.parent), "")
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
