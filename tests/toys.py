"""Makes small real Keras models, and broken or hostile files; Keras is imported only when asked for."""

import functools
import json
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def save_small_cnn(path: Path, *, classes: int = 3, seed: int = 0, shape: tuple[int, ...] = (8, 8, 1)) -> Any:
    """Save an untrained classifier with weights of its own to `path`; return the Keras model."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(4, 3, activation="relu", bias_initializer="random_normal"),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax", bias_initializer="random_normal"),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return model


def copy_small_cnn(path: Path, *, classes: int = 3, seed: int = 0) -> None:
    """Save that classifier to `path`, the same file each time: under one name it is built once for all tests."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_small_cnn(path.suffix, classes, seed))


@functools.cache
def _small_cnn(suffix: str, classes: int, seed: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / f"small{suffix}"
        save_small_cnn(saved, classes=classes, seed=seed)
        return saved.read_bytes()


def save_with_lambda(path: Path, *, marker: Path) -> None:
    """Save a model with a Lambda whose Python code would create `marker` if it were ever run."""
    import keras

    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    function = eval(f"lambda x: (x, {code})[0]")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Lambda(function, name="sneaky")])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    marker.unlink(missing_ok=True)


def with_extra_member(source: Path, target: Path, *, name: str) -> None:
    """Copy a `.keras` archive and add a member of this name, such as one that climbs out of its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(name, b"pwned")


def truncated(source: Path, target: Path, *, share: float = 0.5) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])


def with_config(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Copy a `.keras` archive with its architecture changed in place by `change`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "config.json":
                config = json.loads(data)
                change(config)
                data = json.dumps(config).encode()
            new.writestr(member, data)
