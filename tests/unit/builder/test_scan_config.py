"""What an architecture may name, and the diagnosis where it names something else."""

from typing import Any

import pytest

from service.builder.scan.config import check_config
from service.builder.scan.report import ScanLimits
from service.errors import BrokenModelError, CustomCodeError, ModelError, UnsafeModelError, UnsupportedModelError

LIMITS = ScanLimits()


def layer(class_name: str, name: str = "suspect", module: str | None = "keras.layers", **config: Any) -> Any:
    node = {"class_name": class_name, "config": {"name": name, **config}, "registered_name": None}
    return node if module is None else {"module": module, **node}


def model(*layers: Any, name: str = "net", **extra: Any) -> Any:
    return layer("Sequential", name, "keras", layers=list(layers)) | extra


def function(name: str, module: str | None = "builtins", registered: str | None = None) -> Any:
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": registered or name,
    }


def refusal(config: Any, error: type[ModelError]) -> str:
    with pytest.raises(error) as caught:
        check_config(config, limits=LIMITS)
    return caught.value.message


LAMBDA = layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None}})
BARE_LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEA"}}

HARMLESS = {
    "stock layer": layer("Conv2D", activation="relu", kernel_initializer="glorot_uniform"),
    "layer of an HDF5 file": layer("Conv2D", module=None, activation="softmax"),
    "TensorFlow 1 name": layer("BatchNormalizationV1", module=None),
    "Keras 1 name": layer("Convolution2D", module=None, border_mode="same"),
    "activation that is a layer": layer("Dense", activation=layer("LeakyReLU", "leak")),
    "activation of Keras 2": layer("Dense", module=None, activation="softmax_v2"),
    "activation as a function": layer("Dense", activation=function("gelu")),
    "initializer": layer(
        "Dense",
        kernel_initializer={
            "module": "keras.initializers",
            "class_name": "HeNormal",
            "config": {"seed": None},
        },
    ),
    "dtype policy": layer(
        "Dense", dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    ),
    "operation": layer("TrueDivide", "divide", "keras.src.ops.numpy") | {"registered_name": "TrueDivide"},
    "operation of Keras 2": layer("TFOpLambda", module="keras.src.layers.core.tf_op_layer", function="math.truediv"),
    "slice of Keras 2": layer("SlicingOpLambda", module=None, function="__operators__.getitem"),
    "v1 function": layer("TFOpLambda", module=None, function="compat.v1.nn.dropout"),
    "kernel of TensorFlow 2.1": layer("TensorFlowOpLayer", module=None, node_def={"name": "x", "op": "RealDiv"}),
    "model of Keras 2.12": layer("Functional", module="keras.engine.functional") | {"registered_name": "Functional"},
    "model of Keras 2.15": layer("Functional", module="keras.src.engine.functional"),
    "layer of an application": layer("LayerScale", module="keras.src.applications.convnext"),
    "layer of an application, registered": layer(
        "CustomScaleLayer", module="tf_keras.src.applications.inception_resnet_v2"
    )
    | {"registered_name": "Custom>CustomScaleLayer"},
    "the same in HDF5": layer("Custom>CustomScaleLayer", module=None),
    "initializer of TensorFlow": layer(
        "Dense",
        bias_initializer={
            "module": "tensorflow.python.ops.init_ops_v2",
            "class_name": "Constant",
            "config": {},
        },
    ),
    "words in the file": layer("StringLookup", vocabulary=["cat", "dog"]),
    "compiled inner model": model(
        name="inner",
        compile_config={
            "optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {"name": "adam"}},
            "loss": {"module": "keras.losses", "class_name": "CategoricalCrossentropy", "config": {}},
        },
    ),
    "constant": layer(
        "Add",
        module="keras.src.ops.numpy",
        y={"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}},
    ),
    "slice and ellipsis": [
        {"class_name": "__ellipsis__", "config": {}},
        {"class_name": "__slice__", "config": {}},
    ],
}


@pytest.mark.parametrize("part", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_harmless_part_passes(part: Any) -> None:
    config = model(part)
    assert check_config(config, limits=LIMITS) is config


def test_the_outermost_training_configuration_is_not_looked_at() -> None:
    check_config(model(compile_config={"loss": function("my_loss", "my_losses")}), limits=LIMITS)


def test_an_inner_training_configuration_is() -> None:
    inner = model(name="inner", compile_config={"loss": function("my_loss", "my_losses")})
    assert "`my_losses.my_loss` is custom code" in refusal(model(inner), UnsupportedModelError)


def test_the_old_list_of_layers_is_walked() -> None:
    config = {
        "class_name": "Sequential",
        "config": [layer("Dense", module=None), layer("Lambda", module=None)],
    }
    assert refusal(config, UnsafeModelError).startswith("Layer `suspect` is a Lambda layer")


HIDDEN = {
    "in a nested model": (model(model(LAMBDA, name="features")), "features/suspect"),
    "in a wrapper": (model(layer("Bidirectional", "both", layer=LAMBDA)), "both/suspect"),
    "in TimeDistributed": (model(layer("TimeDistributed", "td", layer=LAMBDA)), "td/suspect"),
    "in a merge layer": (model(layer("Add", "sum", extra={"deep": [[LAMBDA]]})), "sum/suspect"),
    "as an activation": (model(layer("Dense", "head", activation=LAMBDA)), "head/suspect"),
    "bare, as an activation": (model(layer("Dense", "head", activation=BARE_LAMBDA)), "head"),
    "in a call's arguments": (
        model({**layer("Dense", "head"), "inbound_nodes": [{"kwargs": {"m": LAMBDA}}]}),
        "head/suspect",
    ),
    "in a build configuration": (
        model({**layer("Dense", "head"), "build_config": {"x": LAMBDA}}),
        "head/suspect",
    ),
    "in a cell": (
        model(layer("RNN", "rnn", cell=layer("StackedRNNCells", "cells", cells=[LAMBDA]))),
        "rnn/cells/suspect",
    ),
    "without a module": (model(layer("Lambda", module=None)), "suspect"),
    "under a private module": (
        model(layer("Lambda", module="keras.src.layers.core.lambda_layer")),
        "suspect",
    ),
}


@pytest.mark.parametrize(("config", "path"), HIDDEN.values(), ids=HIDDEN.keys())
def test_a_lambda_is_refused_by_name_wherever_it_hides(config: Any, path: str) -> None:
    message = refusal(config, UnsafeModelError)
    assert message.startswith(f"Layer `{path}` is a Lambda layer")
    assert "runs no code from a model file" in message


@pytest.mark.parametrize("name", ["TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"])
def test_layers_that_load_programs_are_refused(name: str) -> None:
    assert f"`suspect` is a {name} layer" in refusal(model(layer(name)), UnsafeModelError)


@pytest.mark.parametrize("name", ["Cond", "Switch", "WhileLoop", "Scan", "AssociativeScan", "Map", "VectorizedMap"])
def test_operations_that_call_functions_are_refused(name: str) -> None:
    assert "calls functions" in refusal(model(layer(name, module="keras.src.ops.core")), UnsafeModelError)


FUNCTIONS = {
    "a Keras function": function("get_file", "keras.utils"),
    "a Keras function, dotted": function("keras.utils.get_file"),
    "a function beside the activations": function("deserialize", "keras.activations"),
    "an operation that takes functions": function("map", "keras.ops"),
    "a module of Python": function("system", "os"),
    "a builtin": function("eval"),
    "a builtin without module": function("exec", None),
    "TensorFlow": function("write_file", "tensorflow.io"),
}


@pytest.mark.parametrize("node", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_a_function_that_is_no_activation_is_refused(node: Any) -> None:
    message = refusal(model(layer("Dense", "head", activation=node)), UnsafeModelError)
    assert message.startswith("Layer `head` names `")


def test_a_custom_function_is_unsupported() -> None:
    message = refusal(model(layer("Dense", "head", activation=function("swoosh", "my_layers"))), UnsupportedModelError)
    assert message.startswith("Layer `head`: the function `my_layers.swoosh` is custom code")


def test_an_activation_registered_under_another_name_is_refused() -> None:
    node = function("relu", "keras.activations", registered="pkg>relu")
    assert "keras.activations.relu" in refusal(model(layer("Dense", "head", activation=node)), UnsafeModelError)


CUSTOM = {
    "by module": (layer("Squeeze", module="my_layers"), "`Squeeze` from module `my_layers`"),
    "stock name, other module": (layer("Dense", module="my_layers"), "`Dense` from module `my_layers`"),
    "registered": (layer("Dense") | {"registered_name": "Pkg>Dense"}, "`Pkg>Dense`"),
    "HDF5": (layer("FixedDropout", module=None), "`FixedDropout`"),
    "HDF5, registered": (layer("Addons>GELU", module=None), "`Addons>GELU`"),
    "from the main program": (layer("Net", module="__main__"), "`Net` from module `__main__`"),
    "another Keras package": (
        layer("ViT", module="keras_hub.src.models.vit"),
        "`ViT` from module `keras_hub",
    ),
}


@pytest.mark.parametrize(("part", "what"), CUSTOM.values(), ids=CUSTOM.keys())
def test_a_custom_class_is_unsupported_and_the_way_out_is_named(part: Any, what: str) -> None:
    message = refusal(model(part), UnsupportedModelError)
    assert message.startswith(f"Layer `suspect`: custom class {what}")
    assert "Rebuild the model from stock layers" in message


def test_a_subclassed_model_is_unsupported() -> None:
    config: Any = {"module": None, "class_name": "MyNet", "config": {}, "registered_name": "MyNet"}
    assert refusal(config, UnsupportedModelError).startswith("The model: custom class `MyNet`, which is not")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("keras.utils", "get_file"),
        ("keras.datasets.mnist", "load_data"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("tensorflow", "Module"),
        ("keras.src.saving.saving_lib", "load_model"),
    ],
)
def test_a_class_from_a_module_that_can_do_harm_is_unsafe(module: str, name: str) -> None:
    assert f"names `{module}.{name}`" in refusal(model(layer(name, module=module)), UnsafeModelError)


def test_an_unknown_class_of_keras_may_be_of_a_newer_one() -> None:
    assert "newer Keras" in refusal(model(layer("Conv7D")), UnsupportedModelError)


@pytest.mark.parametrize("function", ["io.write_file", "py_function", "map_fn", "raw_ops.ReadFile", 3, None])
def test_tensorflow_functions_are_listed_by_name(function: Any) -> None:
    message = refusal(model(layer("TFOpLambda", module=None, function=function)), UnsafeModelError)
    assert message.startswith(f"Layer `suspect` calls `tf.{function}`")


@pytest.mark.parametrize("node_def", [{"op": "ReadFile"}, {"op": "PyFunc"}, "\n\x07truediv", None])
def test_tensorflow_kernels_are_listed_by_name(node_def: Any) -> None:
    refusal(model(layer("TensorFlowOpLayer", module=None, node_def=node_def)), UnsafeModelError)


@pytest.mark.parametrize("name", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("path", ["/etc/passwd", "http://169.254.169.254/x", {"class_name": "__bytes__", "config": {}}])
def test_a_vocabulary_in_another_file_is_refused(name: str, path: Any) -> None:
    assert "as its vocabulary" in refusal(model(layer(name, vocabulary=path)), UnsafeModelError)


@pytest.mark.parametrize(
    "key",
    ["activation", "recurrent_activation", "kernel_initializer", "bias_regularizer", "kernel_constraint"],
)
def test_a_string_that_names_a_custom_function_is_unsupported(key: str) -> None:
    message = refusal(model(layer("LSTM", module=None, **{key: "my_function"})), UnsupportedModelError)
    assert message.startswith("Layer `suspect`: `my_function` is no ")


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "a/../../b", "/tmp/x", "..\\x"])
def test_a_layer_name_that_is_a_path_is_refused(name: str) -> None:
    assert "path out of the folder" in refusal(model(layer("Dense", name)), UnsafeModelError)


@pytest.mark.parametrize("dtype", ["object", "O", "str", None])
def test_a_constant_that_is_not_numeric_is_refused(dtype: Any) -> None:
    constant = {"class_name": "__numpy__", "config": {"value": [1], "dtype": dtype}}
    assert "only numbers" in refusal(model(layer("Add", y=constant)), UnsafeModelError)


@pytest.mark.parametrize("class_name", ["__typespec__", "TypeSpec", "CompositeTensor"])
def test_special_tensors_are_unsupported(class_name: str) -> None:
    refusal(model({"class_name": class_name, "config": []}), UnsupportedModelError)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        3,
        "Sequential",
        {},
        {"class_name": "Sequential"},
        {"class_name": 3, "config": {}},
        {"class_name": None, "config": {}},
        model({"class_name": "Dense", "module": 5, "config": {}}),
        model({"class_name": ["Dense"], "config": {}}),
        model({"class_name": "function", "config": {}}),
    ],
)
def test_what_is_no_architecture_is_broken(config: Any) -> None:
    refusal(config, BrokenModelError)


