"""Functions that a user names as text: `package.module:function`, `path/file.py:function(key=value)`.

The text is read, never evaluated: arguments are literals, as `ast.literal_eval` takes them, or bare
names, which stand for text (`layer=conv3`).
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vebi.io.errors import VebiError

_CALL = re.compile(r"(?P<module>[^()]+):(?P<function>[^\W\d]\w*)(?:\((?P<arguments>.*)\))?")


@dataclass(frozen=True)
class Call:
    """A function as a user names it.

    Attributes:
        module: an importable module, or a path that ends in .py.
        function: its name there.
        arguments: what it is called with beside what the library gives it.
    """

    module: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def parse_call(text: str, kind: str) -> Call:
    """Read MODULE:FUNCTION or FILE.py:FUNCTION, with arguments in parentheses where it takes some.

    Args:
        text: what the user wrote.
        kind: what it should be, for the error: "method".

    Raises:
        VebiError: another form, or an argument that is neither a literal nor a name.
    """
    found = _CALL.fullmatch(text.strip())
    if found is None:
        raise VebiError(
            f"{kind} '{text}' is not of the form package.module:function or path/file.py:function, "
            "with arguments as in module:function(steps=8) if it takes any."
        )
    arguments = found["arguments"]
    try:
        values = _read_arguments(arguments) if arguments else {}
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise VebiError(
            f"{kind} '{text}': '({arguments})' can't be read. Write each argument as name=value, with "
            "a number, a text, a list, True, False or None as value."
        ) from error
    return Call(found["module"].strip(), found["function"], MappingProxyType(values))


def _read_arguments(text: str) -> dict[str, Any]:
    call = ast.parse(f"f({text})", mode="eval").body
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError(text)
    values = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in values:
            raise ValueError(text)
        value = keyword.value
        literal = value.id if isinstance(value, ast.Name) else ast.literal_eval(value)
        values[keyword.arg] = literal
    return values
