"""Ways to damage bytes, text and plain values. Every choice is of the given generator."""

import copy
import random
from collections.abc import Iterator
from typing import Any

# Numbers at which sizes, offsets and signs go wrong.
EDGES = (0, 1, 2, 127, 128, 255, 256, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
TEXTS = (
    *(
        "",
        " ",
        ".",
        "..",
        "../x",
        "/",
        "/etc/passwd",
        "~x",
        "a/b",
        "a\\b",
        "-",
        "--out",
        "%s",
        "{0}",
    ),
    *(
        "nan",
        "NA",
        "None",
        "null",
        "true",
        "inf",
        "-inf",
        "1e999",
        "1e-3",
        "0x10",
        "007",
        "-1",
        "1_0",
    ),
    *(
        "\0",
        "\n",
        "\r\n",
        "\t",
        "\x7f",
        "\u202e",
        "\ud800",
        "é",
        "日本",
        '"',
        "'",
        ",",
        ";",
        "$x$",
        "#",
    ),
    *(
        "x" * 300,
        "x" * 70_000,
        "9" * 400,
        "<script>",
        "a,b",
        "=1+1",
        "&a [*a]",
        "!!python/object:x {}",
    ),
)
SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**400, 0.5, -0.0, 1e-320, 1e100, 1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *TEXTS,
)


def damage(rng: random.Random, content: bytes) -> bytes:
    """Some bytes changed, cut out, put in, repeated or set to an edge; near the start most often."""
    result = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        end = min(len(result), rng.choice((16, 100, 600, len(result), len(result))))
        if not end:
            return bytes(rng.randbytes(rng.randrange(64)))
        place, size = rng.randrange(end), rng.choice((1, 1, 2, 4, 8, 64))
        match rng.choice(("bit", "bit", "byte", "edge", "cut", "drop", "insert", "repeat", "zero")):
            case "bit":
                result[place] ^= 1 << rng.randrange(8)
            case "byte":
                result[place] = rng.choice((0, 1, 127, 128, 254, 255, rng.randrange(256)))
            case "edge":
                width = rng.choice((2, 4, 8))
                number = rng.choice(EDGES) % 2 ** (8 * width)
                order = rng.choice(("little", "big"))
                result[place : place + width] = number.to_bytes(width, order)
            case "cut":
                del result[place:]
            case "drop":
                del result[place : place + size]
            case "insert":
                result[place:place] = rng.randbytes(size)
            case "repeat":
                result[place:place] = bytes(result[place : place + size]) * rng.choice((1, 2, 1000))
            case "zero":
                result[place : place + size] = bytes(len(result[place : place + size]))
    return bytes(result)


def damage_text(rng: random.Random, text: str) -> str:
    """Cells, words and lines changed, doubled, swapped or taken away."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        lines = text.split("\n")
        row = rng.randrange(len(lines))
        match rng.choice(("cell", "cell", "cell", "line", "double", "drop", "swap", "nest")):
            case "cell":
                separator = rng.choice((",", " ", ":"))
                cells = lines[row].split(separator)
                cells[rng.randrange(len(cells))] = rng.choice(TEXTS)
                lines[row] = separator.join(cells)
            case "line":
                lines[row] = rng.choice(TEXTS)
            case "double":
                lines.insert(row, lines[row])
            case "drop":
                del lines[row]
            case "swap":
                other = rng.randrange(len(lines))
                lines[row], lines[other] = lines[other], lines[row]
            case "nest":
                depth = rng.choice((3, 100, 20_000))
                lines[row] += rng.choice("[{(") * depth
        text = "\n".join(lines)
    return text


def damage_values(rng: random.Random, values: Any) -> Any:
    """Nested dictionaries and lists with values set, taken away, added, doubled or nested."""
    values = copy.deepcopy(values)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(values))
        if not places:
            break
        inside, last = rng.choice(places)
        match rng.choice(("set", "set", "set", "drop", "add", "double", "nest")):
            case "set":
                inside[last] = rng.choice((*SCALARS, [], {}, [[]], {"kind": "x"}))
            case "drop":
                del inside[last]
            case "add" if isinstance(inside, dict):
                inside[rng.choice(("kind", "mu", "", "x/y", None, 3))] = rng.choice(SCALARS)
            case "double" if isinstance(inside, list):
                inside.append(copy.deepcopy(inside[last]))
            case "nest":
                inside[last] = _nested(inside[last], rng.choice((2, 40, 400)))
    return values


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    stack = [values]
    while stack:
        inside = stack.pop()
        for key, inner in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
            yield inside, key
            if isinstance(inner, dict | list):
                stack.append(inner)
