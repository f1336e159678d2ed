"""SavedModel folders from their writers to the answer; what wrote them is the oracle for every number."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from service.app import create_app
from service.builder.build import build as build_here
from service.builder.load import NextLoader
from service.builder.order import BuildOrder, Loader
from service.builder.process import BuildLimits, build_bundle
from service.builder.program import Facts
from service.builder.saved_model import load_saved_model, scan_saved_model
from service.cli.look import layers as show_layers
from service.errors import BrokenModelError, ModelError, SavedModelNotAllowedError, UnsupportedModelError
from service.model.sidecar import Sidecar
from service.model.stack import NO_LAYERS
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import Saved, sha256_of
from service.repository.sources import find_sources
from service.serving.builds import Builds
from service.serving.live_model import LiveModel, load_model
from service.settings import Settings

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # noqa: E402 (only after the skip)
from tensorflow.python.keras.protobuf.saved_metadata_pb2 import SavedMetadata  # noqa: E402

HALF_PLUS_TWO = "wild/savedmodel_not_keras/saved_model_half_plus_two"
ALLOWED = BuildLimits(seconds=180, memory=8 * 2**30, allow_saved_model=True)
Build = Callable[..., LiveModel]


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "cache")


@pytest.fixture
def build(store: BundleStore) -> Build:
    """Build a SavedModel folder here, at one step of the ladder, and load the bundle."""

    def build_one(folder: Path, *, loader: Loader = "keras") -> LiveModel:
        fingerprint = fingerprint_of(sha256_of(Saved(folder)))
        with store.staging("net") as staged:
            order = BuildOrder(
                saved=Saved(folder),
                staged=staged,
                name="net",
                version=1,
                fingerprint=fingerprint,
                memory=0,
                loader=loader,
            )
            build_here(order, progress=lambda _: None)
            bundle = store.add(staged, "net", fingerprint)
        return load_model(bundle, Sidecar(), 1, fingerprint)

    return build_one


def read(folder: Path) -> Facts:
    """Return what is read off a SavedModel folder, without building it."""
    order = BuildOrder(saved=Saved(folder), staged=folder, name="net", version=1, fingerprint="", memory=0)
    report = scan_saved_model(folder)
    return load_saved_model(folder, report, order=order, custom={}, progress=lambda _: None).facts(loss=report.loss)


def diagnosis(build: Build, folder: Path) -> str:
    with pytest.raises(UnsupportedModelError) as caught:
        build(folder)
    assert str(folder.parent) not in caught.value.message
    return caught.value.message


def randomised(model: Any) -> Any:
    random = np.random.default_rng(3)
    model.set_weights([np.abs(random.normal(0, 0.3, weight.shape)) + 0.01 for weight in model.get_weights()])
    return model


def classifier(library: Any, *head: Any, shape: tuple[int | None, ...] = (8, 8, 3)) -> Any:
    """Return a small net of Keras 3 or tf_keras that ends in `head`."""
    layers = library.layers
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    return randomised(library.Sequential([library.Input(shape, name="photo"), *stack, *head]))


def exported(model: Any, folder: Path) -> Path:
    """Save a model of Keras 3 as its own `export` does."""
    model.export(str(folder), verbose=False)
    return folder


def saved_module(folder: Path, answer: Callable[..., Any], *inputs: Any, **weights: Any) -> Path:
    """Save a function of plain TensorFlow, which takes these TensorSpecs and gets the module first."""
    module = tf.Module()
    for name, value in weights.items():
        setattr(module, name, tf.Variable(value))
    module.call = tf.function(lambda *fed: answer(module, *fed), input_signature=list(inputs))
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


def random(*shape: int, high: float = 1.0) -> Any:
    return np.random.default_rng(7).uniform(0, high, shape).astype("float32")


def assert_answers(live: LiveModel, arrays: dict[str, Any], expected: Any) -> None:
    found, _ = live.run(arrays, deadline=time.monotonic() + 60)
    for got, want in zip(found.values(), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(got, np.asarray(want), rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------------------------------ Keras' export


def test_an_export_of_keras_3_answers_as_keras_does(build: Build, tmp_path: Path) -> None:
    model = classifier(keras, keras.layers.Dense(5, activation="softmax"))
    live = build(exported(model, tmp_path / "net"))

    assert_answers(live, {"photo": random(9, 8, 8, 3)}, model(random(9, 8, 8, 3), training=False))
    facts = live.card.facts
    assert facts.source.file == "net"
    assert facts.source.written_by.startswith("Keras export, SavedModel (TensorFlow 2.")
    assert facts.source.loaded_by == f"TensorFlow {tf.__version__}"
    assert facts.verification[0].compared == "before the head"


def test_it_has_no_layers_and_says_what_it_has(build: Build, tmp_path: Path) -> None:
    model = classifier(keras, keras.layers.Dense(5, activation="softmax"))
    facts = build(exported(model, tmp_path / "net")).card.facts

    assert facts.layers is None
    assert facts.parameters == model.count_params()
    assert facts.summary.splitlines() == [
        'SavedModel, signature "serve"',
        "",
        "input   photo: float32 (None, 8, 8, 3)",
        "output  output_0: float32 (None, 5)",
        "",
        f"{model.count_params():,} parameters",
        "Its layers are not in it: a SavedModel holds operations. Save the model as .keras to have them shown.",
    ]


@pytest.mark.parametrize(
    ("head", "activation"),
    [
        ([("Dense", 5, "softmax")], "softmax"),
        ([("Dense", 5, None), ("Softmax",)], "softmax"),
        ([("Dense", 5, None)], "linear"),
        ([("Dense", 1, "sigmoid")], "sigmoid"),
        ([("Dense", 5, None), ("Rescaling", 2.0)], "linear"),
        ([("Dense", 5, "softmax"), ("Reshape", (5, 1))], "softmax"),
        ([("Dense", 6, "softmax"), ("Reshape", (3, 2))], None),
        ([("Dense", 5, "relu")], "relu"),
        ([("Dense", 5, "softmax"), ("Rescaling", 2.0)], None),
    ],
)
def test_what_it_ends_in_is_read_off_the_graph(tmp_path: Path, head: list[Any], activation: str | None) -> None:
    made = [getattr(keras.layers, kind)(*arguments) for kind, *arguments in head]
    (output,) = read(exported(classifier(keras, *made), tmp_path / "net")).outputs
    assert output.activation == activation


def test_logits_get_a_softmax(build: Build, tmp_path: Path) -> None:
    model = classifier(keras, keras.layers.Dense(5))
    assert build(exported(model, tmp_path / "net")).card.outputs[0].head == "logits"


def test_probabilities_averaged_over_a_map_are_still_probabilities(tmp_path: Path) -> None:
    layers = keras.layers
    stack = [layers.Conv2D(3, 3), layers.Softmax(), layers.GlobalAveragePooling2D()]
    model = randomised(keras.Sequential([keras.Input((8, 8, 3)), *stack]))

    assert read(exported(model, tmp_path / "net")).outputs[0].activation == "softmax"


def test_inputs_of_different_sizes_keep_their_names(build: Build, tmp_path: Path) -> None:
    layers = keras.layers
    zoomed, around = keras.Input((8, 8, 1), name="zoomed"), keras.Input((4, 6, 3), name="around")
    joined = layers.Concatenate()([layers.Flatten()(zoomed), layers.Flatten()(around)])
    model = randomised(keras.Model([zoomed, around], layers.Dense(3, activation="softmax")(joined)))
    live = build(exported(model, tmp_path / "net"))

    assert [one.spec.name for one in live.card.inputs] == ["around", "zoomed"]
    arrays = {"around": random(5, 4, 6, 3), "zoomed": random(5, 8, 8, 1)}
    assert_answers(live, arrays, model([arrays["zoomed"], arrays["around"]]))


def test_several_outputs_keep_their_names(build: Build, tmp_path: Path) -> None:
    photo = keras.Input((8, 8, 3), name="photo")
    flat = keras.layers.Flatten()(photo)
    outputs = {"kind": keras.layers.Dense(3, activation="softmax")(flat), "is_old": keras.layers.Dense(1)(flat)}
    model = randomised(keras.Model(photo, outputs))
    live = build(exported(model, tmp_path / "net"))

    expected = model(random(2, 8, 8, 3))
    found, _ = live.run({"photo": random(2, 8, 8, 3)}, deadline=time.monotonic() + 60)
    assert {one.spec.name: one.head for one in live.card.outputs} == {"kind": "softmax", "is_old": "binary-logit"}
    for name, array in found.items():
        np.testing.assert_allclose(array, np.asarray(expected[name]), rtol=1e-5, atol=1e-5)


def test_a_free_size_stays_free(build: Build, tmp_path: Path) -> None:
    model = classifier(keras, keras.layers.Dense(5), shape=(None, None, 3))
    live = build(exported(model, tmp_path / "net"))

    assert live.card.inputs[0].spec.shape == (None, None, None, 3)
    assert live.card.outputs[0].spec.shape == (None, 5)
    assert_answers(live, {"photo": random(2, 21, 34, 3)}, model(random(2, 21, 34, 3)))


@pytest.mark.parametrize(
    ("scaling", "taken"),
    [
        (lambda: keras.layers.Rescaling(1 / 255), "0..255"),
        (lambda: keras.layers.Rescaling(1 / 127.5, offset=-1), "0..255"),
        (lambda: keras.layers.Normalization(mean=[120.0, 110, 100], variance=[60.0**2] * 3), "0..255"),
        (lambda: keras.layers.Normalization(mean=[0.48, 0.45, 0.4], variance=[0.2**2] * 3), "0..1"),
        (lambda: keras.layers.Rescaling(2.0, offset=-1), "0..1"),
        (lambda: keras.layers.Rescaling(255.0), "0..1"),
        (lambda: keras.layers.Rescaling(0.5), None),
    ],
)
def test_scaling_in_the_graph_is_seen(tmp_path: Path, scaling: Callable[[], Any], taken: str | None) -> None:
    rest = [keras.layers.Resizing(8, 8), scaling(), keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((16, 16, 3)), *rest, keras.layers.Dense(3)])

    assert read(exported(model, tmp_path / "net")).inputs[0].scale == taken


def test_a_picture_for_a_graph_that_scales_is_not_scaled_before(build: Build, tmp_path: Path) -> None:
    rest = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *rest])
    recipe = build(exported(model, tmp_path / "net")).card.inputs[0].recipe

    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("0..255", "graph")


def test_an_activation_with_a_gradient_of_its_own_is_exported(build: Build, tmp_path: Path) -> None:
    model = classifier(keras, keras.layers.Dense(6, activation="silu"), keras.layers.Dense(3))
    live = build(exported(model, tmp_path / "net"))

    assert_answers(live, {"photo": random(2, 8, 8, 3)}, model(random(2, 8, 8, 3), training=False))


def test_an_export_with_augmentation_in_it_is_told(build: Build, tmp_path: Path) -> None:
    rest = [keras.layers.RandomBrightness(0.5), keras.layers.Flatten(), keras.layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *rest])

    assert "augmentation" in diagnosis(build, exported(model, tmp_path / "net"))


# ----------------------------------------------------------------------------------------------------- plain TensorFlow


def test_a_function_of_plain_tensorflow_is_served(build: Build, tmp_path: Path) -> None:
    def answer(module: Any, picture: Any) -> Any:
        maps = tf.nn.relu(tf.nn.conv2d(picture, module.kernel, strides=1, padding="VALID"))
        return {"probabilities": tf.nn.softmax(tf.reduce_mean(maps, [1, 2]))}

    spec = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="picture")
    live = build(saved_module(tmp_path / "net", answer, spec, kernel=random(3, 3, 3, 4)))

    (output,) = live.card.outputs
    assert (output.spec.name, output.head, output.classes) == ("probabilities", "softmax", 4)
    assert live.card.facts.parameters == 3 * 3 * 3 * 4
    expected = tf.saved_model.load(str(tmp_path / "net")).signatures["serving_default"](picture=random(3, 8, 8, 3))
    assert_answers(live, {"picture": random(3, 8, 8, 3)}, expected)


def test_preprocessing_of_caffe_models_is_seen(tmp_path: Path) -> None:
    def answer(module: Any, picture: Any) -> Any:
        prepared = tf.nn.bias_add(picture[..., ::-1], tf.constant([-103.939, -116.779, -123.68]))
        return {"y": tf.matmul(tf.reshape(prepared, (-1, 192)), module.kernel)}

    spec = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="picture")
    assert read(saved_module(tmp_path / "net", answer, spec, kernel=random(192, 4))).inputs[0].scale == "0..255"


def test_channels_that_come_first_are_seen(tmp_path: Path) -> None:
    def answer(module: Any, picture: Any) -> Any:
        maps = tf.nn.conv2d(tf.transpose(picture, (0, 2, 3, 1)), module.kernel, strides=1, padding="VALID")
        return {"y": tf.reduce_mean(maps, [1, 2])}

    spec = tf.TensorSpec((None, 3, 8, 8), tf.float32, name="picture")
    facts = read(saved_module(tmp_path / "net", answer, spec, kernel=random(3, 3, 3, 4)))
    assert facts.inputs[0].order == "channels_first"


def test_pictures_as_bytes_are_taken(build: Build, tmp_path: Path) -> None:
    def answer(module: Any, picture: Any) -> Any:
        return {"y": tf.matmul(tf.reshape(tf.cast(picture, tf.float32) / 255, (-1, 64)), module.kernel)}

    spec = tf.TensorSpec((None, 8, 8, 1), tf.uint8, name="picture")
    live = build(saved_module(tmp_path / "net", answer, spec, kernel=random(64, 4)))

    pixels = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    kernel = random(64, 4)
    assert_answers(live, {"picture": pixels}, (pixels.reshape(2, 64) / np.float32(255)) @ kernel)


def test_weights_that_were_frozen_into_the_graph_are_counted(tmp_path: Path) -> None:
    kernel = tf.constant(random(64, 4))
    spec = tf.TensorSpec((None, 64), tf.float32, name="numbers")

    assert read(saved_module(tmp_path / "net", lambda _, x: {"y": tf.matmul(x, kernel)}, spec)).weights == 64 * 4


PICTURE = tf.TensorSpec((None, 4), tf.float32, name="x")
UNSERVABLE: dict[str, tuple[Callable[..., Any], Any, str]] = {
    "text": (lambda _, x: {"y": tf.strings.length(x)}, tf.TensorSpec((None,), tf.string, name="x"), "takes text"),
    "one example": (lambda _, x: {"y": x * 2}, tf.TensorSpec((1, 4), tf.float32, name="x"), "first axis must be free"),
    "no axis": (lambda _, x: {"y": x * 2}, tf.TensorSpec((), tf.float32, name="x"), "first axis must be free"),
    "any shape": (lambda _, x: {"y": x * 2}, tf.TensorSpec(None, tf.float32, name="x"), "first axis must be free"),
    "complex numbers": (
        lambda _, x: {"y": tf.abs(x)},
        tf.TensorSpec((None, 4), tf.complex64, name="x"),
        "takes complex64",
    ),
    "text out": (lambda _, x: {"y": tf.as_string(x)}, PICTURE, "gives string, not numbers"),
    "one number": (lambda _, x: {"y": tf.reduce_sum(x)}, PICTURE, "one number for a whole batch"),
    "mixed examples": (lambda _, x: {"y": tf.reshape(x, (-1, 2))}, PICTURE, "mixes the examples"),
    "a counter": (lambda module, x: {"y": x + module.count.assign_add(1.0)}, PICTURE, "differently each time"),
    "a hidden counter": (
        lambda module, x: {"y": x + 0 * module.count.assign_add(1.0)},
        PICTURE,
        "more than fixed weights",
    ),
}


@pytest.mark.parametrize("case", UNSERVABLE)
def test_what_cannot_be_served_is_told(build: Build, tmp_path: Path, case: str) -> None:
    answer, spec, said = UNSERVABLE[case]
    assert said in diagnosis(build, saved_module(tmp_path / "net", answer, spec, count=1.0))


def test_a_table_in_the_graph_is_told(build: Build, tmp_path: Path) -> None:
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([0], tf.int64), [1.0]), default_value=0.0
    )
    module.call = tf.function(lambda x: {"y": x + module.table.lookup(tf.argmax(x, 1))[:, None]}, [PICTURE])
    tf.saved_model.save(module, str(tmp_path / "net"), signatures=module.call)

    assert "uses a table" in diagnosis(build, tmp_path / "net")


def test_a_saved_model_without_a_signature_is_told(build: Build, tmp_path: Path) -> None:
    module = tf.Module()
    module.scale = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "net"))

    assert "has no signature" in diagnosis(build, tmp_path / "net")


def test_several_signatures_of_other_names_are_told(build: Build, tmp_path: Path) -> None:
    module = tf.Module()
    double = tf.function(lambda x: {"y": x * 2}, input_signature=[PICTURE])
    tf.saved_model.save(module, str(tmp_path / "net"), signatures={"classify": double, "regress": double})

    assert "`classify`, `regress`" in diagnosis(build, tmp_path / "net")


def test_the_only_signature_is_served_whatever_its_name(build: Build, tmp_path: Path) -> None:
    module = tf.Module()
    double = tf.function(lambda x: {"y": x * 2}, input_signature=[PICTURE])
    tf.saved_model.save(module, str(tmp_path / "net"), signatures={"classify": double})

    assert_answers(build(tmp_path / "net"), {"x": random(3, 4)}, random(3, 4) * 2)


def test_a_folder_that_lost_its_variables_is_told(build: Build, tmp_path: Path) -> None:
    exported(classifier(keras, keras.layers.Dense(2)), tmp_path / "net")
    (tmp_path / "net/variables/variables.index").unlink()

    with pytest.raises(BrokenModelError, match="Copy the whole folder"):
        build(tmp_path / "net")


# -------------------------------------------------------------------------------------------- Keras 2, with its layers


@pytest.fixture
def old(tmp_path: Path) -> tuple[Any, Path]:
    """A model of Keras 2 and the folder it was saved to."""
    model = classifier(tf_keras, tf_keras.layers.Dense(3, activation="sigmoid", name="kinds"))
    model.compile(loss="sparse_categorical_crossentropy")
    model.save(tmp_path / "old", save_format="tf")
    return model, tmp_path / "old"


def change_notes(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Change what Keras 2 left of the model itself beside the graph."""
    notes = SavedMetadata()
    notes.ParseFromString((folder / "keras_metadata.pb").read_bytes())
    (root,) = (one for one in notes.nodes if one.node_path == "root")
    said = json.loads(root.metadata)
    change(said)
    root.metadata = json.dumps(said)
    (folder / "keras_metadata.pb").write_bytes(notes.SerializeToString())
    return folder


