"""Owns running the user's own layers where the user said so (`--trust-code`): a Python file becomes custom objects."""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from service.errors import TrustedCodeError

_LIBRARIES = sys.stdlib_module_names | {"keras", "tf_keras", "tensorflow", "numpy"}


def custom_objects(path: Path | None, *, library: Any) -> dict[str, Any]:
    """Run the Python file `path` and return the classes and functions in it by every name a model may use.

    Those are the bare name and, where it is registered with `library` (keras or tf_keras), `package>name`. Empty where
    `path` is None. Raises TrustedCodeError where the file does not run.
    """
    if path is None:
        return {}
    module = _run(path)
    own = {name: one for name, one in vars(module).items() if _is_own(one)}
    return own | {library.utils.get_registered_name(one): one for one in own.values()}


def _run(path: Path) -> ModuleType:
    name = path.stem if path.stem not in sys.modules else f"trusted_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TrustedCodeError(f"{path.name} is no Python file; give the .py file that defines your layers.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))  # what it imports from beside itself
    try:
        spec.loader.exec_module(module)
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # SystemExit: a training script that looks for its arguments
        raise TrustedCodeError(f"{path.name} does not run: {type(error).__name__}: {error}") from error
    return module


def _is_own(value: Any) -> bool:
    """Return whether a class or function is the user's, here or imported from a project of theirs, not a library's."""
    root = str(getattr(value, "__module__", "")).partition(".")[0]
    return (inspect.isclass(value) or inspect.isfunction(value)) and root not in _LIBRARIES
