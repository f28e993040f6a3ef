"""Heatmaps of a batch by any methods: what each explains in an image, and its maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.catalogue.methods import Method, get_method
from vebi.catalogue.record import resolve
from vebi.heatmaps.class_batch import IG_STEPS, ClassBatch
from vebi.heatmaps.feature_batch import FeatureBatch
from vebi.heatmaps.maps import map_of_signal, merge
from vebi.heatmaps.subject import Chosen, Subject
from vebi.heatmaps.user_signal import user_signal
from vebi.io.errors import VebiError
from vebi.network.layers import Layer


@dataclass(frozen=True)
class Targets:
    """What there is to explain in N images.

    `predictions` int64 (N), the classes; `features[source]` int64 (N, k, 2), the layer index and
    channel of the features that a source has chosen, -1 for none.
    """

    predictions: NDArray[np.int64]
    features: Mapping[str, NDArray[np.int64]]

    def at(self, rows: NDArray[np.int64]) -> "Targets":
        """The same of some of the images."""
        features = {source: found[rows] for source, found in self.features.items()}
        return Targets(self.predictions[rows], features)

    @staticmethod
    def joined(parts: "Sequence[Targets]") -> "Targets":
        """Those of several batches as one."""
        features = {
            source: np.concatenate([part.features[source] for part in parts])
            for source in parts[0].features
        }
        return Targets(np.concatenate([part.predictions for part in parts]), features)


def get_methods(names: Iterable[str]) -> dict[str, Method]:
    """The methods of these names; raises VebiError for an unknown one."""
    return {name: get_method(name) for name in names}


def choose_features(subject: Subject, methods: Iterable[str], k: int) -> dict[str, Chosen]:
    """Up to k features of each image, and their scores, by every source that the methods need."""
    chosen = get_methods(methods).values()
    sources = dict.fromkeys(m.source for m in chosen if m.explains == "features")
    return {source: resolve(source)(subject, k) for source in sources}


def choose_targets(subject: Subject, methods: Iterable[str], k: int = 3) -> Targets:
    """What the methods are to explain in the images of a batch, up to k features each."""
    chosen = choose_features(subject, methods, k)
    features = {source: features for source, (features, _) in chosen.items()}
    return Targets(subject.predictions, features)


def merged_maps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    targets: Targets,
    methods: Iterable[str],
    *,
    ig_steps: int = IG_STEPS,
) -> dict[str, Tensor]:
    """One heatmap per image and method: float32 (N, H, W) in [0, 1].

    `images` float (N, C, H, W); `layers` from `list_layers`. Features are drawn one by one and merged
    by their maximum; the predicted class is drawn as one. Either way a signal becomes a map by
    `map_of_signal`. Methods that can share a forward pass do. `ig_steps`: points on the path of
    integrated gradients.
    """
    chosen = get_methods(methods)
    maps: dict[str, Tensor] = {}
    by_source: dict[str, list[str]] = {}
    for name, method in chosen.items():
        if method.explains == "features":
            by_source.setdefault(method.source, []).append(name)
    for source, names in by_source.items():
        drawn = feature_maps(model, images, layers, targets.features[source], names)
        maps |= {name: merge(drawn[name]) for name in names}
    batch = ClassBatch(model, images, layers, targets.predictions, ig_steps)
    for name, method in chosen.items():
        if method.explains == "class":
            maps[name] = class_map(batch, method)
    return {name: maps[name] for name in chosen}


def class_map(batch: ClassBatch, method: Method) -> Tensor:
    """The map of every image by a method that explains the class: float32 (N, H, W) in [0, 1]."""
    return map_of_signal(signal_of(method, batch)).detach()


def signal_of(method: Method, batch: ClassBatch) -> Tensor:
    """The signal (N, C, H, W) of a method that explains the class, ours or the user's."""
    if method.function.startswith("vebi."):
        return resolve(method.function)(batch)
    return user_signal(method, batch)


def feature_maps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    methods: Iterable[str],
) -> dict[str, Tensor]:
    """Map of every feature by every method: float32 (N, k, H, W) in [0, 1], zero where none.

    `features` int64 (N, k, 2), layer index and channel. Methods that go backward share one forward
    pass.
    """
    functions = {}
    for name, method in get_methods(methods).items():
        if method.explains != "features":
            raise VebiError(
                f"Method '{name}' explains the predicted class, not features; use `merged_maps`."
            )
        functions[name] = method.function
    with FeatureBatch(model, images, layers, features) as batch:
        maps = {text: resolve(text)(batch) for text in dict.fromkeys(functions.values())}
    return {name: maps[text] for name, text in functions.items()}


def heatmaps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: NDArray[np.int64],
    method: str,
) -> NDArray[np.float32]:
    """One merged heatmap per image: float32 (N, H, W) in [0, 1]. Arguments as in `feature_maps`."""
    maps = feature_maps(model, images, layers, features, [method])[method]
    return merge(maps).cpu().numpy()
