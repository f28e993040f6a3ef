"""Checking a configuration, with one message that lists every problem."""

import difflib
import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vebi.config.whole import Config
from vebi.io.errors import VebiError

# A few lines of YAML can stand for billions of values, each an alias of the others.
MOST_VALUES, DEEPEST, LONGEST_TEXT = 50_000, 32, 4096
# Of a user's own arguments (`kwargs`) nothing else is known; every other number has a bound of its own,
# and seeds, the largest, this one.
LARGEST_INTEGER, LARGEST_NUMBER = 2**63 - 1, 1e100
MOST_LINES = 40

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def parse_config(values: Mapping[str, Any]) -> Config:
    """Check a configuration; raise one VebiError that lists every problem.

    Each line names the key, the value and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise VebiError(
            f"The configuration is {_short.repr(values)}; keys with values are expected."
        )
    lines = list(_out_of_bounds(values))
    config = None
    if not lines:
        try:
            config = Config.model_validate(dict(values))
        except ValidationError as error:
            lines = [line for item in error.errors() for line in _describe(item)]
    if config is not None:
        return config
    count = "One problem" if len(lines) == 1 else f"{len(lines)} problems"
    shown = [line if len(line) <= 600 else f"{line[:600]} ..." for line in lines[:MOST_LINES]]
    shown += [f"... and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    message = "\n".join(f"  - {line}" for line in shown)
    raise VebiError(
        f"{count} in the configuration (config/README.md explains every key):\n{message}"
    )


def _out_of_bounds(values: Mapping[str, Any]) -> Iterator[str]:
    """Problems with a configuration's extent, and with values that no key can have."""
    stack: list[tuple[str, Any, int]] = [("", values, 0)]
    count = 0
    while stack:
        key, value, depth = stack.pop()
        count += 1
        if count > MOST_VALUES or depth > DEEPEST:
            yield (
                f"{key}: the configuration has more than {MOST_VALUES:,} values, or is nested deeper "
                f"than {DEEPEST} levels (aliases count as often as they are used); write less of it"
            )
            return
        inner = value.items() if isinstance(value, Mapping) else ()
        if isinstance(value, list | tuple):
            inner = enumerate(value)  # type: ignore[assignment]
        for name, one in inner:
            if isinstance(name, str) and (reason := _text_problem(name)):
                yield f"{key or 'the top'}: a key {reason}"
                continue
            stack.append((f"{key}.{name}" if key else str(name), one, depth + 1))
        reason = ""
        if isinstance(value, str):
            reason = _text_problem(value)
        elif isinstance(value, int | float):
            reason = _number_problem(value)
        if reason:
            yield f"{key}: {reason}"


def _text_problem(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return (
            f"{_short.repr(text)} has {len(text):,} characters; up to {LONGEST_TEXT:,} are allowed"
        )
    if not text.isprintable():
        return (
            f"{_short.repr(text)} has control characters, or such that are not text; take them out"
        )
    return ""


def _number_problem(value: float) -> str:
    if isinstance(value, int):
        # Python refuses to write numbers of thousands of digits.
        return "" if abs(value) <= LARGEST_INTEGER else "the number is too large"
    if not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
        return f"{value} is not allowed; a finite number below {LARGEST_NUMBER:g} is expected"
    return ""


def _describe(item: Any) -> list[str]:
    """One line per problem that pydantic reports."""
    kind, value = item["type"], item["input"]
    place = list(item["loc"])
    if place[:2] == ["heatmaps", "methods"]:
        del place[3:4]  # which form of an entry it is, which pydantic puts there
    where = place.copy()
    if where[:1] == ["datasets"] and len(where) > 2:
        del where[2]  # the kind, which pydantic puts there, is not a key of the file
    key = ".".join(str(part) for part in where)
    if kind == "value_error":
        message = str(item["ctx"]["error"])
        return [f"{key}: {line}" if key else line for line in message.splitlines()]
    if kind == "extra_forbidden":
        allowed = _keys_at(place[:-1])
        close = difflib.get_close_matches(str(where[-1]), allowed, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return [f"{key}: unknown key; allowed: {', '.join(allowed)}{hint}"]
    if kind == "union_tag_invalid":
        return [
            f"{key}.kind: {_short.repr(item['ctx']['tag'])} is unknown; "
            f"allowed: {item['ctx']['expected_tags']}"
        ]
    if kind == "union_tag_not_found":
        return [f"{key}.kind: is missing"]
    if kind == "missing":
        return [f"{key}: is missing"]
    if kind == "string_pattern_mismatch":
        return [
            f"{key}: {_short.repr(value)} is not a name; it names files, so letters, digits and . _ - "
            "are allowed, a letter or digit first"
        ]
    if isinstance(value, str) and kind in ("float_type", "int_type"):
        return [f"{key}: {_short.repr(value)} is text, a number is expected{_hint(value)}"]
    text = item["msg"][0].lower() + item["msg"][1:]
    return [f"{key}: {_short.repr(value)} is not allowed; {text}"]


def _hint(text: str) -> str:
    """Why something that looks like a number is text."""
    if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text):
        return " (in YAML write 1.0e-3, not 1e-3)"
    if re.fullmatch(r"[+-]?\d+", text):
        return (
            " (a number in quotes is text, and so are all in a list that --config gives; "
            "write the list into a file for --configfile)"
        )
    return ""


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
