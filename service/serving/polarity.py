"""Owns polarity: does a grey picture show dark on light, and has its model learned light on dark?

A model is asked once: it is shown drawn strokes, shapes and characters both ways round, and the way it learned is the
one in which its answers tell most about what it was shown. A picture the other way round often gets one and the same
class whatever it shows. Everything here is in the model's own numbers, after the recipe: light is what 255 becomes.
"""

import threading
import time
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays
from service.errors import DeadlineExceededError, RequestError
from service.model.card import ModelCard, OutputCard
from service.model.head import Head, to_class_values
from service.model.input_card import InputCard
from service.model.reach import ends_of
from service.serving.live_model import LiveModel
from service.serving.stimuli import stimuli

Polarity = Literal["light on dark", "dark on light"]
Grey = NDArray[np.float32]

LARGEST_SIDE = 128
"""Sides in pixels of the largest input that is asked; larger ones take photographs, which have no polarity."""
SECONDS = 1.0
"""Processor time after which a slow model is asked no further, and counts as one without polarity."""
LONGEST = 10.0
"""Seconds on a busy machine after which the same is done."""
CLEARER = 1.6
"""By how much the answers of one way round must tell more than those of the other."""
LEAST = 0.35
"""Nats that the answers must tell about what is shown, lest two noises are compared."""

_NEAR = 0.15
_SHARE = 0.6
_FAR = 0.25
_LEAST_DRAWN = 0.01
_MOST_OPPOSITE = 0.002
_TINY = 1e-7


def polarity_of_picture(grey: Grey) -> Polarity | None:
    """Return which way round a picture is, (height, width) in 0..1; None where its border is no even ground."""
    border = grey.reshape(-1)[_border(*grey.shape)]
    ground = _ground(border)
    if np.count_nonzero(np.abs(border - ground) < _NEAR) < _SHARE * border.size:
        return None
    darker, lighter = (np.count_nonzero(drawn) / grey.size for drawn in (grey < ground - _FAR, grey > ground + _FAR))
    if lighter >= _LEAST_DRAWN and darker <= _MOST_OPPOSITE and ground < 0.5:
        return "light on dark"
    if darker >= _LEAST_DRAWN and lighter <= _MOST_OPPOSITE and ground > 0.5:
        return "dark on light"
    return None


