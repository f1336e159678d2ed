"""The scan against what real Keras writes, and against models that other people trained."""

import ast
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.builder.scan import scan_source
from service.builder.scan.allowed import ACTIVATIONS, INITIALIZERS, is_stock_class
from service.builder.scan.operations import CONTROL_FLOW, OPERATIONS
from service.builder.scan.refused import REFUSED
from service.errors import ModelError, UnsafeModelError, UnsupportedModelError

keras: Any = pytest.importorskip("keras")
layers: Any = keras.layers

# What Keras has to say about HDF5, Lambda and old arguments.
pytestmark = pytest.mark.filterwarnings("ignore")

SHARED = Path(os.environ.get("CONVOY_SHARED", Path(__file__).parents[4] / "shared"))
WILD = SHARED / "wild"
SUFFIXES = [".keras", ".h5"]

# Base classes, and what is in every model anyway.
NOT_LAYERS = {"InputLayer", "InputSpec", "Layer", "Wrapper"}
# Operations that allocate by a number in the file, without a tensor to start from.
ALLOCATING = {"Arange", "Array", "Full", "Geomspace", "Linspace", "Logspace"}

IMAGE = (16, 16, 3)
SEQUENCE = (6, 4)
VOLUME = (4, 8, 8, 3)
VECTOR = (4,)
# Layers that need arguments, or another input than an image.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "Activation": {"activation": "gelu"},
    "CategoryEncoding": {"num_tokens": 4},
    "CenterCrop": {"height": 4, "width": 4},
    "Discretization": {"bin_boundaries": [0.0, 1.0]},
    "EinsumDense": {"equation": "abcd,de->abce", "output_shape": (16, 16, 2)},
    "Embedding": {"input_dim": 9, "output_dim": 2},
    "HashedCrossing": {"num_bins": 4},
    "Hashing": {"num_bins": 4},
    "IntegerLookup": {"vocabulary": [1, 2]},
    "MaxNumBoundingBoxes": {"max_number": 3},
    "Normalization": {"mean": [0.0, 0.0, 0.0], "variance": [1.0, 1.0, 1.0]},
    "Permute": {"dims": (2, 1, 3)},
    "RandomCrop": {"height": 4, "width": 4},
    "RandomPosterization": {"factor": 4},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "RepeatVector": {"n": 2},
    "Rescaling": {"scale": 1 / 255},
    "Reshape": {"target_shape": (-1,)},
    "Resizing": {"height": 4, "width": 4},
    "ReversibleEmbedding": {"input_dim": 9, "output_dim": 2},
    "StringLookup": {"vocabulary": ["a", "b"]},
    "TextVectorization": {"vocabulary": ["a", "b"]},
}
DEFAULTS: dict[str, Any] = {
    "axes": 1, "dims": (1, 2), "factor": 0.1, "filters": 2, "head_dim": 2, "kernel_size": 3, "key_dim": 2,
    "num_heads": 2, "num_key_value_heads": 2, "num_query_heads": 2, "output_size": 2, "pool_size": 2,
    "rate": 0.1, "size": 2, "stddev": 0.1, "units": 2,
}  # fmt: skip
PARTS: dict[str, Callable[[], Any]] = {
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(2)),
    "Pipeline": lambda: layers.Pipeline([layers.Rescaling(2.0)]),
    "RNN": lambda: layers.RNN(layers.GRUCell(2)),
    "SpectralNormalization": lambda: layers.SpectralNormalization(layers.Conv2D(2, 3)),
    "StackedRNNCells": lambda: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(2), layers.SimpleRNNCell(2)])),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(2)),
}


def stock_layers() -> list[str]:
    names = (name for name in dir(layers) if inspect.isclass(getattr(layers, name)))
    return sorted(set(names) - set(REFUSED) - NOT_LAYERS)


def make(name: str) -> Any:
    """Return a layer of that class, with the least it needs."""
    if name in PARTS:
        return PARTS[name]()
    kind = getattr(layers, name)
    required = [p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
    return kind(**ARGUMENTS.get(name, {key: DEFAULTS[key] for key in required if key in DEFAULTS}))


def model_with(layer: Any) -> Any:
    """Return a small model around the layer, on the first kind of input it accepts; unbuilt if none is."""
    for shape in (IMAGE, SEQUENCE, VOLUME, VECTOR):
        tensor = keras.Input(shape)
        for inputs in (tensor, [tensor, tensor]):
            try:
                return keras.Model(tensor, layer(inputs))
            except Exception:  # noqa: BLE001 - the next kind of input; Keras raises all sorts
                continue
    return keras.Sequential([layer])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", stock_layers())
def test_every_stock_layer_passes(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    try:
        model_with(make(name)).save(path)
    except (TypeError, NotImplementedError, ImportError) as error:
        pytest.skip(f"Keras itself cannot save it: {error}")
    report = scan_source(path)
    assert report.kind == {".keras": "keras", ".h5": "hdf5"}[suffix]
    assert report.keras_version == keras.__version__


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", sorted(ACTIVATIONS - {"softmax_v2"}))
def test_every_activation_passes(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input((8,)), layers.Dense(8, activation=kind)]).save(path)
    scan_source(path)


@pytest.mark.parametrize("name", sorted(n for n in INITIALIZERS if n[0].isupper() and "STFT" not in n))
def test_every_initializer_passes(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.keras"
    initializer = getattr(keras.initializers, name)()
    model = keras.Sequential([layers.Dense(8, kernel_initializer=initializer)])
    model.save(path)
    scan_source(path)


@pytest.mark.parametrize("module", ["numpy", "nn", "image", "math", "linalg", "core", "einops"])
def test_every_operation_of_keras_is_judged(module: str) -> None:
    source = inspect.importlib.import_module(f"keras.src.ops.{module}")  # type: ignore[attr-defined]
    names = {
        name
        for name, kind in vars(source).items()
        if inspect.isclass(kind) and issubclass(kind, keras.Operation) and kind.__module__ == source.__name__
    }
    assert names <= OPERATIONS | CONTROL_FLOW | ALLOCATING
    assert not OPERATIONS & (CONTROL_FLOW | ALLOCATING)
    assert all(is_stock_class(name, module=source.__name__) for name in names & OPERATIONS)


def classes_in(module: Any) -> dict[str, str]:
    """Return the code of each class of a module, which is parsed once: `inspect.getsource` would for each class."""
    text = inspect.getsource(module)
    found = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))
    lines = text.splitlines()
    return {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in found}


