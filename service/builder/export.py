"""Owns exporting a Keras model as a LiteRT graph."""

import contextlib
import io
from pathlib import Path
from typing import Any

from service.errors import UnsupportedModelError


def export_litert(model: Any, path: Path) -> None:
    """Write `model` to `path` (`.tflite`), float32, every free axis left free.

    Raises UnsupportedModelError where the converter has no form for one of its operations.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(str(path), format="litert", verbose=False)
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UnsupportedModelError(f"The model cannot be exported to LiteRT: {reason}") from error
