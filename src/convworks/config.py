"""Reading, validating, overriding and writing typed configurations. It holds no defaults of its own."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from convworks.errors import InputError, nearest

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, keyword-only, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )


def build(kind: type[C], values: Mapping[str, Any], *, where: str = "configuration") -> C:
    """Validate plain values into a configuration; a wrong field raises one InputError that names it."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _explain(kind, error, where) from None


def override(config: C, assignments: Iterable[str]) -> C:
    """Apply `a.b=c` assignments (values as Python literals, else as text) and validate the whole again."""
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
    """Return the `a.b=c` that gives the field this value: text as it is, unless it would read as something else."""
    bare = isinstance(value, str) and _literal(value.strip()) == value
    return f"{name}={value}" if bare else f"{name}={value!r}"


def to_json(config: Config) -> Any:
    """Return the configuration as plain JSON values; texts as they are, paths that are no UTF-8 too."""
    return config.model_dump(mode="json")


def fields(config: Config, prefix: str = "") -> list[str]:
    """List the dotted name of every field that `override` accepts."""
    names = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        names += fields(value, f"{prefix}{name}.") if isinstance(value, Config) else [prefix + name]
    return names


def _assign(values: dict[str, Any], config: Config, name: str, value: Any) -> None:
    *parents, last = name.split(".")
    here: Any = values
    owner: Any = config
    for depth, part in enumerate([*parents, last]):
        known = list(type(owner).model_fields) if isinstance(owner, Config) else None
        if known and "kind" in known and here.get("kind") != owner.kind:
            known = None  # an assignment before this one chose another kind, whose fields only `build` knows
        if known is not None and part not in known:
            everything = fields(config)
            hint = nearest(name, everything) or nearest(part, known)
            raise InputError(
                f"--set {name}",
                f"there is no field {'.'.join([*parents, last][: depth + 1])!r}{hint}",
                f"fields here: {', '.join(known)}",
            )
        if depth == len(parents):
            if part == "kind" and here.get(part) != value:
                here.clear()  # another kind has fields of its own
            here[part] = value
        else:
            if here.get(part) is None and known and _configs(type(owner).model_fields[part].annotation):
                here[part] = {}
            owner = getattr(owner, part, None) if isinstance(owner, Config) else None
            if not isinstance(here.get(part), dict):
                raise InputError(
                    f"--set {name}",
                    f"{part!r} has no fields of its own",
                    f"give it a value: --set {'.'.join(parents[: depth + 1])}=...",
                )
            here = here[part]


def _literal(text: str) -> Any:
    readable = text.encode("utf-8", "backslashreplace").decode()  # Python's parser takes no paths that are no UTF-8
    try:
        return ast.literal_eval(readable)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None, "null": None}.get(text.lower(), text)


def _explain(kind: type[Config], error: ValidationError, where: str) -> InputError:
    """Turn pydantic's report into one line about its first error."""
    first = error.errors(include_url=False)[0]
    path, known = _follow(kind, [str(part) for part in first["loc"]])
    name = f"{where} {'.'.join(path)}".strip() or "configuration"
    if first["type"] == "extra_forbidden":
        return InputError(name, f"there is no field {path[-1]!r}{nearest(path[-1], known)}", "remove or rename it")
    if first["type"] == "missing":
        return InputError(name, "is missing", "give it a value")
    given = first.get("input")
    shown = "" if isinstance(given, dict) else f", not {given!r}"
    return InputError(name, f"{first['msg'].removeprefix('Value error, ')}{shown}", "correct the value")


def _follow(kind: type[Config], path: list[str]) -> tuple[list[str], list[str]]:
    """Return the path of a value without the kinds that pydantic puts in, and the names of the fields beside it."""
    arms, known, names = [kind], [], []
    for part in path:
        chosen = [arm for arm in arms if len(arms) > 1 and arm.model_fields["kind"].default == part]
        if chosen:
            arms = chosen
            continue
        names.append(part)
        fields_here = arms[0].model_fields if arms else {}
        known = list(fields_here)
        arms = _configs(fields_here[part].annotation) if part in fields_here else []
    return names, known


def _configs(annotation: Any) -> list[type[Config]]:
    """Return the configuration classes that an annotation allows."""
    arms = (annotation, *typing.get_args(annotation))
    return [arm for arm in arms if isinstance(arm, type) and issubclass(arm, Config)]