@lru_cache(maxsize=64)
def _border(height: int, width: int) -> NDArray[np.intp]:
    """Return the places of the outermost pixels, as wide as one of 28, in a picture's rows laid end to end."""
    wide = max(1, min(height, width) // 28)
    is_border = np.ones((height, width), bool)
    is_border[wide:-wide, wide:-wide] = False
    return np.flatnonzero(is_border)


def _ground(border: Grey) -> float:
    """Return the median; the lower one of two."""
    middle = (border.size - 1) // 2
    return float(np.partition(border, middle)[middle])


def told_by(values: NDArray[np.float32], head: Head) -> float:
    """Return how much class values (N, classes) tell about which of N pictures was shown, in nats.

    That is the entropy of the mean answer less the mean entropy of the answers: nothing for one same answer to all, and
    nothing for answers that are all unsure. Several sigmoids count one by one.
    """
    sure = np.clip(values.astype(np.float64), _TINY, 1 - _TINY)
    if head in ("softmax", "logits", "binary", "binary-logit"):
        return float(_spread(sure.mean(0)).sum() - _spread(sure).sum(1).mean())
    mean = sure.mean(0)
    return float((_spread(mean) + _spread(1 - mean) - (_spread(sure) + _spread(1 - sure)).mean(0)).sum())


def _spread(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return -share * np.log(share)


def polarity_of_answers(told: list[tuple[float, float]]) -> Polarity | None:
    """Return which way round a model learned, from what its answers tell: (light on dark, dark on light) by kind.

    A kind of stimulus counts where one way round tells clearly more; None where none does, or two disagree.
    """
    clear = [(light, dark) for light, dark in told if max(light, dark) >= max(LEAST, CLEARER * min(light, dark))]
    ways: set[Polarity] = {"light on dark" if light > dark else "dark on light" for light, dark in clear}
    return ways.pop() if len(ways) == 1 else None


def learned_polarity(model: LiveModel) -> Polarity | None:
    """Ask a model which way round it learned: None for one of other inputs or outputs, and where its answers are equal.

    Takes some 300 runs of the model, which a small one does in a fraction of a second; gives up on a slow one.
    """
    if not is_asked(model.card):
        return None
    try:
        return polarity_of_answers(_told(model, model.card.inputs[0], model.card.outputs[0]))
    except (DeadlineExceededError, RequestError):
        return None


def _told(model: LiveModel, taken: InputCard, output: OutputCard) -> list[tuple[float, float]]:
    """Return what the answers to each kind of stimulus tell; raises DeadlineExceededError where it takes too long."""
    deadline, began = time.monotonic() + LONGEST, time.thread_time()
    told = []
    for kind in stimuli(*_sides(taken)):
        ways = []
        for grey in (kind, 1 - kind):
            if time.thread_time() - began > SECONDS:
                raise DeadlineExceededError("The model is too slow to be asked for its polarity.")
            found, _ = model.run(_fed(grey, taken), deadline=deadline)
            ways.append(told_by(to_class_values(found[output.spec.name], output.head), output.head))
        told.append((ways[0], ways[1]))
    return told


def is_asked(card: ModelCard) -> bool:
    """Return whether a model may have a polarity: of one input that may have one, and of one output with classes."""
    if len(card.inputs) != 1 or len(card.outputs) != 1:
        return False
    return _is_grey(card.inputs[0]) and card.outputs[0].classes is not None and card.outputs[0].head != "scores"


def _is_grey(card: InputCard) -> bool:
    """Return whether an input takes small grey pictures, scaled alike whatever they show."""
    recipe, layout = card.recipe, card.layout
    if recipe is None or layout is None or layout.channels != 1 or not card.spec.dtype.startswith("float"):
        return False
    sides = _sides(card)
    is_standardized = recipe.samplewise_center or recipe.samplewise_std_normalization
    return not is_standardized and None not in sides and max(sides) <= LARGEST_SIDE


def _sides(card: InputCard) -> tuple[int, int]:
    assert card.recipe is not None
    assert card.layout is not None
    return (card.layout.height or card.recipe.size[0], card.layout.width or card.recipe.size[1])  # type: ignore[return-value]


def _fed(grey: Grey, card: InputCard) -> Arrays:
    """Return pictures (N, height, width) in 0..1 as the model takes them."""
    assert card.recipe is not None
    assert card.layout is not None
    dark, light = ends_of(card.recipe.scale)
    values = np.asarray(dark + grey * (light - dark), card.spec.dtype)
    if card.layout.is_flat:
        return {card.spec.name: values.reshape(len(values), -1)}
    if not card.layout.has_channel_axis:
        return {card.spec.name: values}
    axis = 1 if card.layout.order == "channels_first" else -1
    return {card.spec.name: np.ascontiguousarray(np.expand_dims(values, axis))}


def _has_ground_of(border: NDArray[Any], card: InputCard, polarity: Polarity) -> bool:
    """Return whether a border in a model's numbers is as dark, or as light, as one of this polarity.

    That is whether half of it is: what `_ground` of it in 0..1 would say, in a tenth of the time.
    """
    assert card.recipe is not None
    dark, light = ends_of(card.recipe.scale)
    middle = (dark + light) / 2
    is_darker = border < middle if dark < light else border > middle
    return bool(2 * np.count_nonzero(is_darker) >= border.size) == (polarity == "light on dark")


def _grey(values: NDArray[np.generic], card: InputCard) -> Grey:
    """Return a model's numbers in 0..1, in the shape they have: what `_fed` undoes."""
    assert card.recipe is not None
    dark, light = ends_of(card.recipe.scale)
    return (values.astype(np.float32) - dark) / (light - dark)


class LearnedPolarity:
    """Which way round one model learned, asked when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: tuple[Polarity | None] | None = None

    @property
    def known(self) -> Polarity | None:
        """Return it where the model was asked already and told."""
        return self._found[0] if self._found else None

    def has_none(self, model: LiveModel) -> bool:
        """Return whether the model was asked already and did not tell, or is one that is not asked."""
        if self._found is None and not is_asked(model.card):
            self._found = (None,)
        return self._found == (None,)

    def of(self, model: LiveModel) -> Polarity | None:
        """Return it; the first caller asks the model, the others meanwhile go without."""
        if self._found is None and self._lock.acquire(blocking=False):
            try:
                self._found = (learned_polarity(model),)
            finally:
                self._lock.release()
        return self.known


def polarity_warnings(batch: NDArray[np.generic], model: LiveModel, learned: LearnedPolarity) -> list[str | None]:
    """Return for each picture of a batch, as the model takes it, a warning where it is the other way round.

    `learned` is the one that belongs to `model`, and is asked only where a picture shows a way round.
    """
    if learned.has_none(model):
        return [None] * len(batch)
    return [_warning(one.reshape(-1), model, learned) for one in batch]


def _warning(values: NDArray[Any], model: LiveModel, learned: LearnedPolarity) -> str | None:
    """Return the warning for one picture in the model's numbers, (height * width,): all forms lay it out alike."""
    card = model.card.inputs[0]
    sides = _sides(card)
    if learned.known is not None and _has_ground_of(values[_border(*sides)], card, learned.known):
        return None  # as nearly every picture is, which is seen at a glance
    shown = polarity_of_picture(_grey(values, card).reshape(sides))
    known = learned.of(model) if shown is not None else None
    if known is None or shown == known:
        return None
    return warning_of(known, is_inverted=card.recipe is not None and card.recipe.invert)


def warning_of(learned: Polarity, *, is_inverted: bool) -> str:
    """Return the warning for a picture that is not as a model `learned`; `is_inverted` where its recipe inverts."""
    looks: Polarity = "dark on light" if learned == "light on dark" else "light on dark"
    if is_inverted:
        return (
            f"Once inverted, the picture looks {looks} and the model answers as one trained on {learned}; if so, send "
            "it inverted or take `invert = true` out of model.toml."
        )
    return (
        f"The picture looks {looks} and the model answers as one trained on {learned}; if so, send it inverted or set "
        "`invert = true` in model.toml."
    )
