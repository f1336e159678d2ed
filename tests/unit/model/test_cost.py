"""What running a model of free size takes for each number of an example."""

from dataclasses import replace

from service.model.description import Description, InputFacts
from service.model.insight import Insight
from service.model.layers import Layer
from service.model.regions.cost import bytes_per_number
from service.model.tensors import TensorSpec
from tests.fakes import describe

_FREE = (None, None, None)
INPUTS = (InputFacts(TensorSpec("image", (*_FREE, 3)), order="channels_last"),)


def facts(kind: str = "Conv2D") -> Description:
    maps = {"kernel_size": (3, 3), "strides": (1, 1), "padding": "same", "dilation_rate": (1, 1), "groups": 1}
    layers = (
        Layer("image", "InputLayer", (*_FREE, 3), 0),
        Layer("maps", kind, (*_FREE, 8), 0, (*_FREE, 3), inbound=("image",), **maps),  # type: ignore[arg-type]
        Layer("pool", "GlobalAveragePooling2D", (None, 8), 0, (*_FREE, 8), inbound=("maps",)),
    )
    return replace(describe(inputs=INPUTS, layers=layers), insight=Insight(bytes_per_number=5.0))


def test_it_is_the_dearest_layer_and_what_is_kept_of_windows() -> None:
    assert bytes_per_number(facts()) == (4 * (3 + 8) + 8 * 9) / 3


def test_where_a_layer_cannot_be_followed_it_is_what_all_layers_give() -> None:
    assert bytes_per_number(facts("Mystery")) == 5.0


def test_a_model_of_fixed_size_is_not_reckoned_with() -> None:
    assert bytes_per_number(describe()) == 0
