"""The methods of this library in captum's manner, for tools that score attributions of that form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.catalogue.methods import get_method
from vebi.explanation.classes import checked_classes
from vebi.explanation.explain import Network, predict
from vebi.explanation.explainer import Explainer
from vebi.heatmaps.class_batch import ClassBatch
from vebi.heatmaps.draw import choose_targets, merged_maps, signal_of
from vebi.heatmaps.subject import Subject
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers

Target = int | Sequence[int] | NDArray[np.integer] | Tensor | None


class Attribution:
    """A heatmap method as an object with captum's `attribute`.

    `vebi.Attribution(model, "lrp").attribute(inputs, target=3)` has the shape of `inputs`. Methods that
    go back to the pixels keep their signs. Maps without channels (`grad_cam`, and the maps of features)
    are shared equally among the channels, so that a sum over them is the map.

    Args:
        model: a network; for methods that draw selected features the `Explainer` of `vebi.fit` or
            `vebi.load`, whose `preprocess` is not applied: inputs are as the network takes them.
        method: a name of the catalogue, or a function as in `vebi explain --method`.
        top: features of an image that are drawn, 1 or more.

    Raises:
        VebiError: an unknown method.

    Examples:
        >>> import torch, vebi
        >>> conv, head = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(144, 2)
        >>> model = torch.nn.Sequential(conv, torch.nn.ReLU(), torch.nn.Flatten(), head)
        >>> vebi.Attribution(model, "lrp").attribute(torch.rand(5, 3, 8, 8), target=1).shape
        torch.Size([5, 3, 8, 8])
    """

    def __init__(self, model: nn.Module | Explainer, method: str, top: int = 3) -> None:
        self._method = get_method(method)
        self._network = model.network if isinstance(model, Explainer) else Network(model)
        self._top = top

    @overload
    def attribute(self, inputs: Tensor, target: Target = None) -> Tensor: ...

    @overload
    def attribute(self, inputs: tuple[Tensor], target: Target = None) -> tuple[Tensor]: ...

    def attribute(
        self, inputs: Tensor | tuple[Tensor], target: Target = None
    ) -> Tensor | tuple[Tensor]:
        """Relevance of each input value for the score of a class.

        Args:
            inputs: float (N, C, H, W), as the network takes them; or a tuple of that one tensor.
            target: one class, or one for each image (N); None: the predicted one.

        Returns:
            float (N, C, H, W); in a tuple if `inputs` are.

        Raises:
            VebiError: other shapes, a class that the network does not have, or a method of selected
                features without an `Explainer`.
        """
        if isinstance(inputs, tuple):
            (only,) = inputs
            return (self.attribute(only, target),)
        if inputs.ndim != 4 or not len(inputs):
            raise VebiError(
                f"inputs have the shape {tuple(inputs.shape)}, one or more images (N, C, H, W) are "
                "expected."
            )
        model, images = self._network.model, inputs.detach()
        layers = list_layers(model, images[:1])
        predicted = predict(self._network, images, layers, self._method)
        classes = _as_classes(target, predicted.scores.shape, predicted.classes)
        if self._method.explains == "class":
            batch = ClassBatch(model, images, layers, classes)
            found = signal_of(self._method, batch).detach()
        else:
            index = np.arange(len(images))
            subject = Subject(model, images, layers, classes, index, predicted.weighted)
            targets = choose_targets(subject, [self._method.name], self._top)
            maps = merged_maps(model, images, layers, targets, [self._method.name])
            found = maps[self._method.name].unsqueeze(1)
        if found.shape[1] != images.shape[1]:
            found = (found.sum(1, keepdim=True) / images.shape[1]).expand_as(images)
        return found.contiguous()


def _as_classes(
    target: Target, shape: Sequence[int], predicted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Classes int64 (N) from any form of `target`; `shape` (N, classes) of the scores."""
    if target is None:
        return predicted
    n, n_classes = shape
    given = torch.as_tensor(target).detach().cpu().numpy()
    classes = checked_classes("target", given, ((), (1,), (n,)), n_classes)
    return np.broadcast_to(classes, (n,)).copy()
