"""Owns the page of the matrix: docs/compatibility.md."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version

import service
from tests.compatibility.catalogue import ARCHITECTURES, FORMATS
from tests.compatibility.reader import ALLOWED, Cell
from tests.compatibility.results import Results
from tests.compatibility.samples import COUNT
from tests.compatibility.writer import versions_of

_TITLES = {
    "keras": "`.keras`",
    "h5": "`.h5`",
    "saved_model": "SavedModel",
    "json + weights.h5": "json + `.weights.h5`",
    "json + h5": "json + `.h5`",
}
_HEAD = """\
# Compatibility

Every Keras below wrote the same {count} nets with seeded random weights, in an environment of its own, with what it
predicts for {inputs} inputs. Convoy {convoy} read the files back: the builder loaded each by itself, exported
it, and the served graph answered the same inputs. Nothing was said about any model beside its file.

A file passes where it loads, every probability is within {allowed:.0e} of what its writer predicted (logits are made
probabilities on both sides first), and head, classes, inputs, the number of layers with weights and the number of
parameters are those of the architecture. What Keras 3 exports as a SavedModel has no layers and may name its inputs
otherwise: there the head, the classes and the shapes count. JSON of Keras 2 and the SavedModel of Keras 3 keep no
loss: there ten sigmoids count as `multi-label`.

Made on {date} with Python {python}, Keras {keras}, tf_keras {tf_keras}, TensorFlow {tensorflow}, LiteRT {litert}
by `make compatibility`. A small part of it runs in `make test` (`tests/integration/test_compatibility.py`).
"""


def page(results: Results) -> str:
    """Return the page as Markdown."""
    sections = (
        ("What is read", _by_format(results, _verdict)),
        ("What loads it", _by_format(results, _loaders)),
        ("What is found, net by net", _by_architecture(results.cells)),
        ("What is not read", _reasons(results.cells, lambda cell: cell.faults)),
        ("What its own Keras cannot write", _reasons(results.cells, lambda cell: (cell.unwritten,))),
        ("The writers", _writers(results)),
    )
    return _head() + "".join(f"\n## {title}\n\n{body}\n" for title, body in sections if body)


def _head() -> str:
    here = versions_of("keras")
    return _HEAD.format(
        count=len(ARCHITECTURES),
        inputs=COUNT,
        convoy=service.__version__,
        allowed=ALLOWED,
        date=time.strftime("%Y-%m-%d"),
        litert=version("ai-edge-litert"),
        tf_keras=version("tf_keras"),
        tensorflow=_tensorflow_of(here),
        python=here["python"],
        keras=here["keras"],
    )


def _by_format(results: Results, told: Callable[[list[Cell]], str]) -> str:
    cells: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for cell in results.cells:
        cells[cell.writer, cell.form].append(cell)
    rows = [[label, *(told(cells[label, form]) for form in FORMATS)] for label in results.versions]
    return _table(["written by", *_TITLES.values()], rows)


def _verdict(cells: list[Cell]) -> str:
    saved = [cell for cell in cells if not cell.unwritten]
    if not saved:
        return "–"
    failing = [cell.architecture for cell in saved if cell.faults]
    largest = f", {_largest(saved):.0e} off" if len(failing) < len(saved) else ""
    return f"{len(saved) - len(failing)} of {len(saved)}{largest}" + ("; not " + ", ".join(failing) if failing else "")


def _largest(cells: Iterable[Cell]) -> float:
    return max((cell.difference for cell in cells if cell.difference is not None and not cell.faults), default=0.0)


def _loaders(cells: list[Cell]) -> str:
    steps = Counter(cell.loaded_by + (", repaired" if cell.repairs else "") for cell in cells if cell.loaded_by)
    if len(steps) == 1:
        return next(iter(steps))
    return "; ".join(f"{step} ({count})" for step, count in steps.most_common()) or "–"


def _by_architecture(cells: Sequence[Cell]) -> str:
    columns = ["net", "head", "classes", "inputs", "weighted layers", "read", "largest difference", "graph"]
    rows = [_found(name, [cell for cell in cells if cell.architecture == name]) for name in ARCHITECTURES]
    note = (
        "The head is what the files gave, largest difference that to the writer, graph how far the exported graph is "
        "from the Keras that loaded the file, as a share of what the builder allows before the head.\n\n"
    )
    return note + _table(columns, [row for row in rows if row])


def _found(name: str, cells: list[Cell]) -> list[str]:
    saved = [cell for cell in cells if not cell.unwritten]
    if not saved:
        return []
    known = ARCHITECTURES[name]
    heads = Counter(f"`{cell.head}`" for cell in saved if cell.head)
    exported = max((cell.exported for cell in saved if cell.exported is not None), default=0.0)
    return [
        name,
        " or ".join(head for head, _ in heads.most_common()),
        str(known.classes),
        ", ".join(f"{key} {_shape(shape)}" for key, shape in known.inputs.items()),
        str(known.weighted),
        f"{sum(1 for cell in saved if not cell.faults)} of {len(saved)}",
        f"{_largest(saved):.0e}",
        f"{exported:.0%}",
    ]


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("free" if axis is None else str(axis) for axis in shape)


def _reasons(cells: Sequence[Cell], texts: Callable[[Cell], Iterable[str]]) -> str:
    """Return each text once, with the files it was said of: `Keras 3.0 .h5: transfer, nested`."""
    said: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        for text in filter(None, texts(cell)):
            said[text][f"{cell.writer} {_TITLES[cell.form]}"].append(cell.architecture)
    return "\n\n".join(f"- {_files(files)}\n\n  > {text}" for text, files in said.items())


def _files(files: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{file}: {', '.join(nets)}" for file, nets in files.items())


def _writers(results: Results) -> str:
    rows = [
        [label, found["python"], _keras_of(found), _tensorflow_of(found), found["numpy"], found["h5py"]]
        for label, found in results.versions.items()
    ]
    missing = "".join(f"\n- {label} could not be set up here: {reason}" for label, reason in results.missing.items())
    return _table(["", "Python", "Keras", "TensorFlow", "numpy", "h5py"], rows) + (f"\n{missing}" if missing else "")


def _keras_of(versions: Mapping[str, str]) -> str:
    return versions.get("tf_keras") or versions["keras"]


def _tensorflow_of(versions: Mapping[str, str]) -> str:
    return versions.get("tensorflow-cpu") or versions["tensorflow"]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
