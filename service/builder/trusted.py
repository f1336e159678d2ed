"""Owns running the user's own layers where the user said so (`--trust-code`): a Python file becomes custom objects."""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from service.errors import TrustedCodeError


def custom_objects(path: Path | None, *, library: Any) -> dict[str, Any]:
    """Run the Python file `path` and return the classes and functions it defines by every name a model may use.

    Those are the bare name and, where it is registered with `library` (keras or tf_keras), `package>name`. Empty where
    `path` is None. Raises TrustedCodeError where the file does not run.
    """
    if path is None:
        return {}
    module = _run(path)
    own = {name: one for name, one in vars(module).items() if _is_defined_in(one, module)}
    return own | {library.utils.get_registered_name(one): one for one in own.values()}


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TrustedCodeError(f"{path.name} is no Python file; give the .py file that defines your layers.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))  # what it imports from beside itself
    try:
        spec.loader.exec_module(module)
    except MemoryError:
        raise
    except Exception as error:
        raise TrustedCodeError(f"{path.name} does not run: {type(error).__name__}: {error}") from error
    return module


def _is_defined_in(value: Any, module: ModuleType) -> bool:
    return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
