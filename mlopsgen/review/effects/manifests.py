"""An environment's manifests as the cluster gets them: what a release fills in left out, hashed names followed."""

from __future__ import annotations

import copy
from typing import Any

from mlopsgen.output.digest import digest
from mlopsgen.review.documents import Files
from mlopsgen.review.parts import at, items, mapping, mappings

FOLDER = "deploy/"
RELEASED = "(of the release)"


class Manifests:
    """All objects below `deploy/<environment>/`.

    Attributes:
        objects: manifests by file and name, masked where `release.yaml` fills in.
        written: the same as they stand in the files.
    """

    def __init__(self, files: Files, environment: str) -> None:
        self.written: dict[tuple[str, str], Any] = {}
        folder = f"{FOLDER}{environment}/"
        keys = [key for key in files.content if key.startswith(folder) and key.endswith((".yaml", ".yml"))]
        kustomizations = {key.rpartition("/")[0]: files.document(key) for key in keys if _is_kustomization(key)}
        for key in keys:
            if not _is_kustomization(key):
                for name, document in files.objects(key).items():
                    if name and not _is_local(document):
                        self.written[key, name] = document
        self.objects = {place: _masked(document, place[0], kustomizations) for place, document in self.written.items()}
        for above, kustomization in kustomizations.items():
            self._hashed(above, kustomization, files)

    def _hashed(self, folder: str, kustomization: Any, files: Files) -> None:
        """Let pods depend on generated ConfigMaps, whose name follows their content."""
        for generator in mappings(mapping(kustomization).get("configMapGenerator")):
            if at(generator, "options.disableNameSuffixHash") is True:
                continue
            parts = [files.content.get(f"{folder}/{name}", b"") for name in _list(generator, "files")]
            for place, document in self.objects.items():
                if place[0].rpartition("/")[0] == folder and str(generator.get("name")) in _config_maps(document):
                    template = document["spec"]["template"]
                    template[f"generated {generator['name']}"] = digest(b"\0".join(parts))

    def scaler(self, workload: str) -> tuple[Any, Any] | None:
        """Fewest and most replicas of a workload that an autoscaler owns; None where none does."""
        for document in self.objects.values():
            if at(document, "spec.scaleTargetRef.name") == workload:
                low = at(document, "spec.minReplicaCount", at(document, "spec.minReplicas", 1))
                return low, at(document, "spec.maxReplicaCount", at(document, "spec.maxReplicas", low))
        return None

    def rollout_of(self, deployment: str) -> Any:
        """The Argo Rollout whose pods a Deployment is the template of."""
        for document in self.objects.values():
            if at(document, "spec.workloadRef.name") == deployment:
                return document
        return None


def environments(*outputs: Files) -> list[str]:
    """Names of the environments that any of the outputs has manifests of."""
    keys = [key for files in outputs for key in files.content if key.startswith(FOLDER)]
    return sorted({key.split("/")[1] for key in keys})


def _is_kustomization(key: str) -> bool:
    return key.rpartition("/")[2] == "kustomization.yaml"


def _is_local(document: Any) -> bool:
    """Whether kustomize reads an object and no cluster gets it."""
    annotations = mapping(at(document, "metadata.annotations"))
    return str(annotations.get("config.kubernetes.io/local-config", "")) == "true"


def _list(document: Any, key: str) -> list[Any]:
    return items(mapping(document).get(key))


def _config_maps(document: Any) -> set[Any]:
    volumes = mappings(at(document, "spec.template.spec.volumes"))
    return {str(at(volume, "configMap.name")) for volume in volumes if at(volume, "configMap.name") is not None}


def _masked(document: Any, file: str, kustomizations: dict[str, Any]) -> Any:
    """A copy of a manifest without the values that kustomize takes from the ConfigMap of the release."""
    document = copy.deepcopy(document)
    for replacement in mappings(mapping(kustomizations.get(file.rpartition("/")[0])).get("replacements")):
        for target in mappings(replacement.get("targets")):
            chosen = mapping(target.get("select"))
            if chosen.get("kind") == document["kind"] and chosen.get("name") == document["metadata"]["name"]:
                for path in _list(target, "fieldPaths"):
                    _mask(document, _parts(str(path)), mapping(target.get("options")))
    return document


def _parts(path: str) -> list[str]:
    """`a.[name=b].c` in parts; a dot inside of brackets is none."""
    parts, depth = [""], 0
    for letter in path:
        depth += (letter == "[") - (letter == "]")
        if letter == "." and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _mask(value: Any, parts: list[str], options: dict[str, Any]) -> None:
    part, *rest = parts
    if isinstance(value, list):
        field, _, wanted = part.strip("[]").partition("=")
        for index, item in enumerate(value):
            if part == "*" or part == str(index) or (isinstance(item, dict) and str(item.get(field)) == wanted):
                _mask(item, rest, options) if rest else value.__setitem__(index, RELEASED)
    elif isinstance(value, dict) and part in value:
        if rest:
            _mask(value[part], rest, options)
        else:
            value[part] = _segment(value[part], options)


def _segment(value: Any, options: dict[str, Any]) -> Any:
    """The value, or only a piece of it, replaced."""
    delimiter, index = options.get("delimiter"), options.get("index", 0)
    if not (isinstance(delimiter, str) and delimiter and isinstance(index, int)):
        return RELEASED
    pieces = str(value).split(delimiter)
    return delimiter.join([*pieces[:index], RELEASED, *pieces[index + 1 :]])
