"""Data sets of image files: found, chosen, checked and written as an index. The pixels stay there."""

import difflib
import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from vebi.config.datasets import ImageFolderConfig
from vebi.data.dataset import TEST, TRAIN, ImageIndex, n_decoders, write_index
from vebi.data.decoding import (
    Decoding,
    UnreadableImage,
    decoding_for,
    read_header,
    read_mask,
    read_pixels,
)
from vebi.data.listing import (
    Listed,
    leave_out_folder,
    list_class_folders,
    list_csv,
    list_imagenet,
    list_split_folders,
    name_classes,
    read_class_names,
)
from vebi.data.roots import find_root, is_file
from vebi.io.errors import VebiError

log = logging.getLogger(__name__)
# Images handed to the threads at once; a future for each of ImageNet's would fill the memory.
BLOCK = 4096
SPLIT_NAMES = {TRAIN: "training", TEST: "test"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What was learnt of a file: bytes, height and width when upright, its mask; or a defect."""

    n_bytes: int = 0
    height: int = 0
    width: int = 0
    mask: str = ""
    mask_bytes: int = 0
    defect: str = ""


def write(config: ImageFolderConfig, path: str | Path, cache: Path) -> None:
    """Write the index of the images as dataset.h5; they stay where they are."""
    write_index(path, index_images(config))


def index_images(config: ImageFolderConfig, whole: bool = False) -> ImageIndex:
    """Find, choose, split and check the images of a data set; decode none (unless told to).

    Images are in the order of split, class and path. `whole`: no image is left for testing, all are in
    the training split; one per class is enough.

    Raises:
        VebiError: folder or listing missing or wrong; a class without images; a file listed twice;
            unreadable files (all in one message) unless they are to be skipped.
    """
    root = find_root(config.path)
    listed = list_images(root, config)
    check_names(listed)
    class_ids, names = _name_classes(root, [item.class_id for item in listed], config)
    label_of = {class_id: label for label, class_id in enumerate(class_ids)}
    chosen = [item for item in listed if item.class_id in label_of]
    decoding, skipped = decoding_for(config), {}
    checked: dict[str, Checked] = {}
    if config.on_corrupt == "skip":
        # Before splits and limits are drawn, so that a broken file leaves no gap in either.
        checked = check_files(root, [item.file for item in chosen], decoding, config)
        skipped = {file: result.defect for file, result in checked.items() if result.defect}
        _log_skipped(root, skipped, len(chosen))
        chosen = [item for item in chosen if item.file not in skipped]
    if whole:
        chosen = [item._replace(split=TRAIN) for item in chosen]
    limits = {TRAIN: config.train_per_class, TEST: config.test_per_class}
    chosen = split_and_limit(chosen, config.seed, config.test_fraction, limits)
    chosen.sort(key=lambda item: (item.split, label_of[item.class_id], item.file))
    there = {item.class_id for item in listed}
    found = [class_id for class_id in class_ids if class_id in there]
    require_images(chosen, found, (TRAIN,) if whole else (TRAIN, TEST))
    files = [item.file for item in chosen]
    if config.on_corrupt == "error":
        checked = check_files(root, files, decoding, config)
        _refuse_defects(
            root, {file: checked[file].defect for file in files if checked[file].defect}
        )
    results = [checked[file] for file in files]
    log.info("%s: %d images of %d classes", root, len(files), len(class_ids))
    return ImageIndex(
        root=config.path,
        files=files,
        n_bytes=np.array([result.n_bytes for result in results], np.int64),
        sizes=np.array([(result.height, result.width) for result in results], np.int64),
        labels=np.array([label_of[item.class_id] for item in chosen], np.int64),
        split=np.array([item.split for item in chosen], np.int64),
        classes=names,
        class_ids=class_ids,
        decoding=decoding,
        mask_files=None if config.masks is None else [result.mask for result in results],
        mask_bytes=np.array([result.mask_bytes for result in results], np.int64),
        skipped=dict(sorted(skipped.items())),
    )


def _name_classes(
    root: Path, found: Sequence[str], config: ImageFolderConfig
) -> tuple[list[str], list[str]]:
    """Ids and names of the classes in label order; with `all_classes` also of those without images."""
    names_file = config.class_names or config.all_classes
    known = None if names_file is None else read_class_names(_find_file(root, names_file))
    if config.all_classes is None:
        class_ids = choose_classes(found, config.classes, config.n_classes)
    else:
        class_ids = list(read_class_names(_find_file(root, config.all_classes)))
        strange = sorted(set(found) - set(class_ids))
        if strange or len(class_ids) != config.n_classes:
            raise VebiError(
                f"{config.all_classes} lists {len(class_ids):,} classes"
                + (
                    f", and none called {_some(strange)}, of which there are images. Add them."
                    if strange
                    else f", but n_classes is {config.n_classes}. Set it to {len(class_ids)}."
                )
            )
    return class_ids, class_ids if known is None else name_classes(class_ids, known)


def list_images(root: Path, config: ImageFolderConfig) -> list[Listed]:
    """All images of the folder, by the configured layout; the folder of the masks holds none."""
    train, test = config.train, config.test_name
    if config.layout == "csv":
        return list_csv(root, config.table, train, test, config.ignore_other_splits)
    if config.layout == "split_folders":
        listed = list_split_folders(root, train, test)
    elif config.layout == "class_folders":
        listed = list_class_folders(root)
    else:
        listed = list_imagenet(root, train, test, config.ground_truth)
    return listed if config.masks is None else leave_out_folder(listed, config.masks)


def check_names(listed: Sequence[Listed]) -> None:
    """Raise VebiError for a file listed twice, and for names that can't be written down."""
    if not listed:
        raise VebiError("The data set lists no images.")
    counts = Counter(item.file for item in listed)
    twice = sorted(file for file, n in counts.items() if n > 1)
    if twice:
        raise VebiError(
            f"{len(twice):,} files are listed more than once: {_some(twice)}. Which label holds? List "
            "each file once."
        )
    for name in {item.class_id for item in listed} | counts.keys():
        if not name.isprintable():
            raise VebiError(
                f"The name {name!r} has characters that are not text (another encoding than UTF-8, or "
                "control characters). Rename it."
            )


def choose_classes(
    found: Iterable[str], wanted: Sequence[str] | None, n_classes: int | None
) -> list[str]:
    """The classes in label order: those wanted as they are listed, else all, sorted."""
    there = sorted(set(found))
    if wanted is None:
        if n_classes is not None and len(there) != n_classes:
            raise VebiError(
                f"The data set has {len(there)} classes ({_some(there)}), but n_classes is {n_classes}. "
                f"Set n_classes to {len(there)}, or list the classes that you want under `classes`."
            )
        return there
    missing = [class_id for class_id in wanted if class_id not in set(there)]
    if missing:
        close = difflib.get_close_matches(missing[0], there, 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise VebiError(
            f"{len(missing)} of the {len(wanted)} classes have no images: {_some(missing)}. The data set "
            f"has {_some(there)}.{hint}"
        )
    return list(wanted)


def split_and_limit(
    listed: Sequence[Listed],
    seed: int,
    test_fraction: float,
    limits: Mapping[int, int | None],
) -> list[Listed]:
    """Draw the splits that are missing, and as many images per class and split as are allowed.

    Each class is drawn from its own generator, so that choosing fewer classes or another limit keeps
    what is drawn: 10 per class are the first of 100 per class.
    """
    groups: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for item in listed:
        groups[item.class_id, item.split].append(item.file)
    dealt: dict[tuple[str, int], list[str]] = defaultdict(list)
    for (class_id, split), files in groups.items():
        shuffled = _shuffle(files, seed, class_id, split)
        if split is not None:
            dealt[class_id, split] += shuffled
            continue
        if len(shuffled) < 2:
            raise VebiError(
                f"Class '{class_id}' has a single image, which can't be split in training and test."
            )
        n_test = min(max(1, round(test_fraction * len(shuffled))), len(shuffled) - 1)
        dealt[class_id, TEST] += shuffled[:n_test]
        dealt[class_id, TRAIN] += shuffled[n_test:]
    return [
        Listed(file, class_id, split)
        for (class_id, split), files in dealt.items()
        for file in files[: limits[split]]
    ]


def _shuffle(files: list[str], seed: int, class_id: str, split: int | None) -> list[str]:
    key = int.from_bytes(hashlib.sha256(class_id.encode()).digest()[:8])
    order = np.random.default_rng([seed, key, 2 if split is None else split])
    files = sorted(files)
    return [files[i] for i in order.permutation(len(files))]


def find_masks(root: Path, folder: str, files: Sequence[str]) -> list[str]:
    """The mask of each image: a PNG of the same path below `folder`, or else of the same stem in it.

    Returns paths below `root`. Raises VebiError for images without a mask, or with the same one.
    """
    found, missing = [], []
    for file in files:
        path = PurePosixPath(file)
        places = [
            PurePosixPath(folder, path.with_suffix(".png")),
            PurePosixPath(folder, f"{path.stem}.png"),
        ]
        there = [place for place in places if (root / place).is_file()]
        found.append(str(there[0]) if there else "")
        if not there:
            missing.append(f"{file} ({places[0]} or {places[1]})")
    if missing:
        raise VebiError(
            f"{len(missing):,} of {len(files):,} images have no mask below {root}: {_some(missing)}."
        )
    shared = sorted(mask for mask, n in Counter(found).items() if n > 1)
    if shared:
        raise VebiError(
            f"Several images have the same mask, because their files have the same stem: "
            f"{_some(shared)}. Put the masks into folders like the images'."
        )
    return found


def check_files(
    root: Path, files: Sequence[str], decoding: Decoding, config: ImageFolderConfig
) -> dict[str, Checked]:
    """Read every file's header (and its mask's), or decode it whole, in several threads."""
    decode = config.verify == "decode"
    masks = [""] * len(files) if config.masks is None else find_masks(root, config.masks, files)

    def check(file: str, mask: str) -> Checked:
        path = root / file
        try:
            n_bytes, height, width = read_header(path, decoding)
            if decode:
                read_pixels(path, decoding)
            if not mask:
                return Checked(n_bytes, height, width)
            mask_bytes, *mask_size = read_header(root / mask, decoding)
            if mask_size != [height, width]:
                sizes = f"{mask_size[1]} x {mask_size[0]}, the image {width} x {height}"
                return Checked(defect=f"its mask {mask} is {sizes} pixels")
            if decode:
                read_mask(root / mask, decoding)
            return Checked(n_bytes, height, width, mask, mask_bytes)
        except UnreadableImage as error:
            where = "" if error.path == path else f"its mask {mask}: "
            return Checked(defect=f"{where}{error.reason}")

    checked: dict[str, Checked] = {}
    progress = tqdm(total=len(files), desc="check", unit="image", disable=None)
    with ThreadPoolExecutor(n_decoders()) as pool, progress:
        for start in range(0, len(files), BLOCK):
            block = files[start : start + BLOCK]
            results = pool.map(check, block, masks[start : start + BLOCK])
            checked.update(zip(block, results, strict=True))
            progress.update(len(block))
    return checked


def require_images(
    listed: Sequence[Listed], class_ids: Sequence[str], splits: Sequence[int] = (TRAIN, TEST)
) -> None:
    """Raise VebiError unless every class has images in each split: to train on, to test with."""
    there = {(item.class_id, item.split) for item in listed}
    for split in splits:
        name = SPLIT_NAMES[split]
        without = [class_id for class_id in class_ids if (class_id, split) not in there]
        if without:
            raise VebiError(
                f"{len(without)} of {len(class_ids)} classes have no {name} images: {_some(without)}. "
                "Add images, or leave these classes out: list the others under `classes`."
            )


def _log_skipped(root: Path, skipped: Mapping[str, str], total: int) -> None:
    for file, reason in sorted(skipped.items()):
        log.warning("left out: %s (%s)", file, reason)
    log.info("left out %d of %d images of %s", len(skipped), total, root)


def _refuse_defects(root: Path, defects: Mapping[str, str]) -> None:
    if not defects:
        return
    listing = "\n".join(f"  - {file} ({reason})" for file, reason in list(defects.items())[:20])
    more = f"\n  ... and {len(defects) - 20:,} more" if len(defects) > 20 else ""
    raise VebiError(
        f"{len(defects):,} images of {root} can't be used:\n{listing}{more}\nReplace them, take them out "
        "of the data set, or set `on_corrupt: skip` to leave out such files."
    )


def _find_file(root: Path, name: str) -> Path:
    """A file that belongs to the data set, or to the project: below the root or the working directory."""
    inside = root / name
    return inside if is_file(inside) else Path(name)


def _some(names: Sequence[str], n: int = 5) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n:,} more" if len(names) > n else "")