def test_what_keras_2_left_beside_the_graph_asks_for_the_next_loader(build: Build, old: tuple[Any, Path]) -> None:
    with pytest.raises(NextLoader):
        build(old[1])


def test_a_saved_model_of_keras_2_has_its_layers(build: Build, old: tuple[Any, Path]) -> None:
    model, folder = old
    live = build(folder, loader="tf_keras")

    assert_answers(live, {"photo": random(4, 8, 8, 3)}, model(random(4, 8, 8, 3), training=False))
    facts = live.card.facts
    assert facts.layers is not None
    assert [one.type for one in facts.layers] == [
        *("InputLayer", "Conv2D", "BatchNormalization", "GlobalAveragePooling2D", "Dense")
    ]
    assert facts.parameters == model.count_params()
    assert facts.source.loaded_by == f"tf_keras {tf_keras.__version__}"
    assert facts.source.written_by == f"Keras {tf_keras.__version__} SavedModel (TensorFlow {tf.__version__})"


def test_its_loss_tells_exclusive_classes(build: Build, old: tuple[Any, Path]) -> None:
    assert build(old[1], loader="tf_keras").card.outputs[0].head == "sigmoid-exclusive"


def test_the_notes_of_tensorflow_before_2_5_are_found_in_the_graph(build: Build, old: tuple[Any, Path]) -> None:
    _, folder = old
    notes, program = SavedMetadata(), SavedModel()
    notes.ParseFromString((folder / "keras_metadata.pb").read_bytes())
    program.ParseFromString((folder / "saved_model.pb").read_bytes())
    for one in notes.nodes:
        program.meta_graphs[0].object_graph_def.nodes[one.node_id].user_object.metadata = one.metadata
    (folder / "saved_model.pb").write_bytes(program.SerializeToString())
    (folder / "keras_metadata.pb").unlink()

    facts = build(folder, loader="tf_keras").card.facts
    assert facts.layers is not None
    assert facts.layers[-1].name == "kinds"


