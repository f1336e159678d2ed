"""Owns the use case of reasons: an example in, a heat map for each input out, by gradients or by occlusion."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceededError, MisfitError
from service.explain import gradcam
from service.explain.canvas import Canvas, canvas_of, check_canvas
from service.explain.insight import Insights
from service.explain.occlusion import Question, budget_of, coarsest, is_fine, occluded
from service.explain.target import Target, class_called, output_called, target_of
from service.explain.turns import Turns
from service.model.card import ModelCard, OutputCard
from service.serving.examples import Example, Origin
from service.serving.free_size import Items, check_items
from service.serving.live_model import LiveModel
from service.serving.preview import Preview, Previewer
from service.serving.statistics import Account, Recorder, recorded

Method = Literal["grad-cam", "occlusion"]
_NOTHING = "Nothing in the picture speaks for {!r} by this method."
_NO_TIME_LEFT = (
    "The coarsest heat map by occlusion takes {} runs of the model, some {:.1f} s, and {:.1f} s are left; {}allow more "
    "time with X-Request-Timeout, up to the server's own limit, or send a smaller picture."
)
_TOO_LATE = "The time was too short for occlusion, so this is Grad-CAM; with more time it may be occlusion."
_SURELY = 0.5
"""The part of the time that is left which the coarsest heat map may take where Grad-CAM would do as well."""
_ROUNDING = 1e-6
"""What is left of a heat map whose largest number is less, of the logits' spread, is rounding."""
_CUT_SHORT = "The time was too short for smaller patches; the heat map is coarser than it could be."
_NOT_FINITE = "Some gradients are not finite (NaN or infinity); those places have no heat. method=occlusion needs none."
_LEFT_OUT = "No maps are made of the input {}, so Grad-CAM says nothing of it; ask with method=occlusion."


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: a class by label or index, an output and an input by name; None where it is left open.

    Without `label` it is the predicted class, without `input` every input.
    """

    label: str | None = None
    output: str | None = None
    input: str | None = None
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How far each pixel of one input speaks for the class: `raw` (height, width) as measured, against it below 0."""

    canvas: Canvas
    raw: NDArray[np.float32]

    @property
    def heat(self) -> NDArray[np.float32]:
        """Return what speaks for the class in 0..1, the most being 1; 0 where nothing does, or what does against it."""
        return np.asarray(np.maximum(self.raw, 0) / (self.raw.max() if self.raw.max() > 0 else 1), np.float32)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a model answers an example as it does; `passes` are the runs of the model that the heat maps took."""

    card: ModelCard
    origin: Origin
    target: Target
    method: Method
    passes: int
    maps: tuple[HeatMap, ...]
    warnings: tuple[str, ...]

    def map_of(self, name: str | None) -> HeatMap:
        """Return the heat map of the input of that name, the first where None; raises MisfitError where it has none."""
        found = next((one for one in self.maps if name in (None, one.canvas.name)), None)
        if found is None:
            raise MisfitError(f"There is no heat map of the input {name!r}.")
        return found


class Explainer:
    """Explains answers of live models."""

    def __init__(
        self,
        *,
        previewer: Previewer,
        insights: Insights,
        recorder: Recorder | None = None,
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns or Turns()
        self._previewer = previewer
        self._insights = insights
        self._recorder = recorder

    def explain(self, model: LiveModel, example: Example, asked: Asked, *, deadline: float) -> Explanation:
        """Return where in an example a class shows; of a batch of numbers, in the first, with a warning.

        `deadline` is a `time.monotonic()` value. Raises RequestError as a prediction would, MisfitError for a class, an
        output or an input that is not there, or a method that the model does not allow; DeadlineExceededError;
        BusyError where other heat maps are being made.
        """
        account = Account(model.key, is_counted=False)
        with self._turns.turn(deadline=deadline), recorded(self._recorder, account):
            began = time.monotonic()
            seen = self._previewer.preview(example, model, check=lambda items: _check_items(model, items, asked))
            account.timings.decode = time.monotonic() - began
            run = _Run(model, self._insights, seen, asked, deadline)
            found = run.explanation()
            account.timings.infer = time.monotonic() - began - account.timings.decode
            account.examples = 1
        return found


class _Run:
    """One explanation on its way."""

    def __init__(self, model: LiveModel, insights: Insights, seen: Preview, asked: Asked, deadline: float) -> None:
        self._model = model
        self._insights = insights
        self._asked = asked
        self._deadline = deadline
        self._origin = seen.origin
        self._inputs = {name: one.array[np.newaxis] for name, one in seen.inputs.items()}
        self._canvases = _canvases(model.card, seen, asked.input)
        self._warnings = [note for one in seen.inputs.values() for note in one.warnings]

    def explanation(self) -> Explanation:
        card = self._model.card
        output = output_called(card, self._asked.output)
        self._check_asked(output)  # what cannot be answered costs no pass
        began = time.monotonic()
        outputs, waited = self._model.run(self._inputs, deadline=self._deadline)
        seconds = time.monotonic() - began - waited
        passes = budget_of(self._model, seconds=seconds) // len(self._canvases)
        target = target_of(output, outputs[output.spec.name], self._asked.label)
        if target.value is None:
            raise MisfitError("The model's output for this class is not finite (NaN or infinity): it has no reasons.")
        method = self._timely(self._asked.method or self._best_method(passes), seconds)
        spent, maps = self._by_gradients(target) if method == "grad-cam" else self._by_occlusion(target, passes)
        least = _ROUNDING * target.spread(outputs[output.spec.name])
        if not any(one.raw.max() > least for one in maps):
            self._warnings.append(_NOTHING.format(target.label))
        return Explanation(card, self._origin, target, method, spent, tuple(maps), tuple(dict.fromkeys(self._warnings)))

    def _check_asked(self, output: OutputCard) -> None:
        """Raise MisfitError for a class that is not there, or where gradients are asked for and there are none."""
        if self._asked.label is not None:
            class_called(output, self._asked.label)
        if self._asked.method == "grad-cam":
            self._check_gradients()

    def _check_gradients(self) -> None:
        insight = self._model.card.facts.insight
        reason = insight.missing or insight.no_gradient
        if reason:
            raise MisfitError(f"{reason} Ask with method=occlusion, which needs no gradient.")
        left_out = self._left_out()
        if len(left_out) == len(self._canvases):
            raise MisfitError(_LEFT_OUT.format(", ".join(left_out)))

    def _left_out(self) -> list[str]:
        """Return the inputs that no maps for Grad-CAM are made of."""
        cams = self._model.card.facts.insight.cams
        return [one.name for one in self._canvases if not any(one.name in cam.inputs for cam in cams)]

    def _best_method(self, passes: int) -> Method:
        """Return occlusion where there is time for a fine map, or no gradient: it has the better curves (ADR 0012)."""
        insight = self._model.card.facts.insight
        has_time = all(is_fine(one.size, passes) for one in self._canvases)
        return "occlusion" if has_time or insight.no_gradient or self._left_out() else "grad-cam"

    def _timely(self, method: Method, seconds: float) -> Method:
        """Return a method that will be done in time, by the `seconds` of one run; raises DeadlineExceededError."""
        left = self._deadline - time.monotonic()
        runs = sum(coarsest(one.size) for one in self._canvases)
        has_gradient = not (self._model.card.facts.insight.no_gradient or self._left_out())
        is_open = has_gradient and self._asked.method is None
        if method == "grad-cam" or runs * seconds < (_SURELY if is_open else 1) * left:
            return method
        if is_open:
            self._warnings.append(_TOO_LATE)
            return "grad-cam"
        other = "ask with method=grad-cam, which takes one, or " if has_gradient else ""
        raise DeadlineExceededError(_NO_TIME_LEFT.format(runs, runs * seconds, left, other))

    def _by_occlusion(self, target: Target, passes: int) -> tuple[int, list[HeatMap]]:
        question = Question(self._model, self._inputs, target, self._deadline)
        found = [occluded(question, one, passes=passes) for one in self._canvases]
        if any(one.is_cut_short for one in found):
            self._warnings.append(_CUT_SHORT)
        maps = [HeatMap(canvas, one.heat) for canvas, one in zip(self._canvases, found, strict=True)]
        return sum(one.passes for one in found), maps

    def _by_gradients(self, target: Target) -> tuple[int, list[HeatMap]]:
        weights: Mapping[str, NDArray[Any]] = {target.output.spec.name: target.weights(1)}
        cams = self._insights.gradients(self._model, self._inputs, weights, deadline=self._deadline)
        if not all(map(gradcam.is_finite, cams)):
            self._warnings.append(_NOT_FINITE)
        found = [(canvas, gradcam.heat_of(cams, canvas, self._model.card)) for canvas in self._canvases]
        if left_out := self._left_out():
            self._warnings.append(_LEFT_OUT.format(", ".join(left_out)))
        return 1, [HeatMap(canvas, heat) for canvas, heat in found if heat is not None]


def _check_items(model: LiveModel, items: Items, asked: Asked) -> None:
    """Raise TooLargeError where a picture is too large for a heat map, or for the model; see `told_items`."""
    for one in model.card.inputs:
        if one.spec.name in items and asked.input in (None, one.spec.name):
            check_canvas(one, items[one.spec.name])
    check_items(items, bytes_per_number=model.bytes_per_number)


def _canvases(card: ModelCard, seen: Preview, name: str | None) -> list[Canvas]:
    if name is not None:
        seen.input(name)
    wanted = [one for one in card.inputs if name in (None, one.spec.name)]
    return [canvas_of(one, seen.inputs[one.spec.name]) for one in wanted]
