"""The network over the perturbed copies of an image: every neuron's moments, nothing kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.network.batches import map_batches
from vebi.network.layers import Layer
from vebi.network.passes import fast_layout, responses
from vebi.network.scores import probabilities
from vebi.perturbation.moments import Moments
from vebi.perturbation.perturbations import perturb


@dataclass(frozen=True)
class Sampling:
    """How an image is perturbed: the authors' code takes 50 copies with noise of strength 0.1."""

    perturbation: str = "multiplicative_noise"
    strength: float = 0.1
    copies: int = 50
    batch_size: int = 25

    @classmethod
    def first_of(cls, settings: Mapping[str, Any]) -> "Sampling":
        """By the first of the configured perturbations; as in the authors' code where there are none.

        `settings`: the keys `perturbations`, `copies` and `batch_size` of `resampling`, or nothing.
        """
        if not settings:
            return cls()
        first = settings["perturbations"][0]
        return cls(first["name"], first["strength"], settings["copies"], settings["batch_size"])


@dataclass(frozen=True)
class Resampled:
    """What the copies of one image showed.

    `predicted` class of the image itself and `scores` (classes), its softmax there; `moments`, by layer
    index, over the copies, each of shape (channels, ...positions), against the softmax of one class.
    """

    predicted: int
    scores: NDArray[np.float64]
    moments: dict[int, Moments]


def resample(
    model: nn.Module,
    image: Tensor,
    layers: Sequence[Layer],
    wanted: Sequence[Layer],
    *,
    mean: NDArray[np.float32],
    sampling: Sampling,
    key: Sequence[int],
    target: int | None = None,
) -> Resampled:
    """Run the network over the copies of `image`, float (C, H, W) as the network takes it.

    `layers` is the whole list of `list_layers`, `wanted` those whose neurons are measured; `mean` are
    the pixels that carry no information (`mean_pixels`), `key` seeds the perturbation. The output is
    the softmax of class `target`, by default the predicted one.
    """
    clean, _ = responses(model, fast_layout(image[None]), layers, [])
    scores = probabilities(clean)[0].cpu().numpy()
    predicted = int(scores.argmax())
    followed = predicted if target is None else target
    moments = {layer.index: Moments() for layer in wanted}
    blocks = perturb(
        image.cpu().numpy(),
        mean,
        sampling.perturbation,
        sampling.copies,
        sampling.strength,
        key=key,
        batch_size=sampling.batch_size,
    )

    def run(_: NDArray[np.int64], copies: NDArray[np.float32]) -> tuple[Tensor, list[Tensor]]:
        batch = fast_layout(torch.from_numpy(copies).to(image.device))
        return responses(model, batch, layers, wanted)

    numbered = ((np.arange(len(block)), block) for block in blocks)
    for _, (logits, values) in map_batches(numbered, run):
        output = probabilities(logits)[:, followed]
        if not bool(torch.isfinite(output).all()):
            raise VebiError(
                f"The network's output is not finite for copies by {sampling.perturbation} of strength "
                f"{sampling.strength:g}: lower the strength or the number of copies."
            )
        for layer, response in zip(wanted, values, strict=True):
            moments[layer.index].add(response.movedim(layer.channel_axis, 1), output)
    return Resampled(predicted, scores, moments)


def mean_pixels(model: nn.Module, image: Tensor) -> NDArray[np.float32]:
    """Pixels without information for `model`: its mean image where it has one, else the image's mean.

    `image` float (C, H, W); returns something that broadcasts to it.
    """
    buffer = dict(model.named_buffers()).get("input.mean")
    if buffer is not None and buffer.shape in (image.shape, (len(image), 1, 1)):
        return buffer.cpu().numpy()
    return image.mean((1, 2), keepdim=True).cpu().numpy()


def convolution_responses(layers: Sequence[Layer]) -> list[Layer]:
    """The response of each convolution with maps: after its ReLU where one follows.

    In the authors' Keras code the ReLU belongs to the convolution. Normalisations and other activations
    may stand between the two.
    """
    chosen = []
    for position, layer in enumerate(layers):
        if layer.type != "conv":
            continue
        response = layer
        for after in layers[position + 1 :]:
            if after.shape != layer.shape or after.type in ("conv", "fc", "pool"):
                break
            if after.type == "relu":
                response = after
                break
        chosen.append(response)
    return chosen
