"""Classification sets of torchvision: found on disk or downloaded by it, resized, written as pixels."""

import difflib
import inspect
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from vebi.config.datasets import TorchvisionConfig
from vebi.data.dataset import TEST, TRAIN, Batch, write_batches
from vebi.data.decoding import Decoding, decoding_for, fit_image
from vebi.data.roots import no_source
from vebi.io.errors import VebiError

log = logging.getLogger(__name__)
# Images that are in memory at once.
BATCH = 256
SPLIT_NAMES = {TRAIN: "training", TEST: "test"}


class Part(NamedTuple):
    """Images of one of torchvision's sets that belong to a split, by their positions in it."""

    images: Any
    rows: Sequence[int]
    split: int
    limit: int | None


def write(config: TorchvisionConfig, path: str | Path, cache: Path) -> None:
    """Write a set of torchvision's as dataset.h5, resized; `cache` keeps what is downloaded.

    It is looked for in `$VEBI_DATA/<name>`, in `$VEBI_DATA`, then in `cache/<name>`, in the layout in
    which torchvision stores it, and downloaded to the last by torchvision, which shows a progress bar and
    verifies checksums.

    Raises:
        VebiError: no such set, arguments that it does not take, no labels in it that are whole numbers,
            another number of classes, a class without images; neither on disk nor to be downloaded.
    """
    parts = list(_find_parts(config, cache))
    classes, class_ids = _class_names(parts[0].images, config)
    counts: Counter[tuple[int, int]] = Counter()

    def counted() -> Iterator[Batch]:
        for part in parts:
            for batch in _read_part(part, config):
                counts.update((part.split, int(label)) for label in batch.labels)
                yield batch
        for split, name in SPLIT_NAMES.items():
            without = [classes[c] for c in range(len(classes)) if not counts[split, c]]
            if without:
                raise VebiError(
                    f"{len(without)} of {len(classes)} classes of torchvision's {config.name} have no "
                    f"{name} images: {', '.join(without[:5])}. Is n_classes ({config.n_classes}) right?"
                )

    write_batches(path, counted(), config.shape, classes, class_ids)
    log.info("%s: %d images of %d classes", config.name, counts.total(), len(classes))


def _find_parts(config: TorchvisionConfig, cache: Path) -> Iterator[Part]:
    """The two splits: by the set's own arguments, or drawn where it has none."""
    kind = _find_class(config.name)
    limits = {TRAIN: config.train_per_class, TEST: config.test_per_class}
    arguments = _split_arguments(kind, config)
    if arguments is None:
        images = _open(kind, config, config.kwargs, cache)
        drawn = _draw_splits(images, config)
        for split, limit in limits.items():
            yield Part(images, drawn[split], split, limit)
        return
    for split, own in arguments.items():
        images = _open(kind, config, {**config.kwargs, **own}, cache)
        rows = np.arange(len(images))
        if limits[split] is not None:
            # In this order until every class has enough: a smaller limit gives the first of a larger.
            rows = np.random.default_rng([config.seed, split]).permutation(rows)
        yield Part(images, rows.tolist(), split, limits[split])


def _find_class(name: str) -> type[Any]:
    from vebi.compute.torchvision_ops import declare_missing_ops

    declare_missing_ops()
    from torchvision import datasets

    known = [one for one in datasets.__all__ if inspect.isclass(getattr(datasets, one))]
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"It has {', '.join(known)}."
        raise VebiError(f"torchvision has no data set '{name}'. {hint}")
    found: type[Any] = getattr(datasets, name)
    return found


def _split_arguments(
    kind: type[Any], config: TorchvisionConfig
) -> dict[int, Mapping[str, Any]] | None:
    """What gives the set's training and its test images; None where nothing does."""
    if config.train is not None and config.test is not None:
        return {TRAIN: config.train, TEST: config.test}
    takes = inspect.signature(kind).parameters
    if "train" in takes:
        return {TRAIN: {"train": True}, TEST: {"train": False}}
    if "split" in takes:
        raise VebiError(
            f"torchvision's {config.name} has splits by name: say which are which, for example "
            "`train: {split: train}` and `test: {split: val}` (its documentation lists them)."
        )
    return None


