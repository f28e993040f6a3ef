"""A call of a torch function, as those that watch a forward pass receive it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from torch import Tensor
from torch.overrides import TorchFunctionMode

from vebi.network.attention import attention, attention_arguments


class Call(NamedTuple):
    """A torch function with its arguments: `function(*args, **kwargs)`.

    `kind` is the kind of operation if it is one that counts as a layer (`conv2d`, `relu`, ...), else "".
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    kind: str = ""

    @property
    def name(self) -> str:
        """The function's name, "" if it has none."""
        return getattr(self.function, "__name__", "")

    @property
    def source(self) -> Any:
        """The input: the first argument, or the one called `input`."""
        return self.args[0] if self.args else self.kwargs["input"]

    @property
    def is_inplace(self) -> bool:
        """Whether the function writes into its input, as its name says: `relu_`, `__imul__`."""
        name = self.name
        return name == "__imul__" or (name[-1:] == "_" and name[-2:] != "__")

    def run(self) -> Any:
        """What the function returns."""
        return self.function(*self.args, **self.kwargs)

    def given(self, position: int, name: str, default: Any = None) -> Any:
        """The argument at `position`, or of that `name`, or the default where there is none."""
        if len(self.args) > position:
            return self.args[position]
        return self.kwargs.get(name, default)

    def tensors(self) -> Iterator[Tensor]:
        """The tensors among the arguments, and in lists and tuples among them."""
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Tensor):
                yield value
            elif isinstance(value, (list, tuple)):
                yield from (item for item in value if isinstance(item, Tensor))

    def mapped(self, change: Callable[[Any], Any]) -> "Call":
        """The same call with every argument changed."""
        args = tuple(change(value) for value in self.args)
        kwargs = {key: change(value) for key, value in self.kwargs.items()}
        return Call(self.function, args, kwargs, self.kind)

    def replaced(self, tensor: Tensor, other: Tensor) -> "Call":
        """The same call with `other` wherever `tensor` is an argument."""
        return self.mapped(lambda value: other if value is tensor else value)

    def on(self, source: Tensor) -> Any:
        """What the function returns for another input."""
        named = {key: value for key, value in self.kwargs.items() if key != "input"}
        return self.function(source, *self.args[1:], **named)

    def without_input(self) -> "Call":
        """The same call without its input, for whom it is to be kept: `on` and `weighted` do without."""
        named = {key: value for key, value in self.kwargs.items() if key != "input"}
        return Call(self.function, (None, *self.args[1:]), named, self.kind)

    def weighted(self, source: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
        """What a convolution or fully connected layer returns for other input, weight and bias."""
        others = ("input", "weight", "bias")
        named = {key: value for key, value in self.kwargs.items() if key not in others}
        return self.function(source, weight, bias, *self.args[3:], **named)


class CallMode(TorchFunctionMode):
    """Receives every call of a torch function inside the block, in its place."""

    def receive(self, call: Call) -> Any:
        """Return what the caller gets."""
        raise NotImplementedError

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = attention_arguments(func, args, kwargs or {})
        if given is not None:
            # Its operations are received one by one.
            with self:
                return attention(given)
        return self.receive(Call(func, args, kwargs or {}))
