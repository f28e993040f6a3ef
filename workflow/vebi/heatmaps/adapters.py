"""Methods of other libraries by name: `captum:Saliency`, `zennit:EpsilonPlusFlat`.

The libraries are used where they are installed, and compute as they do by themselves; what is added here
is only which layer is meant and that maps of a layer are brought to the size of the image (bilinear).
Arguments go to the constructor if it takes them, else to the call. `layer=NAME` is a module of the
network by its name; by default the last convolution whose output has more than one place.

Both captum and zennit change ReLUs that are modules (`nn.ReLU`), and see no functional ones.
"""

import contextlib
import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.calls import Call
from vebi.io.errors import VebiError


def attribute(what: str, call: Call, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """Attributions by a method of another library.

    Args:
        what: the method, for errors.
        call: `module` is one of LIBRARIES, `function` a class of it.
        model: in evaluation mode; the library may leave hooks on it.
        images: float (N, C, H, W).
        targets: int64 (N).

    Returns:
        (N, C, H, W), or (N, 1, H, W) of methods that look at a layer.

    Raises:
        VebiError: the library is not installed or has no such method, or the network no such layer.
    """
    with _warned_of_kernels():
        return LIBRARIES[call.module](what, call, model, images, targets)


@contextlib.contextmanager
def _warned_of_kernels() -> Iterator[None]:
    """Inside, torch warns where it has no deterministic kernel, instead of refusing.

    It refuses what captum's DeepLift does at pooling layers, the same bits twice on a CPU or not.
    """
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(strict, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warns)


def _captum(what: str, call: Call, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    kind = _find(what, "captum.attr", "captum", call.function)
    # Shapes and strides are tuples there, which a call's text has no form for.
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in call.arguments.items()
    }
    parameters = inspect.signature(kind).parameters
    if "layer" in parameters:
        given["layer"] = _layer(what, model, images, given.pop("layer", None))
    first = next(iter(parameters))
    built, called = _split(given, parameters)
    found = kind(**{first: model}, **built).attribute(images, target=targets, **called)
    if isinstance(found, tuple):
        found = found[0]
    if found.shape[2:] != images.shape[2:]:
        size = (images.shape[2], images.shape[3])
        found = functional.interpolate(found, size, mode="bilinear")
    return found


def _zennit(what: str, call: Call, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    _make_importable_torchvision()
    kind = _find(what, "zennit.composites", "zennit", call.function)
    attributor = _find(what, "zennit.attribution", "zennit", "Gradient")
    composite = kind(**call.arguments)
    with attributor(model=model, composite=composite) as compute:

        def of_class(scores: Tensor) -> Tensor:
            return functional.one_hot(targets, scores.shape[1]).to(scores)

        found: Tensor = compute(images.requires_grad_(), of_class)[1]
    return found


def _grad_cam(what: str, call: Call, model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    _make_importable_torchvision()
    kind = _find(what, "pytorch_grad_cam", "pytorch_grad_cam", call.function)
    of_class = _find(
        what,
        "pytorch_grad_cam.utils.model_targets",
        "pytorch_grad_cam",
        "ClassifierOutputTarget",
    )
    given = dict(call.arguments)
    layer = _layer(what, model, images, given.pop("layer", None))
    built, called = _split(given, inspect.signature(kind).parameters)
    maps = []
    # One at a time: some of its methods mix the images of a batch. Gradients have to reach the layer,
    # also in a network whose weights are fixed.
    for image, target in zip(images.requires_grad_().split(1), targets.tolist(), strict=True):
        with kind(model=model, target_layers=[layer], **built) as cam:
            maps.append(torch.as_tensor(cam(image, targets=[of_class(target)], **called)))
    return torch.cat(maps).unsqueeze(1)


LIBRARIES: Mapping[str, Callable[[str, Call, nn.Module, Tensor, Tensor], Tensor]] = {
    "captum": _captum,
    "zennit": _zennit,
    "pytorch_grad_cam": _grad_cam,
}


def _make_importable_torchvision() -> None:
    """Both zennit and pytorch-grad-cam import torchvision."""
    with contextlib.suppress(ImportError):
        declare_missing_ops()


def _find(what: str, module: str, library: str, name: str) -> Any:
    """A class of a library."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise VebiError(
            f"{what} needs {library}, which can't be imported ({error}). Install it alongside vebi."
        ) from error
    if name.startswith("_") or not inspect.isclass(getattr(found, name, None)):
        known = [one for one, value in vars(found).items() if inspect.isclass(value)]
        close = difflib.get_close_matches(name, known, 3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise VebiError(f"{what}: {module} has no method '{name}'.{hint}")
    return getattr(found, name)


def _split(
    given: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments of the constructor, and those of the call."""
    built = {name: value for name, value in given.items() if name in parameters}
    return built, {name: value for name, value in given.items() if name not in parameters}


def _layer(what: str, model: nn.Module, images: Tensor, name: str | None) -> nn.Module:
    """The module of that name; None: the last convolution with more than one place."""
    modules = dict(model.named_modules())
    if name is not None:
        if name not in modules or not name:
            known = [one for one in modules if one]
            raise VebiError(
                f"{what}: the network has no layer '{name}'; it has {', '.join(known[:40])}."
            )
        return modules[name]
    last: list[nn.Module] = []

    def keep(module: nn.Module, _: Any, response: Tensor) -> None:
        if response.shape[2:].numel() > 1:
            last.append(module)

    hooks = [
        module.register_forward_hook(keep)
        for module in modules.values()
        if isinstance(module, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            model(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not last:
        raise VebiError(
            f"{what}: the network has no nn.Conv2d with maps; name a layer: layer=NAME."
        )
    return last[-1]
