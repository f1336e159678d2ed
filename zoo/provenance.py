"""Owns what is written down about a training run: the sidecar `model.toml` and the model's README."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.catalogue import ZooModel


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One line of the architecture: `output_shape` without the batch axis, as 26x26x32."""

    name: str
    type: str
    output_shape: str
    parameters: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training run; `accuracy` is the saved file's on the test part, `trained` an ISO date.

    `accuracy_at` has the same for other sizes, by height and width, where the net was trained on several.
    """

    model: ZooModel
    accuracy: float
    accuracy_at: Mapping[int, float]
    seed: int
    epochs: int
    trained: str
    command: str
    train_images: int
    test_images: int
    data_sha256: str
    file_sha256: str
    file_bytes: int
    layers: tuple[LayerLine, ...]
    versions: Mapping[str, str]

    @property
    def standard_error(self) -> float:
        """Return how far chance alone moves such an accuracy on so many test images, one standard deviation."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / self.test_images)

    @property
    def parameters(self) -> int:
        """Return the number of weights in all layers."""
        return sum(layer.parameters for layer in self.layers)


def command_line(model: ZooModel, *, seed: int, epochs: int, data: str | None) -> str:
    """Return the shortest command that repeats a run; `data` only where it is not downloaded."""
    words = ["python -m zoo.train", model.name]
    if data is not None:
        words.append(f"--data {data}")
    if epochs != model.epochs:
        words.append(f"--epochs {epochs}")
    if seed != model.seed:
        words.append(f"--seed {seed}")
    return " ".join(words)


def sidecar(run: Run) -> str:
    """Return the text of the run's `model.toml`."""
    model = run.model
    provenance = {
        "dataset": f"{model.dataset.title}. {model.dataset.citation}, {model.dataset.url}",
        "license": f"{model.dataset.license} (the dataset)",
        "accuracy": run.accuracy,
        "seed": run.seed,
        "epochs": run.epochs,
        "trained": run.trained,
        "command": run.command,
    }
    head = _toml_lines({"description": model.description, "labels": list(model.labels)})
    inputs = {f"preprocessing.{name}".rstrip("."): view.sidecar() for name, view in model.views.items()}
    output = {"output": {"head": model.head}} if model.head else {}
    tables: dict[str, Mapping[str, Any]] = {**inputs, **output, "provenance": provenance}
    return "\n".join([*head, *(_toml_table(name, values) for name, values in tables.items())])


def readme(run: Run) -> str:
    """Return the text of the model's README: accuracy first, then all that is needed to check or repeat it."""
    return README.format(
        name=run.model.name,
        description=run.model.description,
        accuracy=f"{100 * run.accuracy:.2f} %",
        standard_error=f"{100 * run.standard_error:.1f}",
        sizes=_sizes(run),
        notes=f"\n\n## Data\n\n{run.model.dataset.notes}" if run.model.dataset.notes else "",
        facts="\n".join(f"| {name} | {value} |" for name, value in _facts(run).items() if value),
        layers="\n".join(
            f"| `{layer.name}` | {layer.type} | {layer.output_shape} | {layer.parameters:,} |" for layer in run.layers
        ),
        parameters=f"{run.parameters:,}",
        command=run.command,
        train_images=f"{run.train_images:,}",
        test_images=f"{run.test_images:,}",
    )


def _facts(run: Run) -> dict[str, str]:
    model = run.model
    return {
        "dataset": f"{model.dataset.title}",
        "citation": f"{model.dataset.citation}, <{model.dataset.url}>",
        "dataset license": model.dataset.license,
        "SHA-256 of the dataset": f"`{run.data_sha256}`",
        "trained": run.trained,
        "seed": str(run.seed),
        "epochs": f"{run.epochs}, batches of {model.batch_size}",
        "optimizer": _optimizer(model),
        "augmentation": _augmentation(model),
        **run.versions,
        "`1/model.keras`": f"{run.file_bytes:,} bytes, {_kept(model)}",
        "SHA-256 of `1/model.keras`": f"`{run.file_sha256}`",
    }


def _kept(model: ZooModel) -> str:
    return "without optimizer state" if model.head else "with its training loss, compiled with plain SGD"


def _augmentation(model: ZooModel) -> str:
    text = str(model.variation)
    return f"{text} (in the input pipeline, not in the model)" if text else "none"


def _optimizer(model: ZooModel) -> str:
    decay = f", weight decay {model.weight_decay:g}" if model.weight_decay else ""
    averaging = f"; saved is the weights' moving average of momentum {model.averaging:g}" if model.averaging else ""
    rise = f" rising over the first {model.warm_up:.0%} of the steps, then" if model.warm_up else ""
    return f"Adam, learning rate {model.learning_rate:g}{rise} falling to 0 along a cosine{decay}{averaging}"


def _sizes(run: Run) -> str:
    if not run.accuracy_at:
        return ""
    lines = "\n".join(f"| {size}x{size} | {100 * value:.2f} % |" for size, value in run.accuracy_at.items())
    return SIZES.format(lines=lines)


def _toml_table(name: str, values: Mapping[str, Any]) -> str:
    return "\n".join(["", f"[{name}]", *_toml_lines(values)]) + ("\n" if name == "provenance" else "")


def _toml_lines(values: Mapping[str, Any]) -> list[str]:
    # JSON's strings, numbers, booleans and lists of strings or numbers are all TOML as well.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


SIZES = """
It takes digits of any size from 18x18; each batch of its training had one of these. The test images brought to them:

| size | accuracy |
|---|---|
{lines}

Pictures are brought to the `size` that `1/model.toml` names; numbers are taken at the size they are sent in.
"""

README = """\
# {name}

{description}.

**Accuracy {accuracy}** on the {test_images} images of the test part, measured on the saved file after the last epoch
(standard error {standard_error} points). Training never sees them: it runs a fixed number of epochs, and no stop,
checkpoint or setting is picked by them; for that `--validate` holds a fifth of the training part out.
{sizes}
Made by `{command}`, which also writes this page and `1/model.toml`.
On the same machine the same seed gives the same weights; the file's SHA-256 still differs, because Keras saves the
date with them.

| what | value |
|---|---|
{facts}

## Architecture

| layer | type | output | parameters |
|---|---|---|---|
{layers}
| | | total | {parameters} |

Trained on {train_images} images. The input is float32 in 0..1; nothing inside the model scales it.{notes}
"""
