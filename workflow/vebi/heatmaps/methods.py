"""Heatmap methods: what each one explains, and how it is drawn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.heatmaps.attribution import SIGNALS, ClassBatch
from vebi.heatmaps.maps import map_of_signal, merge, scale_to_unit
from vebi.heatmaps.signals import feature_signals
from vebi.heatmaps.subject import FEATURE_SOURCES, Chosen, Subject
from vebi.io.errors import VebiError
from vebi.network.layers import Layer
from vebi.network.passes import responses

UPSAMPLED = "upsampled_activation"
IG_STEPS = 16


@dataclass(frozen=True)
class FeatureMethod:
    """Draws features of hidden layers.

    `source` (a name of FEATURE_SOURCES) chooses them; `rule` draws them: one of `signals.RULES`
    (backward), or UPSAMPLED.
    """

    source: str
    rule: str

    @property
    def spatial_only(self) -> bool:
        """Whether it can draw only features that are maps themselves."""
        return self.rule == UPSAMPLED


@dataclass(frozen=True)
class ClassMethod:
    """Draws the predicted class: `signal` gives (N, C, H, W), of which the map is made."""

    signal: Callable[[ClassBatch], Tensor]

    @property
    def spatial_only(self) -> bool:
        """It draws no features at all."""
        return False


Method = FeatureMethod | ClassMethod

METHODS: dict[str, Method] = {
    "upsampled_activation": FeatureMethod("relevance_spatial", UPSAMPLED),
    "deconv_gb": FeatureMethod("relevance", "deconv_gb"),
    "vebi_conv": FeatureMethod("relevance", "vebi_conv"),
    "vebi": FeatureMethod("relevance", "vebi"),
    "resampling_correlation": FeatureMethod("correlation", "deconv_gb"),
    "resampling_precision": FeatureMethod("precision", "deconv_gb"),
    **{name: ClassMethod(signal) for name, signal in SIGNALS.items()},
}


@dataclass(frozen=True)
class Targets:
    """What there is to explain in N images.

    `predictions` int64 (N), the classes; `features[source]` int64 (N, k, 2), the layer index and
    channel of the features that a source has chosen, -1 for none.
    """

    predictions: np.ndarray
    features: Mapping[str, np.ndarray]

    def at(self, rows: np.ndarray) -> "Targets":
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
    names = list(names)
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise VebiError(f"Unknown heatmap method '{unknown[0]}'; known: {', '.join(METHODS)}.")
    return {name: METHODS[name] for name in names}


def choose_features(subject: Subject, methods: Iterable[str], k: int) -> dict[str, Chosen]:
    """Features and scores by every source that the methods need: see FEATURE_SOURCES."""
    chosen = get_methods(methods).values()
    sources = dict.fromkeys(m.source for m in chosen if isinstance(m, FeatureMethod))
    return {source: FEATURE_SOURCES[source](subject, k) for source in sources}


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
        if isinstance(method, FeatureMethod):
            by_source.setdefault(method.source, []).append(name)
    for source, names in by_source.items():
        drawn = feature_maps(model, images, layers, targets.features[source], names)
        maps |= {name: merge(drawn[name]) for name in names}
    batch = ClassBatch(model, images, layers, targets.predictions, ig_steps)
    for name, method in chosen.items():
        if isinstance(method, ClassMethod):
            maps[name] = map_of_signal(method.signal(batch)).detach()
    return {name: maps[name] for name in chosen}


def feature_maps(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    features: np.ndarray,
    methods: Iterable[str],
) -> dict[str, Tensor]:
    """Map of every feature by every method: float32 (N, k, H, W) in [0, 1], zero where none.

    `features` int64 (N, k, 2), layer index and channel. Methods that go backward share one forward
    pass.
    """
    rule_of = {}
    for name, method in get_methods(methods).items():
        if not isinstance(method, FeatureMethod):
            raise VebiError(
                f"Method '{name}' explains the predicted class, not features; use `merged_maps`."
            )
        rule_of[name] = method.rule
    rules = [rule for rule in dict.fromkeys(rule_of.values()) if rule != UPSAMPLED]
    signals = feature_signals(model, images, layers, features, rules) if rules else {}
    maps = {rule: map_of_signal(signals[rule]) for rule in rules}
    if UPSAMPLED in rule_of.values():
        maps[UPSAMPLED] = upsampled_activation(model, images, layers, features)
    return {name: maps[rule] for name, rule in rule_of.items()}


def upsampled_activation(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], features: np.ndarray
) -> Tensor:
    """The features' activation maps, resized to the image bilinearly, each scaled to [0, 1]."""
    maps = images.new_zeros((*features.shape[:2], *images.shape[2:]))
    used = [layer for layer in layers if (features[..., 0] == layer.index).any()]
    _, values = responses(model, images, layers, used)
    for layer, response in zip(used, values, strict=True):
        if not layer.spatial:
            raise VebiError(f"Layer '{layer.name}' has no maps that could be upsampled.")
        rows, slots = np.nonzero(features[..., 0] == layer.index)
        indices = np.stack([rows, slots, features[rows, slots, 1]])
        images_at, slots_at, channels = torch.from_numpy(indices).to(maps.device)
        chosen = response.movedim(layer.channel_axis, 1)[images_at, channels].to(maps.dtype)
        size = (images.shape[2], images.shape[3])
        resized = functional.interpolate(chosen[:, None], size, mode="bilinear")[:, 0]
        maps[images_at, slots_at] = scale_to_unit(resized)
    return maps


def heatmaps(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], features: np.ndarray, method: str
) -> np.ndarray:
    """One merged heatmap per image: float32 (N, H, W) in [0, 1]. Arguments as in `feature_maps`."""
    maps = feature_maps(model, images, layers, features, [method])[method]
    return merge(maps).cpu().numpy()