def with_lambda(said: dict[str, Any]) -> None:
    said["model_config"]["config"]["layers"][1]["class_name"] = "Lambda"


def with_custom_layer(said: dict[str, Any]) -> None:
    said["model_config"]["config"]["layers"][1]["class_name"] = "MyConvolution"


def with_other_activation(said: dict[str, Any]) -> None:
    """Describe another model than the graph, as a class of one's own with the name of a stock layer does."""
    said["model_config"]["config"]["layers"][1]["config"]["activation"] = "tanh"


def with_fewer_layers(said: dict[str, Any]) -> None:
    del said["model_config"]["config"]["layers"][2]


@pytest.mark.parametrize("change", [with_lambda, with_custom_layer, with_other_activation, with_fewer_layers])
def test_layers_that_cannot_be_had_honestly_are_left_out(
    build: Build, old: tuple[Any, Path], change: Callable[[dict[str, Any]], None]
) -> None:
    model, folder = old
    live = build(change_notes(folder, change), loader="tf_keras")

    assert live.card.facts.layers is None
    assert live.card.facts.source.loaded_by == f"TensorFlow {tf.__version__}"
    assert live.card.outputs[0].head == "sigmoid-exclusive"
    assert_answers(live, {"photo": random(4, 8, 8, 3)}, model(random(4, 8, 8, 3), training=False))