def test_no_listed_operation_takes_a_function() -> None:
    for module in ("numpy", "nn", "image", "math", "linalg", "core", "einops"):
        source = inspect.importlib.import_module(f"keras.src.ops.{module}")  # type: ignore[attr-defined]
        code_of = {source.__name__: classes_in(source)}
        for name in OPERATIONS & set(vars(source)):
            home = getattr(source, name).__module__
            if home not in code_of:
                code_of[home] = classes_in(sys.modules[home])
            assert "deserialize_keras_object" not in code_of[home][name]
            assert not {"fn", "f", "func", "function", "body", "cond", "true_fn", "branches", "fun"} & {
                parameter
                for method in ("__init__", "call")
                for parameter in inspect.signature(getattr(getattr(source, name), method)).parameters
            }


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2", "vgg16", "densenet", "efficientnet", "convnext"])
def test_preprocessing_written_into_the_model_passes(tmp_path: Path, name: str, suffix: str) -> None:
    image = keras.Input((32, 32, 3))
    tensor = getattr(keras.applications, name).preprocess_input(image)
    tensor = layers.Conv2D(2, 3, activation=keras.ops.relu)(tensor[..., ::-1] / 255.0)
    inner = keras.Sequential([layers.GlobalAveragePooling2D(), layers.Dense(2, activation=layers.LeakyReLU())])
    inner.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model = keras.Model(image, inner(tensor))
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.save(tmp_path / f"model{suffix}")
    assert scan_source(tmp_path / f"model{suffix}").loss == "CategoricalCrossentropy"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "policy",
    ["mixed_bfloat16", "float16", keras.dtype_policies.QuantizedDTypePolicy("int8", "float32")],
    ids=str,
)
def test_other_precisions_pass(tmp_path: Path, policy: Any, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input((8,)), layers.Dense(2, dtype=policy)]).save(path)
    scan_source(path)


@pytest.mark.parametrize("name", ["ConvNeXtTiny", "InceptionResNetV2", "MobileNetV3Small", "EfficientNetV2B0"])
def test_applications_pass(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.keras"
    getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3), classes=3).save(path)
    scan_source(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_lambda_is_refused_by_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    inner = keras.Sequential([layers.Lambda(lambda x: x / 255, name="scale"), layers.Flatten()], name="inner")
    keras.Sequential([keras.Input(IMAGE), inner]).save(path)
    with pytest.raises(UnsafeModelError, match="Layer `inner/scale` is a Lambda layer"):
        scan_source(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_custom_layer_is_unsupported(tmp_path: Path, suffix: str) -> None:
    class Attend(layers.Layer):
        """Somebody's own layer."""

    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input(IMAGE), Attend(name="mine")]).save(path)
    with pytest.raises(UnsupportedModelError, match="Layer `mine`: custom class `Attend`"):
        scan_source(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_truncation_of_a_real_file_is_a_diagnosis(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Flatten()]).save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            scan_source(path)


REFUSED_IN_THE_WILD = {
    "model_lambda.h5": (UnsafeModelError, "`lambda_3` is a Lambda layer"),
    "sequential_lambda.h5": (UnsafeModelError, "`lambda_1` is a Lambda layer"),
    "best_weights.h5": (UnsupportedModelError, "weights and no architecture"),
    "weights.h5": (UnsupportedModelError, "weights and no architecture"),
    "pre_pr22362_nested_container.keras": (UnsupportedModelError, "custom class `legacy_nested_container>"),
}


def wild_files() -> list[Path]:
    return sorted(path for path in WILD.rglob("*") if path.suffix in {".keras", ".h5", ".hdf5"})


@pytest.mark.skipif(not WILD.is_dir(), reason="the folder of models from elsewhere (CONVOY_SHARED) is absent")
def test_models_from_elsewhere_are_judged_as_their_notes_say() -> None:
    for path in wild_files():
        if path.name in REFUSED_IN_THE_WILD:
            error, what = REFUSED_IN_THE_WILD[path.name]
            with pytest.raises(error, match=what):
                scan_source(path)
        else:
            report = scan_source(path)
            assert report.kind == "hdf5"
            assert report.written_with.startswith(("Keras 1.", "Keras 2."))


@pytest.mark.skipif(not WILD.is_dir(), reason="the folder of models from elsewhere (CONVOY_SHARED) is absent")
def test_everything_else_from_elsewhere_is_told_apart() -> None:
    others = [path for path in WILD.rglob("*") if path.is_file() and path not in wild_files()]
    for path in others:
        with pytest.raises(ModelError):
            scan_source(path)
