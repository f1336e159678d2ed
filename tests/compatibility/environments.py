"""Owns the writers: which Keras of which year, each in a virtual environment of its own that holds nothing else."""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_READY = ".ready"
_IS_CPU_WHEEL = (sys.platform, platform.machine()) == ("linux", "x86_64")
_TF_KERAS = "keras.api._v2.keras"  # what `tf.keras` was, applications and all, before TensorFlow 2.16
_TENSORFLOW = "tensorflow-cpu" if _IS_CPU_WHEEL else "tensorflow"
_INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:")


class WriterError(Exception):
    """An environment cannot be made, or the writer in it failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Writer:
    """One Keras that writes files: its name in the table, the module it is imported as, and what is installed."""

    label: str
    module: str
    keras: str
    tensorflow: str

    @property
    def folder(self) -> str:
        """Return the name of the folders that belong to this writer."""
        return self.label.replace(" ", "-").lower()

    @property
    def requirements(self) -> tuple[tuple[str, ...], ...]:
        """Return the arguments of each call of pip, in order."""
        tensorflow = f"{_TENSORFLOW}=={self.tensorflow}"
        package = self.module.partition(".")[0]
        if package == "keras":
            return ((tensorflow, f"keras=={self.keras}"),)
        # NOTE: tf_keras requires the distribution `tensorflow`, which unpacks into the folder of tensorflow-cpu.
        return ((tensorflow,), ("--no-deps", f"{package}=={self.keras}"))


WRITERS: Mapping[str, Writer] = {
    one.label: one
    for one in (
        Writer("Keras 2.12", _TF_KERAS, "2.12.0", "2.12.1"),
        Writer("Keras 2.15", _TF_KERAS, "2.15.0", "2.15.1"),
        Writer("tf_keras 2.16", "tf_keras", "2.16.0", "2.16.2"),
        Writer("tf_keras 2.21", "tf_keras", "2.21.0", "2.21.0"),
        Writer("Keras 3.0", "keras", "3.0.5", "2.16.2"),
        Writer("Keras 3.3", "keras", "3.3.3", "2.16.2"),
        Writer("Keras 3.6", "keras", "3.6.0", "2.18.1"),
        Writer("Keras 3.10", "keras", "3.10.0", "2.19.1"),
        Writer("Keras 3.15", "keras", "3.15.1", "2.21.0"),
    )
}


def default_work() -> Path:
    """Return where environments and files go unless told otherwise: a folder of the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "convoy-compatibility"


def prepared(writer: Writer, work: Path, *, python: str, progress: Callable[[str], None]) -> Path:
    """Return the Python of a writer's environment under `work`, made now with `python` where it is not there.

    Raises WriterError with what pip said.
    """
    folder = work / "environments" / writer.folder
    inside = folder / "bin" / "python"
    if (folder / _READY).is_file():
        return inside
    progress(f"{writer.label}: installing")
    finished([python, "-m", "venv", "--clear", str(folder)])
    for arguments in writer.requirements:
        finished([str(inside), *_INSTALL, *arguments])
    (folder / _READY).touch()
    return inside


def finished(command: list[str]) -> None:
    """Run a command in the repository's root, without what the user's environment says about Python or Keras.

    Raises WriterError with its last words.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KERAS", "TF_"))}
    with tempfile.TemporaryDirectory(prefix="convoy-keras-") as home:
        ours = {"KERAS_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(command, cwd=ROOT, env=clean | ours, text=True, capture_output=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise WriterError(f"{' '.join(command[1:])} failed: {last}")
