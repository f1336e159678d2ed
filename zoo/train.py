"""Owns the training of a bundled model, from the command line to `models/<name>/`.

python -m zoo.train mnist [--data FILE.npz] [--models-dir models] [--epochs N] [--seed N]
"""

import argparse
import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import keras
import tensorflow as tf

from zoo.architectures import ARCHITECTURES
from zoo.augmentation import batches
from zoo.catalogue import CATALOGUE, ZooModel
from zoo.datasets import Labelled, Split
from zoo.provenance import LayerLine, Run, command_line, readme, sidecar

VERSION = "1"


def main(argv: Sequence[str] | None = None) -> int:
    """Train the model that the command line names, write its folder, and print its accuracy."""
    options = _parser().parse_args(argv)
    tf.config.experimental.enable_op_determinism()
    model = CATALOGUE[options.model]
    run = train_into(
        options.models_dir / model.name,
        model,
        data=options.data,
        epochs=options.epochs or model.epochs,
        seed=model.seed if options.seed is None else options.seed,
    )
    print(f"{model.name}: accuracy {run.accuracy:.4f} on {run.test_images} test images, {run.file_bytes} bytes")
    return 0


def train_into(folder: Path, model: ZooModel, *, data: Path | None, epochs: int, seed: int) -> Run:
    """Train `model` and write `folder`: the saved file, its sidecar and the README; return what was written.

    `data` is a local `.npz`; None downloads the dataset. Raises ValueError where the data does not fit.
    """
    split = model.dataset.load(data)
    trained = trained_net(model, split.train, epochs=epochs, seed=seed)
    file = folder / VERSION / "model.keras"
    file.parent.mkdir(parents=True, exist_ok=True)
    trained.save(file)
    public = data is None or split.sha256 == model.dataset.sha256
    command = command_line(model, seed=seed, epochs=epochs, data_file=None if public or data is None else data.name)
    run = _run(file, model, split, epochs=epochs, seed=seed, command=command)
    file.with_name("model.toml").write_text(sidecar(run), encoding="utf-8")
    (folder / "README.md").write_text(readme(run), encoding="utf-8")
    return run


def trained_net(model: ZooModel, data: Labelled, *, epochs: int, seed: int) -> keras.Model:
    """Return the model's net trained on `data`, not compiled, so that no optimizer state is saved with it."""
    keras.utils.clear_session()  # NOTE: before the seed; layer names count from the start again
    keras.utils.set_random_seed(seed)
    net = ARCHITECTURES[model.architecture]()
    batch_size = min(model.batch_size, len(data.images))
    steps = len(data.images) // batch_size
    net.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(model.learning_rate, steps * epochs)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    pipeline = batches(data, model.augmentation, batch_size=batch_size, seed=seed)
    net.fit(pipeline, steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=2)
    return _uncompiled(net)


def accuracy(net: keras.Model, data: Labelled) -> float:
    """Return the fraction of `data` whose most probable class is the right one."""
    predicted = net.predict(data.images, batch_size=500, verbose=0).argmax(axis=1)
    return float((predicted == data.classes).mean())


def _uncompiled(net: keras.Model) -> keras.Model:
    plain = type(net).from_config(net.get_config())  # NOTE: clone_model would compile it again
    plain.set_weights(net.get_weights())
    return plain


def _run(file: Path, model: ZooModel, split: Split, *, epochs: int, seed: int, command: str) -> Run:
    net = keras.models.load_model(file, safe_mode=True)
    return Run(
        model=model,
        accuracy=accuracy(net, split.test),
        seed=seed,
        epochs=epochs,
        trained=date.today().isoformat(),
        command=command,
        train_images=len(split.train.images),
        test_images=len(split.test.images),
        data_sha256=split.sha256,
        file_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        file_bytes=file.stat().st_size,
        layers=tuple(_layer_line(layer) for layer in net.layers),
        versions={"Keras": keras.__version__, "TensorFlow": tf.__version__},
    )


def _layer_line(layer: keras.Layer) -> LayerLine:
    shape = "x".join(str(size) for size in layer.output.shape[1:])
    return LayerLine(layer.name, type(layer).__name__, shape, layer.count_params())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zoo.train", description="Train a bundled model.")
    parser.add_argument("model", choices=sorted(CATALOGUE))
    parser.add_argument("--data", type=Path, help=".npz with x_train, y_train, x_test, y_test (else: download)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--epochs", type=_positive, help="default: the model's own")
    parser.add_argument("--seed", type=int, help="default: the model's own")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
