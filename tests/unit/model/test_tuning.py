"""Which engine, how many threads and how many examples at once: by rule, and by a table."""

from dataclasses import replace

import pytest

from service.model.description import InputFacts
from service.model.layers import Layer
from service.model.tensors import TensorSpec
from service.model.tuning import Choice, Timing, Tuning, activation_bytes, default_choice, largest_chunk
from tests.fakes import describe

MIB = 2**20


def table(*timings: tuple[str, int, int, float], cores: int = 4) -> Tuning:
    return Tuning(tuple(Timing(*one, processor=one[3]) for one in timings), cores=cores)


def layers(*held: int | None) -> tuple[Layer, ...]:
    return tuple(Layer(f"layer{n}", "Conv2D", (None, 4), 0, activation_bytes=one) for n, one in enumerate(held))


@pytest.mark.parametrize(
    ("held", "chunk", "most"),
    [
        ((1000, 2000, 500), 32, 32),
        ((100_000, None, 80_000), 5, 32),
        ((400_000, 400_000, 400_000), 1, 32),
        ((3 * MIB, 3 * MIB), 1, 10),
        ((100 * MIB, 50 * MIB), 1, 1),
    ],
)
def test_a_chunk_by_rule_stays_in_the_cache_and_any_chunk_in_bounds(
    held: tuple[int | None, ...], chunk: int, most: int
) -> None:
    facts = describe(layers=layers(*held))

    assert default_choice(facts) == Choice("litert", threads=1, chunk=chunk)
    assert largest_chunk(facts) == most


def test_where_layers_are_not_known_the_input_tells() -> None:
    facts = replace(describe(inputs=[InputFacts(TensorSpec("image", (None, 600, 600, 3)))]), layers=None)

    assert activation_bytes(facts) == 32 * 4 * 600 * 600 * 3
    assert largest_chunk(facts) == 1


def test_what_takes_any_size_is_run_one_by_one() -> None:
    facts = describe(inputs=[InputFacts(TensorSpec("image", (None, None, None, 3)))], layers=layers(1000))

    assert default_choice(facts).chunk == largest_chunk(facts) == 1


def test_the_fastest_chunk_is_taken_where_it_gains_something() -> None:
    found = table(("litert", 1, 1, 0.100), ("litert", 1, 8, 0.080), ("litert", 1, 32, 0.079))

    assert found.choice(describe(), profile="throughput") == Choice("litert", 1, 8)


def test_throughput_leaves_the_other_cores_to_the_other_workers() -> None:
    found = table(("litert", 1, 1, 10.0), ("litert", 4, 1, 3.0), ("litert", 4, 8, 2.0))

    assert found.choice(describe(), profile="throughput") == Choice("litert", 1, 1)
    assert found.choice(describe(), profile="latency") == Choice("litert", 4, 8)


@pytest.mark.parametrize(
    ("litert", "openvino", "engine"),
    [
        (10.0, 7.9, "openvino"),
        (10.0, 8.1, "litert"),  # not clearly
        (0.9, 0.3, "litert"),  # not worth its memory
        (1.1, 0.3, "openvino"),
    ],
)
def test_another_engine_must_win_clearly_on_a_net_that_takes_its_time(
    litert: float, openvino: float, engine: str
) -> None:
    found = table(("litert", 1, 1, litert), ("openvino", 1, 1, openvino))

    assert found.choice(describe(), profile="throughput").engine == engine


def test_more_threads_must_gain_something_too() -> None:
    found = table(("litert", 1, 1, 0.050), ("litert", 4, 1, 0.049))

    assert found.choice(describe(), profile="latency").threads == 1


def test_an_empty_table_chooses_nothing() -> None:
    assert table().choice(describe(), profile="latency") == default_choice(describe())


def test_a_table_survives_json() -> None:
    found = Tuning((Timing("litert", 1, 1, 0.05, 0.04),), {"openvino": "It cannot."}, {"litert": "2.3.0"}, 2)

    assert Tuning.from_json(found.to_json()) == found


def test_latency_goes_by_the_clock_and_throughput_by_what_the_cores_worked() -> None:
    found = Tuning((Timing("litert", 1, 1, 9.0, 3.0), Timing("openvino", 1, 1, 5.0, 5.0)), cores=1)

    assert found.choice(describe(), profile="latency").engine == "openvino"
    assert found.choice(describe(), profile="throughput").engine == "litert"
