"""Owns the ladder: Keras 3 as it is, Keras 3 with a repaired configuration, tf_keras; the first that loads is taken.

Nothing is compiled, safe mode stays on. tf_keras has no safe mode and its own idea of Keras, so it gets a child process
of its own: `NextLoader` asks for it.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.builder.exhaustion import is_out_of_memory
from service.builder.keras_program import KerasProgram
from service.builder.legacy_program import LegacyProgram
from service.builder.order import BuildOrder
from service.builder.program import Program
from service.builder.reason import one_line
from service.builder.repair import repair
from service.builder.scan import ScanReport
from service.builder.theano import turn_kernels
from service.errors import BrokenModelError, UnsupportedModelError
from service.repository.saved import Saved

_SUFFIX = {"keras": ".keras", "hdf5": ".h5"}
_OLDEST = 2
_NEWEST = 3
# NOTE: Keras 3 computes it as relu6(x + 3) / 6, Keras 2 as 0.2 x + 0.5: such a file loads there and answers wrong.
_CHANGED = "its hard_sigmoid is another function there"
_CHANGED_MEANING = '"hard_sigmoid"'
_KERAS_1 = (
    "Written with {writer}, whose layers and arguments have other names since Keras 2 (2017). Convert it once with"
    " Keras 2.2, which still reads them:"
    ' docker run --rm -v "$PWD:/m" python:3.6-slim sh -c'
    ' "pip install keras==2.2.5 tensorflow==1.14 h5py==2.10 && python -c \\"import keras.models as k;'
    " {load}; m.save('/m/converted.h5')\\\"\""
)
_WHOLE = "m = k.load_model('/m/{file}', compile=False)"
_IN_TWO = "m = k.model_from_json(open('/m/{architecture}').read()); m.load_weights('/m/{file}')"
_PLAIN_NAME = re.compile(r"[\w.-]+")


class NextLoader(Exception):  # noqa: N818 - no failure: the next step of the ladder
    """Keras 3 cannot load the file and tf_keras may; `reason` is what Keras 3 said, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def load_scanned(
    path: Path,
    report: ScanReport,
    *,
    order: BuildOrder,
    custom: Mapping[str, Any],
    progress: Callable[[str], None],
) -> Program:
    """Load a scanned file by the step of the ladder that the order is at.

    Keras goes by the suffix; `path` is renamed to the one its content calls for. Raises NextLoader, or
    UnsupportedModelError with what each loader said in one line, or BrokenModelError.
    """
    written = _major(report)
    if written is not None and written < _OLDEST:
        raise UnsupportedModelError(_KERAS_1.format(writer=report.written_with, load=_old_load(order.saved)))
    path = path.rename(path.with_suffix(_SUFFIX[report.kind]))
    if order.loader == "tf_keras":
        progress("loading with tf_keras")
        return _checked(_by_tf_keras(path, report, order, custom))
    progress("loading with Keras")
    return _checked(_by_keras(path, report, custom))


def _old_load(saved: Saved) -> str:
    """Return the statement that loads a file of Keras 1; a name that a shell might run is not put into it."""
    names = {"file": saved.path.name, "architecture": (saved.architecture or saved.path).name}
    shown = {key: name if _PLAIN_NAME.fullmatch(name) else "NAME" for key, name in names.items()}
    return (_IN_TWO if saved.architecture else _WHOLE).format(**shown)


def _by_keras(path: Path, report: ScanReport, custom: Mapping[str, Any]) -> KerasProgram:
    import keras

    found = _CHANGED if _is_changed(report) else _as_it_is_or_repaired(path, report, custom)
    if isinstance(found, KerasProgram):
        return found
    if (_major(report) or _OLDEST) < _NEWEST:
        raise NextLoader(found)
    raise UnsupportedModelError(
        f"Written with {report.written_with}; Keras {keras.__version__} cannot load it: {found}"
    )


def _as_it_is_or_repaired(path: Path, report: ScanReport, custom: Mapping[str, Any]) -> KerasProgram | str:
    """Return what Keras 3 loads, as it is or with what can be repaired, or what it said at last, in one line."""
    found = _attempt(path, report, custom)
    repairs = _repairs(path, report) if isinstance(found, str) else ()
    return _attempt(path, report, custom, repairs=repairs) if repairs else found


def _repairs(path: Path, report: ScanReport) -> tuple[str, ...]:
    try:
        return repair(path, report)
    except (AttributeError, LookupError, TypeError):
        return ()  # a configuration of no form that any Keras wrote: what Keras said of it stands


def _attempt(
    path: Path, report: ScanReport, custom: Mapping[str, Any], *, repairs: tuple[str, ...] = ()
) -> KerasProgram | str:
    try:
        return _loaded(path, report, custom, repairs=repairs)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return one_line(error)


def _loaded(path: Path, report: ScanReport, custom: Mapping[str, Any], *, repairs: tuple[str, ...]) -> KerasProgram:
    import keras

    model = keras.saving.load_model(path, custom_objects=dict(custom), compile=False, safe_mode=True)
    turned = turn_kernels(model) if report.backend == "theano" else ()
    return KerasProgram(model, loaded_by=f"Keras {keras.__version__}", repairs=(*repairs, *turned))


def _by_tf_keras(path: Path, report: ScanReport, order: BuildOrder, custom: Mapping[str, Any]) -> KerasProgram:
    import keras
    import tf_keras

    try:
        model = tf_keras.models.load_model(path, custom_objects=dict(custom), compile=False)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UnsupportedModelError(
            f"Written with {report.written_with}; Keras {keras.__version__} cannot load it: {order.tried}. "
            f"tf_keras {tf_keras.__version__} cannot either: {one_line(error)}"
        ) from error
    turned = turn_kernels(model) if report.backend == "theano" else ()
    return LegacyProgram(model, loaded_by=f"tf_keras {tf_keras.__version__}", repairs=turned)


def _checked(program: KerasProgram) -> Program:
    if not program.is_callable:
        raise BrokenModelError(
            "The model has no fixed inputs and outputs (it was saved before it was built). "
            "Give its first layer an Input shape, call it once, and save it again."
        )
    return program


def _major(report: ScanReport) -> int | None:
    number = (report.keras_version or "").partition(".")[0]
    return int(number) if number.isdigit() else None


def _is_changed(report: ScanReport) -> bool:
    return (_major(report) or _OLDEST) < _NEWEST and _CHANGED_MEANING in json.dumps(report.config)