@pytest.mark.parametrize("damage", [b"", b"\xff\xff\xff\xff", b"\x0a\x02\x08\x01"])
def test_damaged_notes_are_no_reason_to_refuse_the_graph(build: Build, old: tuple[Any, Path], damage: bytes) -> None:
    (old[1] / "keras_metadata.pb").write_bytes(damage)
    assert build(old[1]).card.facts.layers is None


# --------------------------------------------------------------------------------------------------------- TensorFlow 1


@pytest.mark.parametrize("version", ["00000123", "00000124"])
def test_half_plus_two_of_tensorflow_1_is_served_for_numbers(build: Build, shared: Path, version: str) -> None:
    live = build(shared / f"{HALF_PLUS_TWO}_2_versions" / version)

    assert live.card.takes == "numbers"
    assert live.card.outputs[0].head == "scores"
    x = random(5, 1)
    assert_answers(live, {"x": x}, x / 2 + 2)


def test_half_plus_two_of_tensorflow_2_takes_one_example_only(build: Build, shared: Path) -> None:
    assert "first axis must be free" in diagnosis(build, shared / f"{HALF_PLUS_TWO}_tf2_cpu/00000123")


# ---------------------------------------------------------------------------------------------------------- the setting


def test_without_the_setting_it_is_not_even_looked_into(tmp_path: Path, store: BundleStore) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/saved_model.pb").write_bytes(b"anything")
    (source,) = find_sources(tmp_path / "net")

    with pytest.raises(SavedModelNotAllowedError, match="CONVOY_ALLOW_SAVED_MODEL=1"):
        build_bundle(source, "1", store=store, limits=BuildLimits(seconds=10, memory=2**30))


