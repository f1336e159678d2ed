"""What a second graph gives, as it is kept in the bundle and named in the graph."""

import json

from service.model.insight import CamTap, Insight, LayerTap, output_names, weighted_outputs, without_insight
from service.model.tensors import TensorSpec

INSIGHT = Insight(
    taps=(LayerTap("conv"), LayerTap("twin", 0), LayerTap("twin", 1), LayerTap("lstm", part=1)),
    cams=(CamTap("flatten", "conv", ("image",)),),
    bytes_per_number=3.5,
)


def test_it_survives_a_trip_through_json() -> None:
    for insight in (INSIGHT, without_insight("Memory ran out.")):
        assert Insight.from_json(json.loads(json.dumps(insight.to_json()))) == insight


def test_every_output_of_the_graph_has_a_name_of_its_own_gradients_beside_maps() -> None:
    names = output_names(INSIGHT)
    assert len(set(names)) == len(names) == 6
    assert names[-2:] == ["maps 0", "gradients 0"]


def test_the_taps_of_a_layer_are_its_calls_and_parts() -> None:
    assert INSIGHT.taps_of("twin") == (LayerTap("twin"), LayerTap("twin", call=1))
    assert INSIGHT.taps_of("input") == ()


def test_only_floating_vectors_have_weights() -> None:
    outputs = [
        TensorSpec("classes", (None, 1, 1, 5)),
        TensorSpec("is_it", (None, 1), "float16"),
        TensorSpec("map", (None, 4, 4)),
        TensorSpec("argmax", (None, 1), "int64"),
    ]
    assert weighted_outputs(outputs) == {"classes": 5, "is_it": 1}
