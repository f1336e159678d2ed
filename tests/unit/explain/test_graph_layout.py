"""Where the layers of a drawing stand: nothing lies on anything else, whatever the net."""

from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from service.explain.graph.layered import Point, Wire
from service.explain.graph.nesting import Nesting, nested_models
from service.explain.graph.placing import Frame, Picture, Placed, placed
from service.explain.graph.scene import Scene, scene_of
from service.model.layers import Layer
from tests import stacks

NETS: dict[str, Callable[[], tuple[Layer, ...]]] = {
    "five layers": lambda: stacks.chain(4),
    "240 layers": lambda: stacks.chain(239),
    "ways around": lambda: stacks.residual(6),
    "branches": lambda: stacks.inception(5),
    "250 layers in branches": lambda: stacks.inception(32),
    "everything into everything": lambda: stacks.dense_block(7),
    "two inputs": stacks.two_inputs,
    "a layer called again": stacks.called_again,
    "a nested model": stacks.nested,
}


def scene(layers: tuple[Layer, ...], *opened: str) -> Scene:
    return scene_of(layers, inputs=(), outputs=(), opened=Nesting(nested_models(layers), opened).opened)


@pytest.fixture(scope="module", params=NETS)
def shown(request: pytest.FixtureRequest) -> tuple[Scene, Picture]:
    """A net, with all that is nested in it open, and its picture."""
    found = scene(NETS[request.param](), "all")
    return found, placed(found)


def on_the_way(wire: Wire, *, top: float = -1.0, bottom: float = 1e9) -> Iterator[Point]:
    """Yield points along a wire between two heights; a bent line is the cubic curve that SVG draws."""
    for start, end in [one for one in wire.lines if one[0].y < bottom and one[1].y > top]:
        for step in range(25):
            t = step / 24
            ease = 3 * t * t - 2 * t * t * t  # of x: both handles are straight above and below their ends
            y = start.y + (end.y - start.y) * (1.5 * t - 1.5 * t * t + t * t * t)
            yield Point(start.x + (end.x - start.x) * ease, y)


def test_no_two_boxes_overlap(shown: tuple[Scene, Picture]) -> None:
    for one, other in combinations(shown[1].boxes, 2):
        is_aside = one.corner.x + one.width <= other.corner.x or other.corner.x + other.width <= one.corner.x
        is_apart = one.corner.y + one.height <= other.corner.y or other.corner.y + other.height <= one.corner.y
        assert is_aside or is_apart, (one.box.key, other.box.key)


def test_no_arrow_crosses_a_box(shown: tuple[Scene, Picture]) -> None:
    for one in shown[1].boxes:
        top, bottom = one.corner.y + 0.5, one.corner.y + one.height - 0.5
        for wire in shown[1].wires:
            for at in on_the_way(wire, top=top, bottom=bottom):
                is_aside = not 0.5 < at.x - one.corner.x < one.width - 0.5
                assert is_aside or not top < at.y < bottom, one.box.key


def test_no_arrow_passes_a_label_of_another_box(shown: tuple[Scene, Picture]) -> None:
    for label in shown[1].labels:
        for wire in shown[1].wires:
            if abs(wire.start.x - label.middle.x) > 0.5 and not wire.is_back:
                for at in on_the_way(wire, top=label.middle.y - 8, bottom=label.middle.y + 8):
                    is_aside = abs(at.x - label.middle.x) > label.width / 2
                    assert is_aside or abs(at.y - label.middle.y) > 8, label.text


def test_every_layer_stands_below_those_that_feed_it(shown: tuple[Scene, Picture]) -> None:
    found, picture = shown
    places = {one.box.key: one for one in picture.boxes}
    upwards = 0
    for arrow in found.arrows:
        source, target = places[arrow.source], places[arrow.target]
        upwards += target.corner.y < source.corner.y + source.height
    assert upwards == sum(len(wire.tips) > 0 for wire in picture.wires if wire.is_back)