def test_that_it_was_not_allowed_is_forgotten_at_a_restart(tmp_path: Path, store: BundleStore) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/saved_model.pb").write_bytes(b"anything")
    (source,) = find_sources(tmp_path / "net")
    limits = BuildLimits(seconds=10, memory=2**30)
    is_decided = threading.Event()
    builds = Builds(store, limits=limits, on_change=is_decided.set)
    builds.request(source, "1")
    assert is_decided.wait(10)
    builds.stop()

    assert builds.diagnosis("net", "1") is not None
    assert Builds(store, limits=limits, on_change=lambda: None).diagnosis("net", "1") is None


def test_the_child_process_climbs_to_tf_keras(old: tuple[Any, Path], store: BundleStore) -> None:
    (source,) = find_sources(old[1])
    steps: list[str] = []
    fingerprint = fingerprint_of(sha256_of(source.saved))
    facts = build_bundle(source, fingerprint, store=store, limits=ALLOWED, progress=steps.append).facts

    assert facts.layers is not None
    assert [one for one in steps if one.startswith("loading")] == ["loading with TensorFlow", "loading with tf_keras"]


def test_the_child_process_refuses_a_hostile_program_unrun(tmp_path: Path, store: BundleStore) -> None:
    marker = tmp_path / "marker"

    def answer(_: Any, x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(marker), "pwned")]):
            return {"y": tf.identity(x)}

    (source,) = find_sources(saved_module(tmp_path / "net", answer, PICTURE))
    with pytest.raises(ModelError, match="`WriteFile`") as caught:
        build_bundle(source, fingerprint_of(sha256_of(source.saved)), store=store, limits=ALLOWED)
    assert not marker.exists()
    assert str(caught.value.written_by).startswith("SavedModel (TensorFlow 2.")


