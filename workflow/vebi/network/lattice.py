"""Where the positions of a tensor lie in the image, by the recurrence over windows.

r += (k - 1) d j; start -= p j; j *= s (Araujo, Norris and Sim 2019), followed from call to call.
Branches that meet see the union of what they see. What moves or mixes positions otherwise ends it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vebi.network.call import Call
from vebi.network.operations import ACTIVATIONS, Window


@dataclass(frozen=True)
class Lattice:
    """Along one axis: position 0 sees `size` pixels from `start` on, neighbours `jump` pixels further.

    As if the image went on beyond its borders, so that `start` may be negative.
    """

    start: int
    size: int
    jump: int

    def through(self, window: Window, axis: int) -> "Lattice":
        """What the positions of a convolution or pooling along `axis` see."""
        span = (window.kernel[axis] - 1) * window.dilation[axis]
        start = self.start - window.padding[axis][0] * self.jump
        return Lattice(start, self.size + span * self.jump, self.jump * window.stride[axis])

    def joined(self, other: "Lattice") -> "Lattice | None":
        """What positions see that see what both do; None where they do not lie together."""
        if self.jump != other.jump:
            return None
        start = min(self.start, other.start)
        return Lattice(
            start, max(self.start + self.size, other.start + other.size) - start, self.jump
        )


Lattices = tuple[Lattice, Lattice]
_IN_PLACE = frozenset((*ACTIVATIONS, "batch_norm", "local_response_norm", "linear"))
# They keep the size of a map and not what lies where.
_DISPLACING = frozenset(
    ("roll", "flip", "rot90", "gather", "grid_sample", "matmul", "einsum", "bmm")
)


class Lattices2d:
    """Vertical and horizontal lattices of the tensors of a forward pass, None where there is none."""

    def __init__(self, images: Tensor) -> None:
        own = (Lattice(0, 1, 1), Lattice(0, 1, 1))
        # The tensor is kept beside its lattices, or another could get its id.
        self._known: dict[int, tuple[Tensor, Lattices]] = {id(images): (images, own)}

    def of(self, tensor: Tensor) -> Lattices | None:
        """The lattices of a tensor."""
        entry = self._known.get(id(tensor))
        return entry[1] if entry else None

    def respond(self, call: Call, window: Window | None, response: Tensor) -> None:
        """Note the lattices of a counted operation's response."""
        found = self.of(call.source)
        if found is not None and window is not None:
            found = (found[0].through(window, 0), found[1].through(window, 1))
        elif call.kind not in _IN_PLACE:
            found = None
        self._set(response, found)

    def follow(
        self,
        call: Call,
        results: Iterable[Any],
        map_size: Callable[[Tensor], list[int] | None],
    ) -> None:
        """Note the lattices of what another function returned; `map_size` of a tensor of maps."""
        sources = [x for x in call.tensors() if x.ndim == 4 and map_size(x) is not None]
        for result in results:
            if not isinstance(result, Tensor) or result.ndim != 4:
                continue
            found = None
            size = map_size(result)
            alike = bool(sources) and all(map_size(source) == size for source in sources)
            if alike and call.name not in _DISPLACING:
                found = _joined([self.of(source) for source in sources])
            self._set(result, found)

    def _set(self, tensor: Tensor, found: Lattices | None) -> None:
        if found is None:
            self._known.pop(id(tensor), None)
        else:
            self._known[id(tensor)] = (tensor, found)


def _joined(all_of_them: list[Lattices | None]) -> Lattices | None:
    total = all_of_them[0]
    for other in all_of_them[1:]:
        if total is None or other is None:
            return None
        vertical, horizontal = (a.joined(b) for a, b in zip(total, other, strict=True))
        total = None if vertical is None or horizontal is None else (vertical, horizontal)
    return total
