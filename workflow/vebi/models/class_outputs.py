"""Which outputs of a network are the classes of a data set: found by wnid or by name.

Networks trained on ImageNet have 1,000 outputs; most people's images show a few of its classes. What
the outputs are called comes from the file of weights where that says it, and from
`imagenet_classes.csv` for a network with 1,000 outputs. That table has the wnids of ILSVRC'12 (synsets
of WordNet 3.0) in ascending order, which is the order of the outputs, and the names that torchvision
(BSD-3-Clause) gives its weights' categories.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from vebi.data.listing import read_class_names
from vebi.io.errors import VebiError
from vebi.network.running import run
from vebi.network.scores import probabilities

N_IMAGENET = 1000
_IMAGENET = Path(__file__).with_name("imagenet_classes.csv")
# n02102040, or n02102040-English_springer as some copies of ImageNet call their folders.
_WNID = re.compile(r"n\d{8}(?!\d)")
# Probabilities that differ by less are the same but for rounding.
_SAME = 1e-4


def find_outputs(
    namings: Sequence[Sequence[str]], n_outputs: int, known: Sequence[Sequence[str]] = ()
) -> list[int | None]:
    """The output that stands for each class; None for a class that no output is named after.

    Names are compared as they stand, then without regard to capitals, `_` and `-`, then by the synonyms
    of which an output's name is made: "tench, Tinca tinca". A name of two outputs is nobody's.

    Args:
        namings: the classes (n), in all the ways that their data set calls them, such as ids and names.
        n_outputs: of the network.
        known: names of all its outputs, in all the ways known; none: ImageNet's if there are 1,000.
    """
    tables = [_places(names) for names in _spellings(_named_outputs(n_outputs, known))]
    return [_look_up(of_class, tables) for of_class in zip(*namings, strict=True)]


def require_outputs(
    namings: Sequence[Sequence[str]], n_outputs: int, known: Sequence[Sequence[str]] = ()
) -> list[int]:
    """The output that stands for each class, as `find_outputs`.

    Raises:
        VebiError: a class that no output is named after, or two classes with the same output.
    """
    found = find_outputs(namings, n_outputs, known)
    names = list(namings[-1])
    missing = [name for name, output in zip(names, found, strict=True) if output is None]
    if missing:
        there = [name for form in _named_outputs(n_outputs, known)[-1:] for name in form]
        close = difflib.get_close_matches(missing[0], there, 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        some = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        raise VebiError(
            f"The network has {n_outputs:,} outputs, and none is known to stand for {some}.{hint} Call "
            "classes as its outputs are called: for a network trained on ImageNet by wnid (n01440764) "
            "or name (tench)."
        )
    outputs = [output for output in found if output is not None]
    for i, output in enumerate(outputs):
        if output in outputs[:i]:
            raise VebiError(
                f"The classes '{names[outputs.index(output)]}' and '{names[i]}' are both output "
                f"{output} of the network. Make them one class."
            )
    return outputs


def output_names(n_outputs: int) -> list[str]:
    """What a network's outputs are called: ImageNet's classes if there are 1,000, else not known."""
    return list(read_class_names(_IMAGENET).values()) if n_outputs == N_IMAGENET else []


def readable_names(classes: Sequence[str]) -> list[str]:
    """Names of classes that are ImageNet's wnids; others as they are."""
    names = read_class_names(_IMAGENET)
    return [names.get(name, name) for name in classes]


def keep_outputs(net: nn.Module, outputs: Sequence[int], example: Tensor) -> None:
    """Leave a network only some of its outputs, in this order: other rows of its head are dropped.

    Args:
        net: the network; it is changed.
        outputs: places among its outputs.
        example: images that it takes (N, C, H, W), on which the cut is tried.

    Raises:
        VebiError: the scores do not come straight from a convolution or fully connected layer.
    """
    whole = probabilities(run(net, example))
    rows, n_outputs = list(outputs), whole.shape[1]
    # Of a softmax, over all outputs or over these, the same is left.
    wanted = whole[:, rows] / whole[:, rows].sum(1, keepdim=True)
    for head in reversed(list(net.modules())):
        if not isinstance(head, (nn.Linear, nn.Conv2d)) or len(head.weight) != n_outputs:
            continue
        size = "out_features" if isinstance(head, nn.Linear) else "out_channels"
        before = {key: getattr(head, key) for key in ("weight", "bias", size)}
        for key in ("weight", "bias"):
            value = before[key]
            if value is not None:
                kept = nn.Parameter(value.detach()[rows].clone(), value.requires_grad)
                setattr(head, key, kept)
        setattr(head, size, len(rows))
        if _gives(net, example, wanted):
            return
        for key, value in before.items():
            setattr(head, key, value)
    raise VebiError(
        f"The network has {n_outputs:,} outputs, and those of the {len(rows)} classes can't be cut out "
        "of its last layer. Let it return these alone: scores[:, "
        f"[{', '.join(map(str, rows[:3]))}, ...]]."
    )


def _gives(net: nn.Module, example: Tensor, wanted: Tensor) -> bool:
    """Whether the network gives these probabilities (N, classes)."""
    try:
        found = probabilities(run(net, example))
    # The cut layer was another one's input: shapes don't fit any more.
    except (RuntimeError, ValueError, IndexError):
        return False
    return found.shape == wanted.shape and bool(((found - wanted).abs() < _SAME).all())


def _named_outputs(n_outputs: int, known: Sequence[Sequence[str]]) -> list[list[str]]:
    """Names of all outputs, in all the ways known."""
    forms = [list(names) for names in known if len(names) == n_outputs]
    if n_outputs == N_IMAGENET:
        table = read_class_names(_IMAGENET)
        wnids, names = list(table), list(table.values())
        # Another network's 1,000 classes are its own.
        if not forms or wnids in forms:
            forms += [wnids, names]
    return forms


def _spellings(forms: Sequence[Sequence[str]]) -> Iterator[list[tuple[str, int]]]:
    """Names with their outputs, from the strictest spelling to the loosest."""
    given = [(name, output) for names in forms for output, name in enumerate(names)]
    yield given
    yield [(_plain(name), output) for name, output in given]
    yield [(_plain(part), output) for name, output in given for part in name.split(",")]


def _places(names: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The output that a name stands for, without names that stand for several."""
    outputs: dict[str, set[int]] = {}
    for name, output in names:
        outputs.setdefault(name, set()).add(output)
    return {name: found.pop() for name, found in outputs.items() if len(found) == 1}


def _look_up(of_class: Sequence[str], tables: Sequence[Mapping[str, int]]) -> int | None:
    """The output of a class, given in all the ways that it is called."""
    names = [*of_class, *(found[0] for name in of_class if (found := _WNID.match(name)))]
    exact, *loose = tables
    for table, spelled in ((exact, names), *((table, [*map(_plain, names)]) for table in loose)):
        for name in spelled:
            if name in table:
                return table[name]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()
