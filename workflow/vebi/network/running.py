"""A network's forward pass, run so that nothing of the user's is changed."""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.network.deterministic import InFixedOrder
from vebi.network.watching import OperationMode

_LOCK = threading.Lock()
# Networks in evaluation mode for now: how many blocks hold them there, and each module's own mode.
_EVALUATED: WeakKeyDictionary[nn.Module, tuple[int, dict[nn.Module, bool]]] = WeakKeyDictionary()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block, each module's own mode after it.

    Threads may be inside at the same time: the last one to leave sets the modes back.
    """
    with _LOCK:
        held, modes = _EVALUATED.get(model, (0, {}))
        modes = modes or {module: module.training for module in model.modules()}
        _EVALUATED[model] = held + 1, modes
        try:
            if not held:
                model.eval()
        except BaseException as error:
            _leave(model)
            if isinstance(error, NotImplementedError):
                raise VebiError(
                    f"The network, a {type(model).__name__}, has no evaluation mode ({error}). Give "
                    "the network that it was exported from."
                ) from error
            raise
    try:
        yield
    finally:
        with _LOCK:
            _leave(model)


def _leave(model: nn.Module) -> None:
    held, modes = _EVALUATED.pop(model)
    if held > 1:
        _EVALUATED[model] = held - 1, modes
        return
    for module, training in modes.items():
        module.training = training


def as_written(model: nn.Module) -> nn.Module:
    """The network inside what only changes how it runs: several devices, or compiled code.

    Raises VebiError for a network that is nothing but compiled code.
    """
    wrappers = {nn.DataParallel: "module", nn.parallel.DistributedDataParallel: "module"}
    if "torch._dynamo" in sys.modules:
        wrappers[torch._dynamo.OptimizedModule] = "_orig_mod"  # of torch.compile
    while type(model) in wrappers:
        model = model.get_submodule(wrappers[type(model)])
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"Layer '{name}'" if name else "The network"
            raise VebiError(
                f"{where} is a TorchScript module, whose operations can't be read or changed. "
                "Give the network before scripting."
            )
    return model


def own_format(model: nn.Module) -> torch.dtype:
    """The number format of a network's first parameter, in which it takes its images."""
    formats = (value.dtype for value in model.parameters() if value.is_floating_point())
    return next(formats, torch.float32)


def leaf_of(images: Tensor) -> Tensor:
    """The images as a tensor whose gradients can be asked for."""
    with torch.inference_mode(False):
        copy = images.clone() if images.is_inference() else images.detach()
        return copy if copy.is_floating_point() else copy.float()


def run(
    model: nn.Module,
    images: Tensor,
    mode: OperationMode | None = None,
    gradients: bool = False,
) -> Tensor:
    """The class scores of a network, in evaluation mode; nothing of the user's network is changed.

    Args:
        model: the network; it gets a copy of the images in its own number format, which it may write
            into.
        images: (N, C, H, W).
        mode: watches or changes the pass.
        gradients: whether autograd records the pass, from `images` on.

    Raises:
        VebiError: gradients of a network that was made in inference mode.
    """
    network = as_written(model)
    if gradients and any(value.is_inference() for value in network.parameters()):
        raise VebiError(
            "The network was made inside torch.inference_mode(), so that nothing has gradients. Make "
            "it outside, or copy it there with copy.deepcopy."
        )
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(gradients),
        evaluating(network),
        _eagerly(),
    ):
        own = images.to(own_format(network))
        own = own.clone() if own is images else own
        if mode is None:
            with InFixedOrder():
                return scores_in(network(own))
        mode.begin(network, own)
        with mode:
            result = scores_in(network(own))
        mode.look_again()
        return result


def scores_in(output: Any) -> Any:
    """The class scores in what a network returns: a tensor itself, or the `logits` of an output object.

    Such objects are those of Hugging Face's classifiers (a mapping whose values are attributes), any
    data class or named tuple, and a mapping. Anything else is returned as it is.
    """
    if isinstance(output, Tensor):
        return output
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return found if isinstance(found, Tensor) else output


def _eagerly() -> AbstractContextManager[object]:
    """Run functions and layers that torch.compile made as they were written."""
    # Nothing is compiled where its compiler was never imported.
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
