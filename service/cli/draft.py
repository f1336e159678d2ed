"""Owns the text of a `model.toml` to start from: every value in force as a comment, with where it came from.

Comments, so that the file changes nothing and the card goes on saying what the graph told and what was guessed.
"""

import json
import re
from typing import Any

from service.cli.table import printable
from service.model.card import ModelCard, OutputCard
from service.model.head import HEADS, TWO_CLASS_HEADS
from service.model.input_card import InputCard
from service.model.recipe import FITS, NAMED_SCALES, MeanStd, Recipe, Rescale, Source
from service.model.recipes import NAMED_RECIPES, RESIZES_OF, library_of

_WIDTH = 100
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ANY_SIDE = 224
_HEAD = """\
# What Convoy inferred about {name} from {file} ({writer}).
# A line `# key = value` is in force as it stands. Take its `# ` away to say it yourself: what you say wins.
# CHECK marks what the saved file could not tell. A change here is live at once, without a build.

# description = ""
"""
_FROM: dict[Source, str] = {
    "graph": "from the model",
    "guess": "CHECK, a guess",
    "default": "CHECK, a default",
    "sidecar": "from another file",
}


def _choice(values: tuple[str, ...]) -> str:
    return " | ".join(values)


# What costs most where it is wrong comes first.
_RECIPE = {
    "scale": f"{_choice(NAMED_SCALES)} | {{ mean = [..], std = [..] }} | {{ factor = .., offset = .. }}",
    "color": "",
    "size": "",
    "shortest_edge": "the shorter side, from which the centre is cut",
    "resize": "",
    "antialias": "",
    "fit": _choice(FITS),
    "samplewise_center": "",
    "samplewise_std_normalization": "",
    "invert": "true for dark on light where the model learned light on dark",
    "exif": "true turns pictures as their EXIF orientation says",
}
_TOLD_ALWAYS = ("invert", "exif")
_UNSURE = ("guess", "default")
_WITH_THRESHOLD = TWO_CLASS_HEADS | {"multi-label"}


def sidecar_draft(card: ModelCard) -> str:
    """Return the text of a `model.toml` that says nothing as it stands, and without its `# ` what is in force."""
    origin = card.facts.source
    head = _HEAD.format(name=card.name, file=printable(origin.file), writer=printable(origin.written_by))
    blocks = [_labels(card), *(_input(one, card) for one in card.inputs), *(_output(one, card) for one in card.outputs)]
    return "\n".join([head, *("\n".join(lines) + "\n" for lines in blocks)])


def _labels(card: ModelCard) -> list[str]:
    output = next((one for one in card.outputs if one.classes), None)
    if output is None:
        return ["# The model answers in plain numbers: there are no classes to name."]
    if output.labels_file is None:
        words = f"CHECK: {output.classes} classes without names; name them in order, or say in which file, one a line"
        return [f'# {words}: labels = "labels.txt"', *_list("labels", output.labels, a_line=10)]
    words = f"{output.classes} classes, named in {printable(output.labels_file)}"
    return [f"# {words}.", *_list("labels", output.labels, a_line=1)]


def _list(key: str, labels: tuple[str, ...], *, a_line: int) -> list[str]:
    line = f"# {key} = [{', '.join(map(_text, labels))}]"
    if len(line) <= _WIDTH:
        return [line]
    rows = [labels[start : start + a_line] for start in range(0, len(labels), a_line)]
    return [f"# {key} = [", *(f"#   {', '.join(map(_text, row))}," for row in rows), "# ]"]


def _input(one: InputCard, card: ModelCard) -> list[str]:
    if one.recipe is None:
        return [f"# Input {_text(one.spec.name)} takes numbers, no pictures: there is nothing to prepare."]
    header = _header("preprocessing", one.spec.name, is_only=len(card.inputs) == 1)
    recipe = one.recipe
    keys = [key for key in _RECIPE if key in recipe.to_json()]
    if None in recipe.size and recipe.source_of("size") == "graph":
        keys.remove("size")
        header += "\n# Pictures go in at their own size: the model resizes them itself."
    values = [_line(key, _value(recipe, key), _recipe_words(recipe, key)) for key in keys]
    return [header, *values, _line("recipe", _text(recipe.recipe), _naming(recipe))]


def _naming(recipe: Recipe) -> str:
    """Say where the name of a recipe came from, and what taking the line out of its comment brings along."""
    implied = ", ".join(f"{key} = {_toml(value)}" for key, value in NAMED_RECIPES[recipe.recipe].implied.items())
    brings = f"; naming it brings {implied} where nothing else is said" if implied else ""
    return f"{_FROM[recipe.source_of('recipe')]}{brings}"


def _value(recipe: Recipe, key: str) -> str:
    value = getattr(recipe, key)
    return _toml([_ANY_SIDE if side is None else side for side in value] if key == "size" else value)


def _recipe_words(recipe: Recipe, key: str) -> str:
    source = recipe.source_of(key)
    choices = _choice(RESIZES_OF[library_of(recipe.recipe)]) if key == "resize" else _RECIPE[key]
    if key == "size" and None in recipe.size:
        return "an example: the model takes any size, so pictures keep their own"
    if key == "color" and recipe.color == "rgb":
        return f'{_FROM[source]}; "bgr" if it was trained on pictures that OpenCV read'
    if key in _TOLD_ALWAYS:
        return choices
    return f"{_FROM[source]}: {choices}" if source in _UNSURE else _FROM[source]


def _output(one: OutputCard, card: ModelCard) -> list[str]:
    header = _header("output", one.spec.name, is_only=len(card.outputs) == 1)
    if one.classes is None:
        return [header, _line("head", _text(one.head), "from the model: a map, whose numbers are given as they are")]
    choices = f": {_choice(HEADS)}" if one.head_source in _UNSURE else ""
    lines = [header, _line("head", _text(one.head), _FROM[one.head_source] + choices)]
    if one.head in _WITH_THRESHOLD:
        lines.append(_line("threshold", _toml(one.threshold), "from which probability on the answer is yes"))
    return lines


def _header(section: str, name: str, *, is_only: bool) -> str:
    if is_only:
        return f"[{section}]"
    return f"[{section}.{name if _BARE_KEY.fullmatch(name) else _text(name)}]"


def _line(key: str, value: str, words: str) -> str:
    return f"# {key} = {value}".ljust(27) + f"  # {words}"


def _toml(value: Any) -> str:
    if isinstance(value, MeanStd):
        return f"{{ mean = {list(value.mean)}, std = {list(value.std)} }}"
    if isinstance(value, Rescale):
        return f"{{ factor = {value.factor}, offset = {value.offset} }}"
    return json.dumps(value)


def _text(value: str) -> str:
    """Return a string as TOML has it; what JSON escapes is escaped alike, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
