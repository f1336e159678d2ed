"""The manifests in deploy/ against the published schemas: Kubernetes' own, and what KServe's package says of its kinds.

NOTE: nothing is asked of a cluster. kubernetes-validate carries Kubernetes' schemas, kserve classes made from its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve.models
import kubernetes.client
import kubernetes_validate
import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FOLDERS = [DEPLOY / "kubernetes", DEPLOY / "kserve"]
_LIST = re.compile(r"[Ll]ist\[(.+)\]")
_DICT = re.compile(r"(?:dict\(|Dict\[)str, (.+)[\])]")
_PLAIN = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}
# Of KServe's kinds: the spec of a predictor holds the fields of a pod's, and KServe's own.
_SUFFIXES = {"serving.kserve.io/v1alpha1": "V1alpha1", "serving.kserve.io/v1beta1": "V1beta1"}


def documents(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text("utf-8")):
            yield path.name, one


def manifests(group: str) -> list[Any]:
    """Return the manifests of KServe's kinds, or of Kubernetes' own."""
    found = [(name, one) for folder in FOLDERS for name, one in documents(folder)]
    return [
        pytest.param(one, id=f"{name} {one['kind']}")
        for name, one in found
        if ("kserve" in one["apiVersion"]) == (group == "kserve") and one["kind"] != "Kustomization"
    ]


@pytest.mark.parametrize("manifest", manifests("kubernetes"))
def test_what_is_kubernetes_own_fits_its_schema(manifest: dict[str, Any]) -> None:
    # Selectors and labels come from kustomization.yaml, as `kubectl kustomize` would put them there.
    kubernetes_validate.validate(with_labels(manifest), kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("manifest", manifests("kserve"))
def test_what_is_kserves_own_fits_what_its_package_says(manifest: dict[str, Any]) -> None:
    assert list(problems(manifest, _SUFFIXES[manifest["apiVersion"]] + manifest["kind"], manifest["kind"])) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda spec: spec.update(protocolVersion=["v2"]), "ServingRuntime.spec.protocolVersion is unknown"),
        (lambda spec: spec.update(multiModel="no"), "ServingRuntime.spec.multiModel is no bool"),
        (
            lambda spec: spec["containers"][0].update(livenesProbe={}),
            "ServingRuntime.spec.containers.0.livenesProbe is unknown",
        ),
    ],
)
def test_a_mistake_would_be_found(change: Any, told: str) -> None:
    manifest = next(one for _, one in documents(DEPLOY / "kserve") if one["kind"] == "ServingRuntime")
    change(manifest["spec"])

    assert list(problems(manifest, "V1alpha1ServingRuntime", "ServingRuntime")) == [told]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_manifest_is_listed_for_kustomize(folder: Path) -> None:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["resources"]

    assert sorted([*listed, "kustomization.yaml"]) == sorted(path.name for path in folder.iterdir())


def with_labels(manifest: dict[str, Any]) -> dict[str, Any]:
    (pair,) = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text("utf-8"))["labels"]
    if manifest["kind"] == "Deployment":
        manifest["spec"]["selector"] = {"matchLabels": pair["pairs"]}
        manifest["spec"]["template"]["metadata"] = {"labels": pair["pairs"]}
    return manifest


def problems(value: Any, kind: str, where: str) -> Iterator[str]:
    """Yield what of `value` its kind does not have, or has in another type."""
    if kind in _PLAIN:
        if not isinstance(value, _PLAIN[kind]):  # type: ignore[arg-type]
            yield f"{where} is no {kind}"
    elif inner := _LIST.fullmatch(kind):
        for index, one in enumerate(value):
            yield from problems(one, inner[1], f"{where}.{index}")
    elif inner := _DICT.fullmatch(kind):
        for key, one in value.items():
            yield from problems(one, inner[1], f"{where}.{key}")
    else:
        yield from _problems_of_object(value, kind, where)


def _problems_of_object(value: Any, kind: str, where: str) -> Iterator[str]:
    model = getattr(kserve.models, kind, None) or getattr(kubernetes.client, kind)
    names = {wire: name for name, wire in model.attribute_map.items()}
    for key, one in value.items():
        if key not in names:
            yield f"{where}.{key} is unknown"
            continue
        yield from problems(one, model.openapi_types[names[key]], f"{where}.{key}")
