"""Reading, validating, overriding and writing typed configurations, without any defaults."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from convworks.errors import InputError, nearest

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of all configurations: frozen, keyword-only, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )


def build(kind: type[C], values: Mapping[str, Any], *, where: str = "configuration") -> C:
    """Validate plain values into a configuration; raises an InputError that names an invalid field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _explain(kind, error, where) from None


def override(config: C, assignments: Iterable[str]) -> C:
    """Apply `a.b=c` assignments (values as Python literals, else as text) and validate the result."""
    values = config.model_dump()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise InputError(
                f"--set {assignment}",
                "is not of the form field=value",
                "write for example --set training.epochs=5",
            )
        _assign(values, config, name.strip(), _literal(text.strip()))
    return build(type(config), values, where="")


def assignment(name: str, value: Any) -> str:
    """Return the `a.b=c` that sets a field to a value; text is quoted only if it would be parsed as something else."""
    bare = isinstance(value, str) and _literal(value.strip()) == value
    return f"{name}={value}" if bare else f"{name}={value!r}"


def to_json(config: Config) -> Any:
    """Return the configuration as plain JSON values; text is unchanged, including paths that are not UTF-8."""
    return config.model_dump(mode="json")


def fields(config: Config, prefix: str = "") -> list[str]:
    """List the dotted names of all fields that `override` accepts."""
    names = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        names += fields(value, f"{prefix}{name}.") if isinstance(value, Config) else [prefix + name]
    return names


def _assign(values: dict[str, Any], config: Config, name: str, value: Any) -> None:
    *parents, last = name.split(".")
    node: Any = values
    owner: Any = config
    for depth, part in enumerate([*parents, last]):
        names = list(type(owner).model_fields) if isinstance(owner, Config) else None
        if names and "kind" in names and node.get("kind") != owner.kind:
            names = None  # an earlier assignment chose another kind, whose fields only `build` knows
        if names is not None and part not in names:
            all_names = fields(config)
            hint = nearest(name, all_names) or nearest(part, names)
            raise InputError(
                f"--set {name}",
                f"there is no field {'.'.join([*parents, last][: depth + 1])!r}{hint}",
                f"fields here: {', '.join(names)}",
            )
        if depth == len(parents):
            if part == "kind" and node.get(part) != value:
                node.clear()  # another kind has fields of its own
            node[part] = value
        else:
            if node.get(part) is None and names and _configs(type(owner).model_fields[part].annotation):
                node[part] = {}
            owner = getattr(owner, part, None) if isinstance(owner, Config) else None
            if not isinstance(node.get(part), dict):
                raise InputError(
                    f"--set {name}",
                    f"{part!r} has no fields of its own",
                    f"give it a value: --set {'.'.join(parents[: depth + 1])}=...",
                )
            node = node[part]


def _literal(text: str) -> Any:
    readable = text.encode("utf-8", "backslashreplace").decode()  # Python's parser rejects paths that are not UTF-8
    try:
        return ast.literal_eval(readable)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None, "null": None}.get(text.lower(), text)


def _explain(kind: type[Config], error: ValidationError, where: str) -> InputError:
    """Convert pydantic's report into a one-line error about its first item."""
    first = error.errors(include_url=False)[0]
    path, siblings = _follow(kind, [str(part) for part in first["loc"]])
    name = f"{where} {'.'.join(path)}".strip() or "configuration"
    if first["type"] == "extra_forbidden":
        return InputError(name, f"there is no field {path[-1]!r}{nearest(path[-1], siblings)}", "remove or rename it")
    if first["type"] == "missing":
        return InputError(name, "is missing", "give it a value")
    value = first.get("input")
    shown = "" if isinstance(value, dict) else f", not {value!r}"
    return InputError(name, f"{first['msg'].removeprefix('Value error, ')}{shown}", "correct the value")


def _follow(kind: type[Config], path: list[str]) -> tuple[list[str], list[str]]:
    """Return the path of a value without the union kinds that pydantic inserts, and the names of its sibling fields."""
    variants, siblings, names = [kind], [], []
    for part in path:
        selected = [
            variant for variant in variants if len(variants) > 1 and variant.model_fields["kind"].default == part
        ]
        if selected:
            variants = selected
            continue
        names.append(part)
        candidates = variants[0].model_fields if variants else {}
        siblings = list(candidates)
        variants = _configs(candidates[part].annotation) if part in candidates else []
    return names, siblings


def _configs(annotation: Any) -> list[type[Config]]:
    """Return the configuration classes that an annotation allows."""
    types = (annotation, *typing.get_args(annotation))
    return [kind for kind in types if isinstance(kind, type) and issubclass(kind, Config)]
