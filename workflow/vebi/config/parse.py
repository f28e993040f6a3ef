"""Checking a configuration, with one message that lists every problem."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vebi.config.whole import Config
from vebi.errors import VebiError


def parse_config(values: Mapping[str, Any]) -> Config:
    """Check a configuration; raise one VebiError that lists every problem.

    Each line names the key, the value and what is allowed.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        lines = [line for item in error.errors() for line in _describe(item)]
        count = "One problem" if len(lines) == 1 else f"{len(lines)} problems"
        message = "\n".join(f"  - {line}" for line in lines)
        raise VebiError(
            f"{count} in the configuration (config/README.md explains every key):\n{message}"
        ) from None


def _describe(item: Any) -> list[str]:
    """One line per problem that pydantic reports."""
    kind, value = item["type"], item["input"]
    where = list(item["loc"])
    if where[:1] == ["datasets"] and len(where) > 2:
        del where[2]  # the kind, which pydantic puts there, is no key of the file
    key = ".".join(str(part) for part in where)
    if kind == "value_error":
        message = str(item["ctx"]["error"])
        return [f"{key}: {line}" if key else line for line in message.splitlines()]
    if kind == "extra_forbidden":
        allowed = _keys_at(item["loc"][:-1])
        close = difflib.get_close_matches(str(where[-1]), allowed, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return [f"{key}: unknown key; allowed: {', '.join(allowed)}{hint}"]
    if kind == "union_tag_invalid":
        return [
            f"{key}.kind: '{item['ctx']['tag']}' is unknown; allowed: {item['ctx']['expected_tags']}"
        ]
    if kind == "union_tag_not_found":
        return [f"{key}.kind: is missing"]
    if kind == "missing":
        return [f"{key}: is missing"]
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        return [f"{key}: '{value}' is text, a number is expected (YAML wants 1.0e-3, not 1e-3)"]
    text = item["msg"][0].lower() + item["msg"][1:]
    return [f"{key}: {value!r} is not allowed; {text}"]


def _keys_at(where: Sequence[Any]) -> list[str]:
    """The keys that the configuration knows at a place (as pydantic names it), from its types."""
    candidates: list[Any] = [Config]
    for step in where:
        candidates = [inner for item in candidates for inner in _inside(item, step)]
    models = [model for item in candidates for model in _models(item)]
    return list(dict.fromkeys(key for model in models for key in model.model_fields))


def _inside(annotation: Any, step: Any) -> Iterator[Any]:
    """The types that an annotation has under a key, an index, or the tag of a tagged union."""
    tagged = [m for m in _models(annotation) if m.model_fields.get("kind") is not None]
    tagged = [m for m in tagged if step in get_args(m.model_fields["kind"].annotation)]
    if tagged:
        yield from tagged
        return
    for model in _models(annotation):
        if step in model.model_fields:
            yield model.model_fields[step].annotation
    for item in (annotation, *get_args(annotation)):
        if get_origin(item) in (dict, list):
            yield get_args(item)[-1]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation may stand for, through unions and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, list):
        return []
    return [model for item in get_args(annotation) for model in _models(item)]
