import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from service.model.card import OutputCard
from service.model.head import Head, interpret
from service.model.tensors import TensorSpec
from service.offline.archive import text
from service.offline.archive.answers import Answers, OutputAnswers
from service.offline.archive.columns import Table, table_of
from service.offline.archive.form import Form

NAN = float("nan")


def answers(head: Head, *rows: list[float], outputs: int = 1, errors: dict[int, str] | None = None) -> Answers:
    values = np.array(rows, np.float32)
    labels = tuple("abcdef"[: values.shape[1]])
    cards = [OutputCard(TensorSpec(f"out{n}", (None, 3)), head, "graph", labels, "sidecar") for n in range(outputs)]
    count = len(values)
    return Answers(
        paths=tuple(f"{number}.png" for number in range(count)),
        sizes=np.array([(2, 3)] * count, np.int32),
        formats=np.array([1] * count, np.int32),
        errors=errors or {},
        outputs=tuple(OutputAnswers(card, values) for card in cards),
        warnings={},
    )


def forms() -> list[Any]:
    return [pytest.param(form, id=form) for form in ("csv", "jsonl", "parquet")]


def written(form: str, table: Table) -> list[dict[str, Any]]:
    """Return what a reader gets of a table, lists of a CSV read as JSON."""
    file = io.BytesIO()
    if form == "parquet":
        pytest.importorskip("pyarrow")
        from pyarrow import parquet

        from service.offline.archive.parquet import PARQUET

        PARQUET.write(file, table)
        rows: list[dict[str, Any]] = parquet.read_table(io.BytesIO(file.getvalue())).to_pylist()
        return rows
    own: Form = text.CSV if form == "csv" else text.JSON_LINES
    own.write(file, table)
    lines = file.getvalue().decode()
    if form == "jsonl":
        return [json.loads(line) for line in lines.splitlines()]
    return [{name: _cell(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(lines))]


def _cell(cell: str) -> Any:
    try:
        return json.loads(cell) if cell else None
    except ValueError:
        return cell


@pytest.mark.parametrize("form", forms())
def test_a_row_without_an_answer_has_its_error_alone(form: str) -> None:
    found = answers("softmax", [0.25, 0.75], [NAN, NAN], errors={1: 'said "no",\nindeed'})

    good, bad = written(form, table_of(found, top_k=5, probabilities=True))

    assert (good["label"], good["index"], good["probability"], good["error"]) == ("b", 1, 0.75, None)
    assert (good["top_labels"], good["top_probabilities"]) == (["b", "a"], [0.75, 0.25])
    assert good["probabilities"] == [0.25, 0.75]
    assert (good["width"], good["height"], good["format"]) == (3, 2, "PNG")
    assert bad["error"] == 'said "no",\nindeed'
    assert {bad[name] for name in ("label", "index", "probability", "top_labels", "probabilities")} == {None}


@pytest.mark.parametrize("form", forms())
def test_numbers_that_are_not_finite_are_none_and_rank_last(form: str) -> None:
    (row,) = written(form, table_of(answers("softmax", [NAN, 0.5, np.inf]), top_k=3, probabilities=True))

    assert (row["label"], row["probability"]) == ("b", 0.5)
    assert row["probabilities"] == [None, 0.5, None]
    assert row["top_labels"] == ["b", "a", "c"]


@pytest.mark.parametrize("form", forms())
def test_several_labels_are_listed(form: str) -> None:
    none, both = written(
        form, table_of(answers("multi-label", [0.25, 0.125, 0], [0.75, 0, 0.5]), top_k=0, probabilities=False)
    )

    assert none["labels"] == []
    assert both["labels"] == ["a", "c"]
    assert both["label"] == "a"


def test_scores_are_not_called_probabilities_and_outputs_have_their_names_before_them() -> None:
    table = table_of(answers("scores", [5, 7], outputs=2), top_k=1, probabilities=True)

    own = ("label", "index", "score", "top_labels", "top_indices", "top_scores", "scores")
    expected = [f"out{number}.{name}" for number in range(2) for name in own]
    assert list(table) == ["path", *expected, "width", "height", "format", "error"]


@pytest.mark.parametrize("head", ["softmax", "sigmoid-exclusive", "multi-label", "scores", "binary"])
def test_the_choice_and_the_ranking_are_the_heads(head: Head) -> None:
    units = 1 if head == "binary" else 4
    raw = np.random.default_rng(3).random((50, units), np.float32).round(1)  # with ties
    labels = ("no", "yes") if head == "binary" else tuple("abcd")
    card = OutputCard(TensorSpec("out", (None, units)), head, "graph", labels, "sidecar")
    values = np.concatenate([1 - raw, raw], axis=1) if head == "binary" else raw

    own = OutputAnswers(card, values)

    for answer, chosen, order in zip(
        interpret(raw, head=head, labels=labels, top_k=3), own.chosen(), own.ranking(3), strict=True
    ):
        assert answer.best.index == chosen
        assert [one.index for one in answer.top] == order.tolist()
