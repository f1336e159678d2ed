"""What the pages say is what the program does: every setting, every key, every command is there."""

import importlib.util
from dataclasses import fields
from pathlib import Path
from typing import Any

from service.model.head import HEADS
from service.model.recipe import COLORS, FITS, NAMED_SCALES, Recipe
from service.model.recipes import NAMED_RECIPES, RESIZES_OF
from service.repository.labels import LABEL_FILES
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def readme_module() -> Any:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "docs/readme.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readmes_table_of_settings_is_that_of_the_program() -> None:
    assert readme_module().settings_table() in README
    for one in fields(Settings):
        assert f"CONVOY_{one.name.upper()}" in README


def test_the_readmes_table_of_models_is_that_of_their_sidecars() -> None:
    assert readme_module().models_table() in README


def test_the_readmes_answer_has_its_numbers_as_the_program_writes_them() -> None:
    shown = README.partition("<!-- answer:begin -->\n")[2].partition("\n<!-- answer:end -->")[0]
    written = shown.removeprefix("```json").removesuffix("```")

    assert readme_module().answer(written.encode()) == shown


def test_every_key_and_value_of_a_sidecar_is_documented() -> None:
    page = (ROOT / "docs/model-toml.md").read_text("utf-8")

    for one in fields(Recipe):
        if one.name != "sources":
            assert f"\n{one.name}" in page, one.name
    for value in (*COLORS, *FITS, *NAMED_SCALES, *HEADS):
        assert value in page, value


def test_every_recipe_is_documented_with_what_its_library_resizes_with() -> None:
    page = (ROOT / "docs/model-toml.md").read_text("utf-8")

    for name in NAMED_RECIPES:
        assert f"`{name}`" in page or f"`.{name.removeprefix('applications.')}`" in page, name
    for names in RESIZES_OF.values():
        assert f"| {', '.join(names)}" in page


def test_every_label_file_that_is_looked_for_is_documented() -> None:
    page = (ROOT / "docs/model-toml.md").read_text("utf-8")

    for name in LABEL_FILES:
        assert f"`{name}`" in page, name


def test_every_command_and_route_is_in_the_readme() -> None:
    for command in (
        *("convoy predict", "convoy layers", "convoy build", "convoy models", "convoy serve", "make run"),
        *("convoy check", "convoy init", "convoy preview", "convoy evaluate", "convoy calibrate", "convoy diff"),
        "convoy bench",
    ):
        assert command in README
    for route in ("/preview", "/openapi.json", "/docs", "/v1/models", "/v2/models"):
        assert route in README
    for route in ("/predict", "/layers", "/summary", "/api/models", "/healthz", "/readyz"):
        assert route in README


def test_every_direct_dependency_has_its_reason() -> None:
    import tomllib

    reasons = (ROOT / "docs/dependencies.md").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [project["project"]["dependencies"], project["project"]["optional-dependencies"]["build"]]
    groups += list(project["dependency-groups"].values())
    names = [one for group in groups for one in group if isinstance(one, str)]

    for requirement in names:
        name = requirement.split(">")[0].split(";")[0].split("[")[0].strip()
        assert f"| {name} |" in reasons, name
