"""Owns how far a scale reaches: the least and the largest number that pixels of 0..255 become."""

from collections.abc import Mapping

from service.model.recipe import MeanStd, NamedScale, Rescale, Scale

Reach = tuple[float, float]

# Of caffe and torch the farthest of the three channels (keras.applications.imagenet_utils, Keras 3.15).
_REACHES: Mapping[NamedScale, Reach] = {
    "0..255": (0.0, 255.0),
    "0..1": (0.0, 1.0),
    "-1..1": (-1.0, 1.0),
    "caffe": (-123.68, 151.061),
    "torch": (-2.118, 2.64),
}
_SAME = 0.1


def reach_of(scale: Scale) -> Reach:
    """Return the least and the largest number that a pixel can become, of all channels."""
    if isinstance(scale, MeanStd):
        ends = [(x - mean) / std for x in (0, 1) for mean, std in zip(scale.mean, scale.std, strict=True)]
        return min(ends), max(ends)
    if isinstance(scale, Rescale):
        low, high = sorted((scale.offset, 255 * scale.factor + scale.offset))
        return low, high
    return _REACHES[scale]


def ends_of(scale: Scale) -> Reach:
    """Return what pixels of 0 and of 255 become, in this order, where all channels are scaled as the first."""
    if isinstance(scale, MeanStd):
        return -scale.mean[0] / scale.std[0], (1 - scale.mean[0]) / scale.std[0]
    if isinstance(scale, Rescale):
        return scale.offset, 255 * scale.factor + scale.offset
    return _REACHES[scale]


def reach_in_words(scale: Scale) -> str:
    """Return a scale as the card and warnings name it: by its name, or by where it reaches, such as `-2.12..2.64`."""
    if isinstance(scale, str):
        return scale
    return "..".join(f"{end:.3g}" for end in reach_of(scale))


def is_near(one: Reach, other: Reach) -> bool:
    """Return whether both ends of `one` are those of `other`, but for a tenth of its width."""
    allowed = _SAME * (other[1] - other[0])
    return all(abs(end - wanted) <= allowed for end, wanted in zip(one, other, strict=True))
