"""What the methods that explain the predicted class share: the usual ones, in addition to the paper's.

Their signals are gradients of the class's score (before softmax), plain or changed on the way back.
What an operation is comes from watching the torch functions that run (`OperationMode`), so that
functional ReLUs, reused modules and branches count like any other.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional

from vebi.heatmaps.relevance import gradients_of
from vebi.heatmaps.rules import let_positive_pass
from vebi.io.errors import VebiError
from vebi.models.nets import Normalise
from vebi.network.call import Call
from vebi.network.layers import Layer
from vebi.network.operations import ATTENTION, RECTIFIERS
from vebi.network.passes import LayerPass
from vebi.network.running import leaf_of, run
from vebi.network.watching import OperationMode

IG_STEPS = 16


def class_gradient(
    model: nn.Module,
    images: Tensor,
    classes_of: Callable[[Tensor], Tensor],
    mode: OperationMode | None = None,
) -> Tensor:
    """Gradient (N, C, H, W) of each image's score of its class, at the network's input.

    `classes_of`: from the scores (N, classes) of the pass to the classes, int64 (N). The forward pass
    runs inside `mode`, which may change what goes back.
    """
    leaf = leaf_of(images).contiguous().requires_grad_()
    scores = run(model, leaf, mode, gradients=True)
    return gradients_of(scores, classes_of(scores), [leaf])[0]


class GuidedMode(OperationMode):
    """Guided backpropagation (Springenberg et al. 2015): ReLUs let only positive signals through."""

    def operation(self, position: int, call: Call) -> Any:
        result = call.run()
        if call.kind in RECTIFIERS:
            self.when_recorded(result, let_positive_pass)
        return result


class _CamPass(LayerPass):
    """Keeps one layer's maps and their place in the graph: where they are joined, if they are."""

    def __init__(self, layers: Sequence[Layer], wanted: Layer) -> None:
        super().__init__(layers)
        self._wanted = wanted
        self.response: Tensor | None = None
        self.edge: GradientEdge | None = None
        self._axis = 1

    def arrived(self, layer: Layer, response: Tensor) -> Tensor:
        if layer == self._wanted and layer.joined is None:
            self._keep(response, layer.channel_axis, layer.overwritten)
        return response

    def other(self, call: Call) -> Any:
        result, wanted = super().other(call), self._wanted
        if wanted.joined and self.position == wanted.position + 1:
            calls, axis = wanted.joined
            if self.calls == calls:
                self._keep(result, axis, True)
        return result

    def _keep(self, values: Tensor, axis: int, is_overwritten: bool) -> None:
        self._axis = axis
        kept = self.maps(values.detach())
        self.response = kept.clone() if is_overwritten else kept
        self.when_recorded(values, self._set_edge)

    def maps(self, values: Tensor) -> Tensor:
        """What lies like the layer's response as maps (N, C, h, w)."""
        channels = values.movedim(self._axis, 1)
        maps = self._wanted.layout.maps(channels.flatten(0, 1))
        return maps.unflatten(0, channels.shape[:2])

    def _set_edge(self, maps: Tensor) -> None:
        self.edge = get_gradient_edge(maps)


def cam_layer(layers: Sequence[Layer]) -> Layer | None:
    """The layer that Grad-CAM looks at: the last one whose maps are as large as the last convolution's.

    So with ReLU, normalisation or sum after that convolution it is what they give, as in the paper; and
    what its maps are joined to there, as at the end of a module with branches (`Layer.joined`).
    Where the last attention has tokens that are no place of a map, such as a class token, these alone
    may give the scores: then it is the last layer before that attention and its projections, as
    pytorch-grad-cam has it for vision transformers.
    None if no convolution has maps of more than one value.
    """
    attentions = [layer for layer in layers if layer.kind == ATTENTION]
    if attentions and _has_further_tokens(attentions[-1]):
        layers = [x for x in layers if x.index < attentions[-1].index and x.kind != "linear"]
    convolutions = [layer for layer in layers if layer.type == "conv" and layer.spatial]
    if not convolutions:
        return None
    size = convolutions[-1].layout.map_size
    alike = [layer for layer in layers if layer.spatial and layer.layout.map_size == size]
    return [layer for layer in alike if layer.kind != ATTENTION][-1]


def _has_further_tokens(attention: Layer) -> bool:
    size = attention.layout.map_size
    return size is not None and math.prod(attention.shape[:-1]) > attention.n_channels * math.prod(
        size
    )


def reference_image(model: nn.Module, images: Tensor) -> Tensor:
    """What counts as "nothing to see", (C, H, W): the mean image that the network subtracts, else zero.

    For a network that is given normalised images that is their usual zero.
    """
    shape = images.shape[1:]
    for module in model.modules():
        if isinstance(module, Normalise):
            mean = module.mean.to(images)
            if len(mean) != shape[0] == 1:
                mean = mean.mean(0, keepdim=True)  # of the three that a grey image is made into
            if mean.shape[1:] in ((1, 1), shape[1:]):
                return mean.expand(shape)
    return images.new_zeros(shape)


@dataclass
class ClassBatch:
    """Images with the classes to explain; what several methods need is computed once.

    `images` float (N, C, H, W); `predictions` int64 (N), None: the classes with the highest scores, which
    the first pass that a method makes tells; `ig_steps` points on the path of integrated gradients. A
    method's signal is (N, C, H, W), or (N, 1, H, W) as a class activation map's.
    """

    model: nn.Module
    images: Tensor
    layers: Sequence[Layer]
    predictions: NDArray[np.int64] | None = None
    ig_steps: int = IG_STEPS

    @cached_property
    def scores(self) -> Tensor:
        """The network's scores (N, classes), from a pass of its own if there was none before."""
        return run(self.model, self.images)

    @cached_property
    def classes(self) -> Tensor:
        """The classes to explain, int64 (N)."""
        if self.predictions is None:
            return self.scores.argmax(1)
        return torch.from_numpy(np.asarray(self.predictions, np.int64)).to(self.images.device)

    def classes_of(self, scores: Tensor) -> Tensor:
        """The classes to explain, int64 (N), now that a pass over the images gave these scores."""
        self.__dict__.setdefault("scores", scores.detach())
        return self.classes

    @cached_property
    def difference(self) -> Tensor:
        """The images minus the reference image."""
        return self.images - reference_image(self.model, self.images)

    @cached_property
    def gradient(self) -> Tensor:
        return class_gradient(self.model, self.images, self.classes_of)

    @cached_property
    def cam(self) -> Tensor:
        """Grad-CAM (Selvaraju et al. 2017, Eqs. 1 and 2), bilinear at the size of the image."""
        wanted = cam_layer(self.layers)
        if wanted is None:
            raise VebiError("Grad-CAM needs a convolution with maps; this network has none.")
        watched = _CamPass(self.layers, wanted)
        leaf = leaf_of(self.images).contiguous().requires_grad_()
        scores = run(self.model, leaf, watched, gradients=True)
        assert watched.response is not None
        # Back to that layer only: most of the way is below it. Without a place in the graph it has no
        # way to the image either, which is what the error says.
        (at_layer,) = gradients_of(scores, self.classes_of(scores), [watched.edge or leaf])
        weights = watched.maps(at_layer).mean((2, 3), keepdim=True)
        coarse = (weights * watched.response).sum(1, keepdim=True).clamp(min=0)
        size = (self.images.shape[2], self.images.shape[3])
        return functional.interpolate(coarse, size, mode="bilinear")

    @cached_property
    def guided(self) -> Tensor:
        return class_gradient(self.model, self.images, self.classes_of, GuidedMode())
