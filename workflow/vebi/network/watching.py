"""A network watched while it runs: the counted operations of its forward pass, in order."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from vebi.network.call import Call, CallMode
from vebi.network.reading import Reader


class OperationMode(CallMode):
    """Calls `operation` for every counted operation that runs inside the block, in order.

    Modules, functions, methods and in-place variants all end in torch functions, so nothing of the
    network has to be known or changed. `position` counts the operations, `calls` the other functions
    since the last of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self.calls = 0
        self._reader = Reader()
        self._unrecorded: list[tuple[Tensor, Callable[[Tensor], None]]] = []

    def begin(self, model: nn.Module, images: Tensor) -> None:
        """Before the pass: the network, whose own tensors are no part of the image, and its images."""
        self._reader = Reader(model)

    def operation(self, position: int, call: Call) -> Any:
        """Run the counted operation number `position`; return what it would."""
        raise NotImplementedError

    def other(self, call: Call) -> Any:
        """Run any other torch function."""
        return call.run()

    def is_constant(self, value: Any) -> bool:
        """Whether a value is a tensor that holds nothing of the image."""
        return isinstance(value, Tensor) and value in self._reader.constants

    def when_recorded(self, response: Tensor, action: Callable[[Tensor], None]) -> None:
        """Call `action` with the response as soon as autograd has it in its graph.

        That is at once, but inside a user's `autograd.Function`, which records nothing until it
        returns; then its result is in the graph, if it is this response.
        """
        if response.requires_grad:
            action(response)
        else:
            self._unrecorded.append((response, action))

    def look_again(self) -> None:
        """Do what waits for responses that have come into the graph since."""
        waiting, self._unrecorded = self._unrecorded, []
        for response, action in waiting:
            self.when_recorded(response, action)

    def receive(self, call: Call) -> Any:
        if self._unrecorded:
            self.look_again()
        counted = self._reader.read(call)
        if counted is None:
            self.calls += 1
            result = self.other(call)
        else:
            position = self.position
            self.position, self.calls = position + 1, 0
            result = self.operation(position, counted)
        self._reader.note(call, result)
        # An assignment returns nothing, whatever it is read as.
        return None if call.function is Tensor.__setitem__ else result
