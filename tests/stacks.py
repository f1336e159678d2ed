"""Makes the layers of nets by hand, as a build would describe them, for what needs many shapes of nets and no Keras."""

from collections.abc import Sequence
from itertools import pairwise

from service.model.layers import Layer
from service.model.tensors import Shape

MAP: Shape = (None, 8, 8, 4)


def layer(name: str, kind: str, *inbound: str, shape: Shape = MAP, takes: Shape = MAP, parameters: int = 0) -> Layer:
    """Return a layer that takes maps of one shape from each of `inbound`."""
    taken = (takes,) * len(inbound) if len(inbound) > 1 else takes
    return Layer(name, kind, shape, parameters, taken, inbound=inbound)


def chain(length: int) -> tuple[Layer, ...]:
    """Return an input and `length` convolutions behind each other."""
    names = ["image", *(f"conv{at}" for at in range(length))]
    convolutions = [layer(after, "Conv2D", before) for before, after in pairwise(names)]
    return (layer("image", "InputLayer"), *convolutions)


def residual(blocks: int) -> tuple[Layer, ...]:
    """Return a net of blocks of three layers with a way around each."""
    found, before = [layer("image", "InputLayer")], "image"
    for at in range(blocks):
        names = [f"b{at}_conv", f"b{at}_relu", f"b{at}_conv2"]
        ways = zip(names, ("Conv2D", "ReLU", "Conv2D"), [before, *names], strict=False)
        found += [layer(name, kind, fed) for name, kind, fed in ways]
        found.append(layer(f"b{at}_add", "Add", before, names[-1]))
        before = f"b{at}_add"
    return tuple(found)


def inception(blocks: int) -> tuple[Layer, ...]:
    """Return a net of blocks of four branches of one, two, three and one layers, with a way around every second one."""
    found, before = [layer("image", "InputLayer")], "image"
    for at in range(blocks):
        ends = []
        for branch, length in enumerate((1, 2, 3, 1)):
            fed = before
            for step in range(length):
                found.append(layer(f"m{at}_{branch}_{step}", "Conv2D" if branch < 3 else "MaxPooling2D", fed))
                fed = found[-1].name
            ends.append(fed)
        found.append(layer(f"m{at}", "Concatenate", *ends, *([before] if at % 2 else [])))
        before = f"m{at}"
    return tuple(found)


def dense_block(length: int) -> tuple[Layer, ...]:
    """Return a net in which every convolution takes all that was before it."""
    found = [layer("image", "InputLayer")]
    for at in range(length):
        names: Sequence[str] = [one.name for one in found if one.type != "Concatenate"]
        found += [layer(f"all{at}", "Concatenate", *names, "image"), layer(f"conv{at}", "Conv2D", f"all{at}")]
    return tuple(found)


def two_inputs() -> tuple[Layer, ...]:
    """Return a net of two inputs that share a layer, of which one is joined late."""
    return (
        layer("left", "InputLayer"),
        layer("right", "InputLayer"),
        layer("shared", "Conv2D", "left", "right"),
        *(layer(f"deep{at}", "Conv2D", f"deep{at - 1}" if at else "shared") for at in range(6)),
        layer("late", "Concatenate", "deep5", "right"),
        layer("kind", "Dense", "late", shape=(None, 3)),
        layer("any", "Dense", "late", shape=(None, 1)),
    )


def called_again() -> tuple[Layer, ...]:
    """Return a net that calls one ReLU behind each convolution: what it makes comes back to it."""
    return (
        layer("image", "InputLayer"),
        layer("first", "Conv2D", "image"),
        layer("relu", "ReLU", "first", "second", "relu"),
        layer("second", "Conv2D", "relu"),
        layer("flatten", "Flatten", "relu", shape=(None, 256)),
    )


def nested() -> tuple[Layer, ...]:
    """Return a net that holds a model, `outer`, which holds another one, `inner`, and gives two outputs."""
    return (
        layer("picture", "InputLayer"),
        layer("rescaling", "Rescaling", "picture"),
        layer("outer/image", "InputLayer", "rescaling"),
        layer("outer/conv", "Conv2D", "outer/image", parameters=100),
        layer("outer/inner/maps", "InputLayer", "outer/conv"),
        layer("outer/inner/conv", "Conv2D", "outer/inner/maps", parameters=10),
        layer("outer/inner/relu", "ReLU", "outer/inner/conv"),
        layer("outer/pool", "GlobalMaxPooling2D", "outer/conv", shape=(None, 4)),
        layer("flatten", "Flatten", "outer/inner/relu", shape=(None, 256)),
        layer("kind", "Dense", "flatten", shape=(None, 3), takes=(None, 256)),
        layer("any", "Dense", "outer/pool", shape=(None, 1), takes=(None, 4)),
    )
