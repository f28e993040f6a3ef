"""Methods of the user's or of another library, in the form of those of the catalogue.

Such a function gets the network, images and classes, and returns what it finds at the pixels:

    explain(model, images, targets) -> relevance

`model` is an nn.Module in evaluation mode, a copy that it may change; `images` float (N, C, H, W) as
the network takes them, `targets` int64 (N), the classes to explain; `relevance` is (N, H, W) or
(N, C, H, W), a tensor or an array, the higher the more a pixel speaks for the class.

What is done with it is the same for every method: negative values by the method's rule (`Negative`), then
the L2 norm over the channels, then each map is scaled to [0, 1] (`map_of_signal`).
"""

import copy
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from vebi.catalogue.methods import Method
from vebi.heatmaps.adapters import LIBRARIES, attribute
from vebi.heatmaps.class_batch import ClassBatch
from vebi.io.calls import Call, parse_call
from vebi.io.errors import VebiError
from vebi.models.user_code import user_function
from vebi.network.running import scores_in

log = logging.getLogger(__name__)


def user_signal(method: Method, batch: ClassBatch) -> Tensor:
    """What a function of the user's finds at the pixels, without negative values: (N, C, H, W).

    Args:
        method: its `function` is the user's, as text.
        batch: the images, at most as many as one batch has, and their classes.

    Raises:
        VebiError: the function can't be found, fails, or returns something else than finite numbers of
            the right shape and sign.
    """
    call = parse_call(method.function, "heatmap method")
    model = copy.deepcopy(batch.model).eval()
    # Other libraries know networks that return a tensor.
    model.register_forward_hook(lambda _, __, output: scores_in(output))
    images = batch.images.detach().clone().contiguous()
    what = _named(method)
    try:
        with _fixed_chance(), torch.inference_mode(False), torch.enable_grad():
            found = _run(what, call, model, images, batch.classes.clone())
    except VebiError:
        raise
    except Exception as error:
        # The user looks for the place in their code.
        log.exception("%s failed", what)
        raise VebiError(f"{what} failed: {type(error).__name__}: {error}") from error
    return _checked(what, method, found, batch.images)


def _named(method: Method) -> str:
    named = "" if method.name == method.function else f" ({method.function})"
    return f"heatmap method '{method.name}'{named}"


def _run(what: str, call: Call, model: torch.nn.Module, images: Tensor, targets: Tensor) -> object:
    if call.module in LIBRARIES:
        return attribute(what, call, model, images, targets)
    expected = "a function of (model, images, targets)"
    with user_function(what, call.module, call.function, expected) as function:
        return function(model, images, targets, **call.arguments)


def _checked(what: str, method: Method, found: object, images: Tensor) -> Tensor:
    n, _, height, width = images.shape
    try:
        signal = torch.as_tensor(found).detach().to(images.device, images.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise VebiError(
            f"{what} returned a {type(found).__name__}, a tensor (N, H, W) or (N, C, H, W) is expected."
        ) from error
    if signal.ndim == 3:
        signal = signal.unsqueeze(1)
    if signal.ndim != 4 or signal.shape[::2] != (n, height) or signal.shape[3] != width:
        raise VebiError(
            f"{what} returned the shape {tuple(torch.as_tensor(found).shape)}, expected "
            f"{(n, height, width)} or (N, C, H, W) with the same N, H and W."
        )
    if not signal.isfinite().all():
        image = int((~signal.isfinite()).flatten(1).any(1).nonzero()[0])
        value = "NaN" if signal[image].isnan().any() else "an infinite value"
        raise VebiError(f"{what} returned {value} for image {image} of a batch of {n}.")
    if method.negative == "refuse" and (signal < 0).any():
        raise VebiError(
            f"{what} returned {signal.min():g}, though it is said to have no negative values "
            "(negative: refuse). Choose `positive` or `absolute`."
        )
    if method.negative == "absolute":
        return signal.abs()
    return signal.clamp(min=0)


@contextmanager
def _fixed_chance() -> Iterator[None]:
    """Random draws inside the block are the same in every run; those outside it are left alone."""
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