def test_brackets_may_not_nest_without_end() -> None:
    deep: Any = []
    for _ in range(LIMITS.max_config_depth):
        deep = [deep]
    assert "nests its brackets" in refusal(model(layer("Dense", extra=deep)), UnsafeModelError)


def test_a_name_from_the_file_is_shown_on_one_short_line() -> None:
    message = refusal(model(layer("Lambda", "a`b\n\x1b[31m" + "x" * 500)), UnsafeModelError)
    assert message.startswith("Layer `a?b??[31mxxx")
    assert "\n" not in message
    assert "x" * 100 not in message


# --------------------------------------------------------------------------------------------- the user's own code

OWN = frozenset({"Scale", "mine>Scale", "bump"})
TRUSTED = {
    "registered class": layer("Scale", module="my_layers") | {"registered_name": "mine>Scale"},
    "class of an HDF5 file": {"class_name": "mine>Scale", "config": {"name": "scale"}},
    "function": layer("Dense", activation=function("bump", "my_layers")),
    "function by its name": layer("Dense", activation="bump"),
}
DISGUISED = {
    "Lambda of a foreign module": layer("Lambda", module="foo") | {"registered_name": "mine>Scale"},
    "Lambda under a trusted name": layer("Lambda", module="my_layers") | {"registered_name": "Scale"},
    "TensorFlow function": layer("TFOpLambda", module="foo", function="io.write_file")
    | {"registered_name": "mine>Scale"},
    "other class under a trusted name": layer("Evil", module="my_layers") | {"registered_name": "mine>Scale"},
    "trusted class under another name": layer("Scale", module="my_layers") | {"registered_name": "mine>Evil"},
    "function of Python": layer("Dense", activation=function("eval", "builtins")),
}


@pytest.mark.parametrize("kind", TRUSTED)
def test_what_the_user_trusts_passes_and_nothing_else_does(kind: str) -> None:
    check_config(model(TRUSTED[kind]), trusted=OWN, limits=LIMITS)
    with pytest.raises(CustomCodeError):
        check_config(model(TRUSTED[kind]), limits=LIMITS)


@pytest.mark.parametrize("kind", DISGUISED)
def test_a_trusted_name_opens_the_door_to_no_other(kind: str) -> None:
    with pytest.raises(ModelError):
        check_config(model(DISGUISED[kind]), trusted=OWN, limits=LIMITS)