# -------------------------------------------------------------------------------------------------- what is shown of it


@pytest.fixture
def client(build: Build, tmp_path: Path) -> Iterator[FlaskClient]:
    """A server of one SavedModel, whose bundle was built where it was allowed."""
    build(exported(classifier(keras, keras.layers.Dense(3, activation="softmax")), tmp_path / "models/net"))
    (tmp_path / "run").mkdir()
    settings = {"models_dir": tmp_path / "models", "cache_dir": tmp_path / "cache", "runtime_dir": tmp_path / "run"}
    app = create_app(Settings.read({**settings, "tune": 0}, environ={}))
    yield app.test_client()
    app.extensions["convoy"].stop()


def test_an_answer_says_null_for_layers_that_are_not_known(client: FlaskClient) -> None:
    body = client.post("/api/models/net/predict", json={"image": random(8, 8, 3).tolist()}).get_json()

    assert body["layers"] is None
    assert sum(body["predictions"][0]["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_the_card_says_null_and_why(client: FlaskClient) -> None:
    card = client.get("/api/models/net").get_json()

    assert card["layers"] is None
    assert card["maps_to_vector"] == {"steps": [], "text": NO_LAYERS}
    assert card["parameters"] > 0


def test_asked_for_the_layers_it_says_null_and_why(client: FlaskClient) -> None:
    assert client.get("/api/models/net/layers").get_json() == {"layers": None, "note": NO_LAYERS}


def test_asked_for_a_summary_it_says_what_it_takes_and_gives(client: FlaskClient) -> None:
    assert client.get("/api/models/net/summary").text.startswith('SavedModel, signature "serve"\n')


@pytest.mark.parametrize("as_json", [True, False])
def test_convoy_layers_says_that_there_are_none(build: Build, tmp_path: Path, as_json: bool) -> None:
    build(exported(classifier(keras, keras.layers.Dense(3)), tmp_path / "models/net"))
    words = ["net", "--models-dir", tmp_path / "models", "--cache-dir", tmp_path / "cache"]
    result = CliRunner().invoke(show_layers, [*map(str, words), *(["--json"] if as_json else [])])

    assert result.exit_code == 0, result.output
    if as_json:
        assert json.loads(result.output) == {"layers": None}
    else:
        assert "Its layers are not in it" in result.output
