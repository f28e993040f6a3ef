"""Forward passes that read or change the responses of known layers."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.network.call import Call
from vebi.network.layers import Layer
from vebi.network.operations import response_of
from vebi.network.running import run
from vebi.network.watching import OperationMode


class LayerPass(OperationMode):
    """A forward pass in which each operation is matched with the layer it was listed as.

    `layers` is the whole list of `list_layers`. Subclasses change `compute` (how an operation runs)
    or `arrived` (what happens to its response, which may be replaced).
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self._layers = {layer.position: layer for layer in layers}

    def compute(self, layer: Layer, call: Call) -> Any:
        """Run the operation; return what it would, in its own layout."""
        return call.run()

    def other(self, call: Call) -> Any:
        if call.function is Tensor.view:
            # What can be viewed depends on the memory layout, which is ours and not the network's.
            with suppress(RuntimeError):
                return call.run()
            return Tensor.reshape(*call.args, **call.kwargs)
        return call.run()

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        """See the response of `layer`, images first; what is returned goes on through the network."""
        return response

    def operation(self, position: int, call: Call) -> Any:
        layer = self._layers.get(position)
        if layer is None:
            return call.run()
        if call.kind != layer.kind:
            raise self._mismatch(layer, f"{call.kind} instead of {layer.kind}")
        result = self.compute(layer, call)
        own = response_of(result)
        try:
            response = layer.layout.apart(own)
        except RuntimeError:
            raise self._mismatch(layer, f"response {tuple(own.shape)}") from None
        if response.shape[1:] != layer.shape:
            raise self._mismatch(layer, f"response {tuple(response.shape[1:])} per image")
        arrived = self.arrived(layer, response)
        if arrived is own:
            return result
        # Also what was not replaced: the network goes on with what `arrived` has seen.
        arrived = layer.layout.together(arrived)
        return (arrived, *result[1:]) if isinstance(result, (tuple, list)) else arrived

    def _mismatch(self, layer: Layer, what: str) -> VebiError:
        return VebiError(
            f"Layer '{layer.name}' (operation {layer.index}) ran differently from when the layers were "
            f"listed: {what}, expected {layer.kind} with response {layer.shape}. The network's "
            "path depends on its input, or the images have another size: list the layers again."
        )


class _Capture(LayerPass):
    def __init__(self, layers: Sequence[Layer], wanted: set[int]) -> None:
        super().__init__(layers)
        self._wanted = wanted
        self.captured: dict[int, Tensor] = {}

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        if layer.index in self._wanted:
            self.captured[layer.index] = response.clone() if layer.overwritten else response
        return response


def fast_layout(images: Tensor) -> Tensor:
    """The same images in the memory layout in which CPUs pool fastest."""
    if images.device.type != "cpu" or images.ndim != 4 or images.shape[1] == 1:
        return images.contiguous()
    return images.contiguous(memory_format=torch.channels_last)


def responses(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    wanted: Sequence[Layer] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """One forward pass, and what its layers responded.

    Args:
        model: the network.
        images: float (N, C, H, W) as it takes them.
        layers: all of them, from `list_layers`.
        wanted: layers whose responses are kept; all by default.

    Returns:
        Class scores (N, classes), and the batched response of every layer of `wanted`, in their order.

    Raises:
        VebiError: a layer ran otherwise than when the layers were listed.
    """
    wanted = layers if wanted is None else wanted
    capture = _Capture(layers, {layer.index for layer in wanted})
    logits = run(model, images, capture)
    return logits, [capture.captured[layer.index] for layer in wanted]


def to_network_input(images: NDArray[np.uint8], device: torch.device | str = "cpu") -> Tensor:
    """uint8 images (N, H, W, C) as the float32 (N, C, H, W), 0 to 255, that networks take."""
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return pixels.to(device).float()
