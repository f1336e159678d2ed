"""Owns writing: runs inside a writer's environment, where it imports that Keras and nothing of Convoy.

`python -m tests.compatibility.writer MODULE FOLDER [ARCHITECTURE …]`: MODULE is how that Keras is imported.
"""

import importlib
import json
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.compatibility.catalogue import (
    ARCHITECTURES,
    SMALL,
    WEIGHTS_FILES,
    Architecture,
    Format,
    predictions_file,
    saved_path,
)
from tests.compatibility.samples import give_weights, pictures

REPORT = "written.json"
_LEAST_SPREAD = 1e-3
Arrays = dict[str, NDArray[np.float32]]


def main(module: str, folder: str, *names: str) -> int:
    """Write the named architectures, or all large ones, into `folder`; what went wrong goes into its report."""
    keras = importlib.import_module(module)
    known = {**ARCHITECTURES, **SMALL}
    written = Path(folder)
    found = {name: write(keras, name, known[name], written) for name in names or ARCHITECTURES}
    report = {"versions": versions_of(module), "architectures": found}
    (written / REPORT).write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 0


def write(keras: Any, name: str, architecture: Architecture, folder: Path) -> dict[str, Any]:
    """Write one net in all its formats with predictions; return its parameters, the formats, and those that failed."""
    model, arrays = weighted(keras, architecture)
    predictions = _predicted(model, arrays)
    if not np.ptp(predictions, axis=0).max() > _LEAST_SPREAD:
        raise AssertionError(f"{name} answers every input alike; a mix-up would not show: {predictions}")
    predictions_file(folder, name).parent.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {**arrays, "predictions": predictions}
    np.savez_compressed(predictions_file(folder, name), **stored)
    formats, failures = formats_of(keras, architecture), {}
    for form in formats:
        path = saved_path(folder, form, name)
        try:
            save(keras, model, form, path)
        except Exception as error:  # noqa: BLE001 - what a Keras cannot write itself is a cell of the table
            failures[form] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            _remove(path)
    return {"parameters": int(model.count_params()), "formats": formats, "failures": failures}


def weighted(keras: Any, architecture: Architecture) -> tuple[Any, Arrays]:
    """Build a net with seeded weights; return it with inputs for it by name."""
    model = architecture.build(keras)
    give_weights(model, seed=11)
    return model, pictures(architecture.inputs, high=architecture.high, seed=12)


def formats_of(keras: Any, architecture: Architecture) -> tuple[Format, ...]:
    """Return the formats of an architecture that this Keras has; Keras 3 writes no bare weights as `.h5`."""
    return tuple(one for one in architecture.formats if one != "json + h5" or is_keras_2(keras))


def is_keras_2(keras: Any) -> bool:
    """Return whether a module is Keras 2, under whichever name; not all of them tell their version."""
    return not hasattr(keras, "ops")


def save(keras: Any, model: Any, form: Format, path: Path) -> None:
    """Save a model in a format as the file, or the folder, `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    if form == "saved_model":
        _save_program(keras, model, path)
    elif form in WEIGHTS_FILES:
        path.mkdir()
        (path / "model.json").write_text(model.to_json(), encoding="utf-8")
        model.save_weights(path / WEIGHTS_FILES[form])
    else:
        model.save(path)


def _save_program(keras: Any, model: Any, path: Path) -> None:
    if is_keras_2(keras):
        model.save(path, save_format="tf")
    else:
        model.export(str(path))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _predicted(model: Any, arrays: Arrays) -> NDArray[np.float32]:
    fed = list(arrays.values())
    return np.asarray(model.predict(fed if len(fed) > 1 else fed[0], verbose=0), np.float32)


def versions_of(module: str) -> dict[str, str]:
    """Return the versions of Python and of what matters beside the Keras imported as `module`, by package."""
    packages = (module.partition(".")[0], "tensorflow-cpu", "tensorflow", "numpy", "h5py")
    return {"python": platform.python_version(), **{one: found for one in packages if (found := _version(one))}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