def _open(
    kind: type[Any], config: TorchvisionConfig, kwargs: Mapping[str, Any], cache: Path
) -> Any:
    """The set as torchvision gives it: from where it is, or downloaded into `cache`."""
    takes = inspect.signature(kind).parameters
    unknown = [key for key in kwargs if key not in takes]
    if unknown:
        raise VebiError(
            f"torchvision's {config.name} takes no argument '{unknown[0]}'; it takes "
            f"{', '.join(key for key in takes if key != 'self')}."
        )
    if "root" not in takes:
        return _call(kind, config, kwargs)
    data = os.environ.get("VEBI_DATA")
    places = [*([Path(data) / config.name, Path(data)] if data else []), cache / config.name]
    offline = {"download": False} if "download" in takes else {}
    reasons = []
    for place in places:
        try:
            return _call(kind, config, {**kwargs, **offline, "root": str(place)})
        # Every set says in its own way that its files are not there.
        except (OSError, RuntimeError) as error:
            reasons.append(f"{place}: {_first_line(error)}")
    if offline:
        places[-1].mkdir(parents=True, exist_ok=True)
        try:
            return _call(kind, config, {**kwargs, "download": True, "root": str(places[-1])})
        except (OSError, RuntimeError) as error:
            reasons.append(f"download: {_first_line(error)}")
    why = " and could not be downloaded" if offline else ", and torchvision does not download it"
    remedies = (
        f"set VEBI_DATA to a folder that has it as torchvision stores it, in {config.name}/ or by itself",
        f"put it into {places[-1]}",
        "connect to the network and run again" if offline else "take another set",
    )
    otherwise = "A folder of image files in another layout is kind `image_folder`."
    raise no_source(f"torchvision's {config.name} is", reasons, why, remedies, otherwise)


def _call(kind: type[Any], config: TorchvisionConfig, kwargs: Mapping[str, Any]) -> Any:
    try:
        return kind(**kwargs)
    except (TypeError, ValueError) as error:
        given = {key: value for key, value in kwargs.items() if key not in ("root", "download")}
        raise VebiError(
            f"torchvision's {config.name} refuses {given}: {_first_line(error)}"
        ) from error


def _draw_splits(images: Any, config: TorchvisionConfig) -> dict[int, list[int]]:
    """Positions of each split, `test_fraction` of every class in the test split, in drawn order."""
    labels = np.array([_label(images[row], config) for row in range(len(images))])
    drawn: dict[int, list[int]] = {TRAIN: [], TEST: []}
    for label in np.unique(labels):
        order = np.random.default_rng([config.seed, int(label)])
        rows = order.permutation(np.flatnonzero(labels == label)).tolist()
        n_test = max(1, round(config.test_fraction * len(rows)))
        drawn[TEST] += rows[:n_test]
        drawn[TRAIN] += rows[n_test:]
    return drawn


def _read_part(part: Part, config: TorchvisionConfig) -> Iterator[Batch]:
    """The images of a part that its limit allows, a batch at a time."""
    decoding, taken = decoding_for(config), np.zeros(config.n_classes, np.int64)
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []

    def batch() -> Batch:
        return Batch(np.stack(pixels), np.array(labels), np.full(len(labels), part.split))

    name = f"{config.name}, {SPLIT_NAMES[part.split]}"
    for row in tqdm(part.rows, name, unit="image", disable=None):
        sample = part.images[row]
        label = _label(sample, config)
        if part.limit is not None and taken[label] >= part.limit:
            continue
        taken[label] += 1
        pixels.append(_pixels(sample[0], decoding, config))
        labels.append(label)
        if len(pixels) == BATCH:
            yield batch()
            pixels, labels = [], []
        if part.limit is not None and taken.min() >= part.limit:
            break
    if pixels:
        yield batch()


def _label(sample: Any, config: TorchvisionConfig) -> int:
    label = sample[1] if isinstance(sample, tuple) and len(sample) == 2 else None
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise VebiError(
            f"torchvision's {config.name} is not a classification set: an image's label is {label!r}, a "
            "whole number is expected (some sets have one with another `target_type` under kwargs)."
        )
    if not 0 <= label < config.n_classes:
        raise VebiError(
            f"torchvision's {config.name} has a label {label}, but n_classes is {config.n_classes}: "
            "set n_classes to the number of its classes."
        )
    return int(label)


def _pixels(image: Any, decoding: Decoding, config: TorchvisionConfig) -> NDArray[np.uint8]:
    if not isinstance(image, Image.Image):
        raise VebiError(
            f"torchvision's {config.name} gives a {type(image).__name__} for an image; a picture (PIL) "
            "is expected."
        )
    return fit_image(image, decoding)


def _class_names(images: Any, config: TorchvisionConfig) -> tuple[list[str], list[str]]:
    """Names and ids of the classes: the set's own, else their numbers."""
    own = getattr(images, "classes", None) or getattr(images, "categories", None)
    if own is None:
        numbers = [str(number) for number in range(config.n_classes)]
        return numbers, numbers
    # Imagenette gives all names of a class.
    names = [str(name if isinstance(name, str) else name[0]) for name in own]
    if len(names) != config.n_classes:
        raise VebiError(
            f"torchvision's {config.name} has {len(names)} classes, but n_classes is "
            f"{config.n_classes}: set n_classes to {len(names)}."
        )
    return names, [str(wnid) for wnid in getattr(images, "wnids", names)]


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
