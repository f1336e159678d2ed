"""Judges one object of the architecture.

An object is `{"class_name": …, "config": …}`; Keras 3 adds `module` and `registered_name`.
"""

import builtins
import sys
from collections.abc import Callable

from service.builder.scan.allowed import (
    DTYPE_POLICIES,
    LOSSES,
    OPTIMIZERS,
    REGISTERED_BY_KERAS,
    is_stock_class,
    is_stock_function,
    is_stock_module,
)
from service.builder.scan.operations import TF_FUNCTIONS, TF_KERNELS
from service.builder.scan.refused import REFUSED
from service.builder.scan.report import JsonValue
from service.builder.scan.wording import Place, shown
from service.errors import BrokenModelError, CustomCodeError, ModelError, UnsafeModelError, UnsupportedModelError

Object = dict[str, JsonValue]

# Values that JSON has no notation for. Their contents are walked like everything else.
_VALUES = frozenset(("__keras_tensor__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__", "TensorShape"))
_ARRAYS = frozenset(("__tensor__", "__numpy__"))
# Parts of a layer or of a training: a name of theirs is no layer's name.
_UNNAMED = DTYPE_POLICIES | LOSSES | OPTIMIZERS
_NUMERIC = ("float", "bfloat", "int", "uint", "bool", "complex")
_KERAS_ROOTS = frozenset(("keras", "tf_keras", "tensorflow", "tf"))
WAY_OUT = "Where the code is your own, build it yourself: `convoy build FILE --trust-code my_layers.py`."
_CUSTOM = (
    "which is not part of Keras. Convoy runs no code from a model file. Rebuild the model from stock"
    f" layers and save it again. {WAY_OUT}"
)


def check_object(node: Object, place: Place) -> Place:
    """Refuse an object that is not on the allow-list; return the place its contents are in.

    Raises:
        UnsafeModelError: it runs code, reads files or names a function that is neither activation nor loss.
        UnsupportedModelError: its class or function is not part of Keras.
        BrokenModelError: it is no such object at all.
    """
    name, module = _text(node, "class_name", place), _text(node, "module", place)
    if name is None:
        raise _malformed(place)
    if name in _VALUES:
        return place
    if name in _ARRAYS:
        return _check_array(node, place)
    if name == "function":
        return _check_function(node, module, place)
    inner = _place_of(node, name, place)
    _check_class(node, name, module, inner)
    if name in _RULES:
        _RULES[name](node, inner)
    return inner


def _check_class(node: Object, name: str, module: str | None, place: Place) -> None:
    # NOTE: whatever the module: tf_keras looks a class up by its name alone.
    if name in REFUSED:
        error, why = REFUSED[name]
        raise error(f"{place} {why}")
    registered = _text(node, "registered_name", place) or name
    if registered != name and REGISTERED_BY_KERAS.get(registered) != name:
        raise _custom(registered, module, place)
    if not is_stock_class(REGISTERED_BY_KERAS.get(name, name), module=module):
        raise _not_stock(name, module, place)


def _not_stock(name: str, module: str | None, place: Place) -> ModelError:
    if _is_dangerous(module) and not is_stock_module(str(module)):
        return _dangerous(f"{module}.{name}", place)
    if module is not None and is_stock_module(module):
        return UnsupportedModelError(
            f"{place}: class {shown(name)} of {shown(module)} is not among the Keras classes known to be"
            " harmless (Keras 3.15). If a newer Keras wrote the file, update Convoy or save it with an"
            " older Keras."
        )
    return _custom(name, module, place)


def _check_function(node: Object, module: str | None, place: Place) -> Place:
    name = _text(node, "config", place)
    registered = _text(node, "registered_name", place)
    if name is None:
        raise _malformed(place)
    if is_stock_function(name, module=module) and registered in (None, name):
        return place
    full = name if module in (None, "builtins") else f"{module}.{name}"
    if _is_dangerous(full) or hasattr(builtins, name):
        raise _dangerous(full, place)
    raise CustomCodeError(f"{place}: the function {shown(full)} is custom code, {_CUSTOM}", name=name)


def _check_array(node: Object, place: Place) -> Place:
    config = node.get("config")
    dtype = config.get("dtype") if isinstance(config, dict) else None
    if not isinstance(dtype, str) or not dtype.startswith(_NUMERIC):
        raise UnsafeModelError(
            f"{place}: a constant has the type {shown(str(dtype))}; only numbers are read from a model"
            " file. Save the model again with numeric constants."
        )
    return place


def _check_tf_function(node: Object, place: Place) -> None:
    config = node.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if not isinstance(function, str) or function.removeprefix("compat.v1.") not in TF_FUNCTIONS:
        raise UnsafeModelError(
            f"{place} calls {shown(f'tf.{function}')}, which is not among the TensorFlow functions that"
            " only compute numbers from numbers. Replace it by a Keras layer and save the model again."
        )


def _check_kernel(node: Object, place: Place) -> None:
    config = node.get("config")
    kernel = config.get("node_def") if isinstance(config, dict) else None
    name = kernel.get("op") if isinstance(kernel, dict) else None
    if name not in TF_KERNELS:
        raise UnsafeModelError(
            f"{place} holds the TensorFlow kernel {shown(str(name))}, which is not among those that only"
            " compute numbers from numbers. Replace it by a Keras layer and save the model again."
        )


_RULES: dict[str, Callable[[Object, Place], None]] = {
    "TFOpLambda": _check_tf_function,
    "SlicingOpLambda": _check_tf_function,
    "TensorFlowOpLayer": _check_kernel,
}


def _place_of(node: Object, class_name: str, place: Place) -> Place:
    if place.is_model_known and class_name in _UNNAMED:
        return place
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    name = name or node.get("name")
    if not isinstance(name, str):
        return place.inside(class_name) if not place.is_model_known else place
    if ".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\")) or "\0" in name:
        raise UnsafeModelError(
            f"{place}: the layer name {shown(name)} is a path out of the folder it would be written to."
            " Rename the layer."
        )
    return place.inside(name)


def _custom(name: str, module: str | None, place: Place) -> CustomCodeError:
    origin = f" from module {shown(module)}" if module else ""
    return CustomCodeError(f"{place}: custom class {shown(name)}{origin}, {_CUSTOM}", name=name)


def _dangerous(name: str, place: Place) -> UnsafeModelError:
    return UnsafeModelError(
        f"{place} names {shown(name)}, which is no layer, activation or initializer: loading would call it."
        " No saved model needs that; do not use this file unless you know who made it and why."
    )


def _is_dangerous(name: str | None) -> bool:
    return _root(name) in sys.stdlib_module_names | _KERAS_ROOTS | {"builtins"}


def _root(module: str | None) -> str | None:
    return module.split(".", maxsplit=1)[0] if module is not None else None


def _text(node: Object, key: str, place: Place) -> str | None:
    value = node.get(key)
    if value is not None and not isinstance(value, str):
        raise _malformed(place)
    return value


def _malformed(place: Place) -> BrokenModelError:
    return BrokenModelError(
        f"{place} holds an object description that Keras never writes. The file is damaged or was edited:"
        " save the model again with `model.save(...)`."
    )
