"""JSON Schema of the configuration, for editors."""

import json
from typing import Any

from vebi.config.whole import Config


def editor_schema() -> dict[str, Any]:
    """JSON Schema of a configuration file, from the types that check it.

    No key is required, since a file overlays config.yaml and may say as little as it likes. What
    sections must agree on is checked when a run starts, and is not in the schema.
    """
    schema = _relaxed(Config.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as config/schema.json holds it."""
    return json.dumps(editor_schema(), indent=1, ensure_ascii=False) + "\n"


def _relaxed(node: Any) -> Any:
    if isinstance(node, list):
        return [_relaxed(item) for item in node]
    if not isinstance(node, dict):
        return node
    # A part of a data set without its kind fits several: oneOf would refuse it.
    left_out = {"discriminator", "required"} if _is_schema(node) else set()
    relaxed = {
        "anyOf" if key == "oneOf" else key: _relaxed(value)
        for key, value in node.items()
        if key not in left_out
    }
    # Names of data sets and models: what does not match their pattern is not a name.
    return relaxed | ({"additionalProperties": False} if "patternProperties" in node else {})


def _is_schema(node: dict[str, Any]) -> bool:
    """Whether a dictionary is a schema, and no map of names (a key may be called `required`)."""
    return not isinstance(node.get("required"), dict)