def test_everything_is_inside_the_picture(shown: tuple[Scene, Picture]) -> None:
    picture = shown[1]
    everything: list[Placed | Frame] = [*picture.boxes, *picture.frames]
    for one in everything:
        assert -0.5 <= one.corner.x <= picture.width - one.width + 0.5
        assert -0.5 <= one.corner.y <= picture.height - one.height + 0.5
    assert all(-0.5 <= at.x <= picture.width + 0.5 for wire in picture.wires for at in on_the_way(wire))


def test_every_arrow_arrives_at_the_top_of_a_box(shown: tuple[Scene, Picture]) -> None:
    tops = {(one.corner.y, one.corner.x): one.width for one in shown[1].boxes}
    for wire in shown[1].wires:
        for tip in () if wire.is_back else wire.tips:
            assert any(abs(y - tip.y) < 0.1 and x < tip.x < x + width for (y, x), width in tops.items())


# ------------------------------------------------------------------------------------------------------ what goes where


def test_a_frame_holds_the_boxes_of_its_model_and_no_others() -> None:
    picture = placed(scene(stacks.nested(), "outer/inner"))

    outer, inner = picture.frames
    assert (outer.path, inner.path) == ("outer", "outer/inner")
    for one in picture.boxes:
        for frame in (outer, inner):
            inside = frame.corner.x < one.corner.x and frame.corner.y < one.corner.y
            inside &= one.corner.x + one.width < frame.corner.x + frame.width
            inside &= one.corner.y + one.height < frame.corner.y + frame.height
            assert inside == one.box.key[1].startswith(f"{frame.path}/")


def test_arrows_run_upwards_only_where_a_layer_is_called_again() -> None:
    late = stacks.layer("late", "InputLayer")  # listed after what it feeds
    layers = (*stacks.chain(3), stacks.layer("add", "Add", "conv2", "late"), late)

    assert not any(one.is_back for one in placed(scene(layers)).wires)
    assert any(one.is_back for one in placed(scene(stacks.called_again())).wires)


def test_a_chain_is_one_straight_column() -> None:
    assert len({one.corner.x for one in placed(scene(stacks.chain(30))).boxes}) == 1


def test_it_is_the_way_around_that_bends() -> None:
    picture = placed(scene(stacks.residual(6)))

    assert len({one.corner.x for one in picture.boxes}) == 1
    assert picture.width < picture.boxes[0].width + 40


def test_equal_branches_stand_on_both_sides_of_what_they_share() -> None:
    image, left, right = stacks.layer("image", "InputLayer"), *(stacks.layer(n, "Conv2D", "image") for n in "lr")
    boxes = placed(scene((image, left, right, stacks.layer("joined", "Concatenate", "l", "r")))).boxes
    middles = {one.box.key[1]: one.corner.x + one.width / 2 for one in boxes}

    assert middles["image"] == pytest.approx((middles["l"] + middles["r"]) / 2, abs=1)
    assert middles["joined"] == pytest.approx(middles["image"], abs=1)


def test_layers_that_keep_the_shape_stand_on_what_they_follow() -> None:
    (image, box, add) = [one for one in scene(stacks.residual(1)).boxes if one.key[0] == "layer"][:3]

    assert [row.key[1] for row in box.rows] == ["b0_conv", "b0_relu"]
    assert [one.key[1] for one in (image, add)] == ["image", "b0_conv2"]


def test_a_layer_that_several_take_from_keeps_its_box_to_itself() -> None:
    layers = (*stacks.chain(1), stacks.layer("relu", "ReLU", "conv0"), stacks.layer("add", "Add", "conv0", "relu"))

    assert all(len(one.rows) == 1 for one in scene(layers).boxes)


def test_a_branch_that_is_needed_late_stands_near_where_it_is_needed() -> None:
    deep = stacks.chain(12)
    layers = (*deep, stacks.layer("early", "Conv2D", "conv0"), stacks.layer("add", "Add", "conv11", "early"))
    tops = {one.box.key[1]: one.corner.y for one in placed(scene(layers)).boxes}

    assert tops["early"] == tops["conv11"]
