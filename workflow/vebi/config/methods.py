"""The entries of `heatmaps.methods`: built-in methods by name, and anyone's function."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from vebi.catalogue.methods import BUILT_IN, METHODS, Negative
from vebi.config.base import Name, OneOf, Strict
from vebi.io.calls import parse_call
from vebi.io.errors import VebiError
from vebi.record import paragraph


def _is_call(text: str) -> str:
    try:
        parse_call(text, "heatmap method")
    except VebiError as error:
        raise ValueError(str(error)) from error
    return text


def _is_new(name: str) -> str:
    if name in BUILT_IN:
        raise ValueError(f"'{name}' is a built-in method; give yours another name")
    return name


class UserMethodConfig(Strict):
    """A heatmap method that is not built in: a function of yours, or of another library."""

    name: Annotated[Name, AfterValidator(_is_new)] = Field(
        description=paragraph("""
            what the method is called in tables, figures and files; not the name of a built-in one
        """)
    )
    function: Annotated[str, AfterValidator(_is_call)] = Field(
        description=paragraph("""
            `module:function`, `file.py:function`, `captum:NAME`, `zennit:NAME` or
            `pytorch_grad_cam:NAME`, with `(key=value)` where it takes arguments
        """)
    )
    negative: Negative = Field(
        "positive",
        description=paragraph("""
            what becomes of negative values: they are dropped, their size counts, or they are an
            error
        """),
    )


def _expanded(entry: Any) -> Any:
    """`{mine: my.py:explain}` as `{name: mine, function: my.py:explain}`."""
    if isinstance(entry, Mapping) and len(entry) == 1 and "name" not in entry:
        ((name, function),) = entry.items()
        if isinstance(function, str) and name not in UserMethodConfig.model_fields:
            return {"name": name, "function": function}
    return entry


def _kind(entry: Any) -> Literal["name", "function"]:
    return "function" if isinstance(entry, Mapping | UserMethodConfig) else "name"


# As an editor should see it.
_Written = (
    Annotated[str, OneOf(METHODS)]
    | UserMethodConfig
    | Annotated[dict[Name, str], Field(min_length=1, max_length=1)]
)
MethodEntry = Annotated[
    Annotated[str, OneOf(METHODS), Tag("name")] | Annotated[UserMethodConfig, Tag("function")],
    Discriminator(_kind),
    BeforeValidator(_expanded, json_schema_input_type=_Written),
]
