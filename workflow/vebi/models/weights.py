"""Weights to start from: MatConvNet's files, state dicts of torch, and models of this project."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.io.tensors import describe_failure, load_tensors
from vebi.models.class_outputs import find_outputs, require_outputs
from vebi.models.matconvnet import MatConvNetFile, read_matconvnet, state_for
from vebi.models.nets import NetSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Weights:
    """Weights from a file, before they meet a network.

    `content`: a file of MatConvNet, or tensors by name. `scale` of the pixels, None where the file
    does not say; `mean` colour likewise. `classes`: names of the outputs, each in as many forms as the
    file has. `kwargs`: what the network must be built with to be theirs.
    """

    path: Path
    content: MatConvNetFile | Mapping[str, Tensor]
    scale: float | tuple[float, ...] | None = None
    architecture: str = ""
    classes: tuple[tuple[str, ...], ...] = ()
    mean: tuple[float, ...] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_mean(self) -> bool:
        if self.mean is not None:
            return True
        if isinstance(self.content, MatConvNetFile):
            return self.content.mean is not None
        return "input.mean" in self.content

    @property
    def n_outputs(self) -> int:
        """Rows of the last layer, by the order of the file."""
        if isinstance(self.content, MatConvNetFile):
            return [one.weight.shape[-1] for one in self.content.operations if one.weight.size][-1]
        matrices = [value for value in self.content.values() if value.ndim in (2, 4)]
        if not matrices:
            raise VebiError(
                f"{self.path} has no weights of a convolution or fully connected layer."
            )
        return len(matrices[-1])


def read_weights(path: str | Path) -> Weights:
    """Read a file of weights: `.mat` of MatConvNet, else a state dict or `model.pt` of torch.

    Only tensors and plain values are loaded (`weights_only=True`).

    Raises:
        VebiError: another file.
    """
    path = Path(path)
    if path.suffix == ".mat":
        file = read_matconvnet(path)
        names = tuple(names for names in (file.classes, file.descriptions) if names)
        return Weights(path, file, scale=1.0, classes=names)
    try:
        content: Any = load_tensors(path)
    # A damaged file, or one made by somebody else's hand, fails in any way it likes.
    except Exception as error:
        raise VebiError(
            f"{path} can't be read as weights ({describe_failure(error)}). Expected a state dict: "
            "torch.save(network.state_dict(), path)."
        ) from error
    if isinstance(content, Mapping) and {"spec", "state", "classes"} <= set(content):
        spec, state, classes = (content[key] for key in ("spec", "state", "classes"))
        if not (
            isinstance(spec, Mapping)
            and {"scale", "architecture"} <= set(spec)
            and _is_state(state)
            and isinstance(classes, list | tuple)
        ):
            raise VebiError(
                f"{path} is not a model.pt of this project. Delete it and train it again."
            )
        return Weights(
            path,
            state,
            scale=spec["scale"],
            architecture=str(spec["architecture"]),
            classes=(tuple(map(str, classes)),),
        )
    # Training scripts often save the state dict among other things.
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not _is_state(content) or not content:
        raise VebiError(
            f"{path} holds no state dict (tensors by name). Save it with "
            "torch.save(network.state_dict(), path)."
        )
    return Weights(path, {key.removeprefix("module."): value for key, value in content.items()})


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    )


def apply_weights(
    net: nn.Module,
    spec: NetSpec,
    weights: Weights,
    namings: Sequence[Sequence[str]],
    is_trained: bool = True,
) -> None:
    """Put weights into a network.

    Where the names of the outputs are known (from the file, or because there are ImageNet's 1,000) and
    all classes are among them, the last layer is put together by name.

    Args:
        net: what `build(spec)` made.
        spec: its specification.
        weights: read from a file.
        namings: lists of the data set's classes, in all the ways that it has to call them.
        is_trained: the network is trained after this: it keeps its own first weights in a last layer
            whose size is another one.

    Raises:
        VebiError: anything else that does not fit, by name.
    """
    if weights.architecture and weights.architecture != spec.architecture:
        raise VebiError(
            f"{weights.path} holds weights of '{weights.architecture}', not of '{spec.architecture}'."
        )
    body = net.get_submodule(spec.body)
    if isinstance(weights.content, MatConvNetFile):
        _, height, width = spec.input_shape
        state = state_for(weights.content, body, (height, width))
        if weights.content.mean is not None:
            state["input.mean"] = _fitting_mean(weights, net, weights.content.mean)
    else:
        state = dict(weights.content)
        if weights.architecture and spec.body:
            body = net
    last = last_layer(body)
    state = _by_class(state, last, weights, namings)
    expected = body.state_dict()
    if spec.is_own:
        state.setdefault("input.mean", expected["input.mean"])
    # Files from before torch 0.4.1 don't count batches, which only training looks at.
    state = {k: v for k, v in expected.items() if k.endswith(".num_batches_tracked")} | state
    missing, foreign = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    if missing or foreign:
        raise VebiError(
            f"{weights.path} does not fit '{spec.architecture}': "
            + "; ".join(
                f"{what} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
                for what, names in (("it lacks", missing), ("it also has", foreign))
                if names
            )
            + "."
        )
    for key, value in expected.items():
        if state[key].shape == value.shape:
            continue
        if key.rpartition(".")[0] != last or state[key].shape[1:] != value.shape[1:]:
            raise VebiError(
                f"{weights.path}: '{key}' has shape {tuple(state[key].shape)}, "
                f"'{spec.architecture}' has {tuple(value.shape)}."
            )
        if not is_trained:
            raise VebiError(_cannot_learn(weights, len(state[key]), namings))
        log.info("%s: %d outputs instead of %d, new weights", key, len(value), len(state[key]))
        state[key] = value
    body.load_state_dict(state)


def _cannot_learn(weights: Weights, n_outputs: int, namings: Sequence[Sequence[str]]) -> str:
    """Why outputs and classes of a network that is not trained don't go together."""
    n_classes = len(namings[-1])
    message = f"{weights.path} has {n_outputs} outputs, there are {n_classes} classes, and "
    message += "nothing is trained that could learn them: take as many classes, or train it."
    if n_outputs > n_classes:
        try:
            require_outputs(namings, n_outputs, weights.classes)
        except VebiError as error:
            message += f" {error}"
    return message


def last_layer(net: nn.Module) -> str:
    """Name of the last convolution or fully connected layer, which gives the scores."""
    names = [n for n, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    if not names:
        raise VebiError("The network has no convolution and no fully connected layer.")
    return names[-1]


def _fitting_mean(weights: Weights, net: nn.Module, mean: Tensor) -> Tensor:
    own = net.get_buffer("input.mean")
    try:
        return mean.expand(own.shape).clone()
    except RuntimeError as error:
        raise VebiError(
            f"{weights.path}: its mean image has shape {tuple(mean.shape)} (C, H, W), the network takes "
            f"images of shape {tuple(own.shape)}."
        ) from error


def _by_class(
    state: dict[str, Tensor], last: str, weights: Weights, namings: Sequence[Sequence[str]]
) -> dict[str, Tensor]:
    """The last layer's rows in the order of the data set's classes, where all their names are known."""
    if f"{last}.weight" not in state:
        return state
    n_outputs = len(state[f"{last}.weight"])
    rows = find_outputs(namings, n_outputs, weights.classes)
    if None not in rows and len(set(rows)) == len(rows):
        if rows != list(range(n_outputs)):
            log.info("last layer '%s' put together by the names of the classes", last)
        keys = [key for key in (f"{last}.weight", f"{last}.bias") if key in state]
        return state | {key: state[key][rows] for key in keys}
    if weights.classes and len(weights.classes[0]) == len(namings[-1]):
        log.warning(
            "%s names its classes differently (%s instead of %s): their order is taken to be the same",
            weights.path,
            weights.classes[0][0],
            namings[-1][0],
        )
    return state
