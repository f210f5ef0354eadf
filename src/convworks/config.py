"""Reading, validating, overriding and writing typed configurations, without any defaults."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from convworks.errors import InputError, nearest

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of all configurations: frozen, keyword-only, unknown fields refused.

    `SYNONYMS` are other words for fields, with their dotted names: lr for training.schedule.rate.
    """

    SYNONYMS: ClassVar[Mapping[str, str]] = {}

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
    """Apply `a.b=c` assignments (values as Python literals, else as text) and validate the result.

    The end of a dotted name is enough where only one field has it.
    """
    values = config.model_dump()
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise InputError(
                f"--set {assignment}",
                "is not of the form field=value",
                "write for example --set training.epochs=5",
            )
        _assign(values, config, full_name(config, name.strip()), _literal(text.strip()))
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


def full_name(config: Config, name: str) -> str:
    """Return the dotted name of the field that a name, its end or a synonym means; else the name as it is.

    Raises InputError for an end that more than one field has.
    """
    if name.partition(".")[0] in type(config).model_fields:
        return name
    if name in type(config).SYNONYMS:
        return type(config).SYNONYMS[name]
    names = fields(config)
    groups = dict.fromkeys(each.rpartition(".")[0] for each in names)
    first, dot, rest = name.partition(".")
    for end, more in ((name, ""), (first, dot + rest)):
        matches = [each for each in [*names, *groups] if each.endswith(f".{end}")]
        if len(matches) > 1:
            reason = f"{len(matches)} fields end in {end!r}"
            raise InputError(f"--set {name}", reason, f"give one in full: {', '.join(matches)}")
        if matches:
            return matches[0] + more
    return name


def _assign(values: dict[str, Any], config: Config, name: str, value: Any) -> None:
    *parents, last = name.split(".")
    node: Any = values
    owner: Any = config
    for depth, part in enumerate([*parents, last]):
        names = list(type(owner).model_fields) if isinstance(owner, Config) else None
        if names and "kind" in names and node.get("kind") != owner.kind:
            names = None  # an earlier assignment chose another kind, whose fields only `build` knows
        if names is not None and part not in names:
            hint = _nearest_field(config, name, last) or nearest(part, names)
            where = f"fields of {'.'.join(parents[:depth])}" if depth else "fields"
            raise InputError(
                f"--set {name}",
                f"there is no field {'.'.join([*parents, last][: depth + 1])!r}{hint}",
                f"{where}: {', '.join(names)}",
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


def _nearest_field(config: Config, name: str, last: str) -> str:
    """Return a hint at the full name of the field that was probably meant, as `nearest`, or nothing."""
    if last in type(config).SYNONYMS:
        return f" (did you mean {type(config).SYNONYMS[last]!r}?)"
    all_names = fields(config)
    by_last = {each.rpartition(".")[2]: each for each in all_names}
    close = [full for end, full in by_last.items() if repr(end) in nearest(last, by_last)]
    synonyms = type(config).SYNONYMS
    if close == [] and (hint := nearest(name, synonyms)):
        return hint
    return nearest(name, all_names) or (f" (did you mean {' or '.join(map(repr, close))}?)" if close else "")


def _literal(text: str) -> Any:
    readable = text.encode("utf-8", "backslashreplace").decode()  # Python's parser rejects paths that are not UTF-8
    try:
        value = ast.literal_eval(readable)
        str(value)  # a number of thousands of digits cannot be written: ValueError
        return value
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None, "null": None}.get(text.lower(), text)


def _explain(kind: type[Config], error: ValidationError, where: str) -> InputError:
    """Convert pydantic's report into a one-line error about its first item."""
    first, *others = error.errors(include_url=False)
    if first["type"] == "literal_error" and isinstance(first["input"], list | tuple):  # a word, or numbers
        group = first["loc"][:-1]
        first = next((each for each in others if each["loc"][: len(group)] == group), first)
    path, siblings = _follow(kind, [str(part) for part in first["loc"]])
    name = f"{where} {'.'.join(path)}".strip() or "configuration"
    if first["type"] == "extra_forbidden":
        return InputError(name, f"there is no field {path[-1]!r}{nearest(path[-1], siblings)}", "remove or rename it")
    if first["type"] == "missing":
        if path[-1].isdecimal():
            return InputError(f"{where} {'.'.join(path[:-1])}".strip(), "has too few values", "give one more")
        return InputError(name, "is missing", "give it a value")
    value, context = first.get("input"), first.get("ctx", {})
    choices = context.get("expected_tags") or context.get("expected") or ""
    if first["type"] == "union_tag_invalid":
        kinds = [kind.strip("' ") for kind in choices.split(",")]
        reason = f"there is no kind {context['tag']!r}{nearest(str(context['tag']), kinds)}"
        return InputError(f"{name}.kind", reason, f"choose one of {', '.join(kinds)}")
    if first["type"] == "union_tag_not_found":
        return InputError(f"{name}.kind", "is missing", "give it a value, before the fields of that kind")
    if first["type"] == "literal_error":
        literals = [literal.strip(" '") for literal in choices.replace(" or ", ",").split(",")]
        return InputError(name, f"cannot be {value!r}{nearest(str(value), literals)}", f"choose one of {choices}")
    if first["type"].startswith(("model", "dict")):
        reason = f"is a group of fields, not {value!r}"
        kind_of = (
            f"--set {name}.kind={value}, or " if isinstance(value, str) and "kind" in _siblings(kind, path) else ""
        )
        return InputError(name, reason, f"set its fields: {kind_of}--set {name}.FIELD=VALUE")
    reason = rule(first["type"], first["msg"])
    if "max_length" in context:
        reason = f"must have {context['max_length']} values"
    shown = f", not {value!r}" if reason.startswith("must") and not isinstance(value, dict) else ""
    return InputError(name, f"{reason}{shown}", "correct the value")


#: What pydantic's types of errors say, in plain words; by the beginnings of their names.
RULES = {
    "int": "must be a whole number",
    "float": "must be a number",
    "finite_number": "must be a finite number",
    "bool": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list such as 32,48",
}


def rule(kind: str, message: str) -> str:
    """Return what a value must be, from pydantic's type of error and message."""
    if (known := next((text for name, text in RULES.items() if kind.startswith(name)), None)) is not None:
        return known
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


def _siblings(kind: type[Config], path: list[str]) -> list[str]:
    """Return the names of the fields of a group."""
    return _follow(kind, [*path, "kind"])[1]


def _follow(kind: type[Config], path: list[str]) -> tuple[list[str], list[str]]:
    """Return the path of a value without the union members that pydantic inserts, and the names of its siblings."""
    variants, siblings, names = [kind], [], []
    for part in path:
        selected = [
            variant for variant in variants if len(variants) > 1 and variant.model_fields["kind"].default == part
        ]
        if selected:
            variants = selected
            continue
        if not variants and not part.isdecimal():
            continue  # a member of a union of plain types; digits are the index of an item
        names.append(part)
        candidates = variants[0].model_fields if variants else {}
        siblings = list(candidates)
        variants = _configs(candidates[part].annotation) if part in candidates else []
    return names, siblings


def _configs(annotation: Any) -> list[type[Config]]:
    """Return the configuration classes that an annotation allows."""
    types = (annotation, *typing.get_args(annotation))
    return [kind for kind in types if isinstance(kind, type) and issubclass(kind, Config)]
