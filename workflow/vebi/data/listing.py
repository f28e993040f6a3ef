"""Which image files belong to a data set, with their classes and splits: folders, CSV, ImageNet.

Every function here reads names and small text files only, never an image.
"""

import csv
import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from vebi.data.dataset import TEST, TRAIN
from vebi.data.decoding import SUFFIXES
from vebi.data.roots import check_inside, is_file, is_folder
from vebi.io.errors import VebiError
from vebi.io.matlab import load_mat

# ILSVRC2012_val_00000001.JPEG: the number is the line of the ground truth.
NUMBERED = re.compile(r"_(\d{8})\.[^.]+$")
WNID = re.compile(r"n\d{8}")


class Listed(NamedTuple):
    """One image: its path below the root with /, its class, its split (None: still to be drawn)."""

    file: str
    class_id: str
    split: int | None


def list_split_folders(root: Path, train: str, test: str) -> list[Listed]:
    """A folder per split, in it a folder per class: train/n01440764/n01440764_10026.JPEG."""
    return [
        *_list_classes(root, train, TRAIN),
        *_list_classes(root, test, TEST),
    ]


def list_class_folders(root: Path) -> list[Listed]:
    """A folder per class; splits are drawn later."""
    return _list_classes(root, "", None)


def leave_out_folder(listed: Sequence[Listed], folder: str) -> list[Listed]:
    """The images that don't lie in a folder (below the root, in any spelling), such as the masks'."""
    prefix = posixpath.normpath(folder) + "/"
    return [item for item in listed if not item.file.startswith(prefix)]


def list_imagenet(root: Path, train: str, test: str, ground_truth: str) -> list[Listed]:
    """ILSVRC'12 as it is handed out: training images by class, validation images in one folder.

    `ground_truth` is what `read_ground_truth` reads. Where the validation folder has a folder per
    class (many copies do), those decide and no ground truth is needed.
    """
    folder = _subfolder(root, test)
    flat = [name for name in _names_in(folder) if _is_image(name)]
    if not flat:
        return list_split_folders(root, train, test)
    class_of = read_ground_truth(root / ground_truth)
    unknown = [name for name in flat if class_of(name) is None]
    if unknown:
        raise VebiError(
            f"{root / ground_truth} says nothing about {len(unknown):,} of the {len(flat):,} images in "
            f"{folder}, such as {unknown[0]}. Give the key `ground_truth` the right devkit or CSV."
        )
    return [
        *_list_classes(root, train, TRAIN),
        *(Listed(_join(test, name), str(class_of(name)), TEST) for name in flat),
    ]


def list_csv(
    root: Path, table: str, train: str, test: str, ignore_other_splits: bool = False
) -> list[Listed]:
    """A CSV with the columns `path`, `label` and (not needed) `split`, in any order, and others.

    `train` and `test` are what is in `split`, in capitals or not.
    """
    path = root / table
    splits = {train.casefold(): TRAIN, test.casefold(): TEST}
    listed = []
    others: dict[str, int] = {}
    for line, row in read_rows(path, ("path", "label"), ("split",)):
        where = f"{path}, line {line}"
        if not row["label"]:
            raise VebiError(f"{where}: the label is empty. Every image needs a class.")
        split = None
        if "split" in row:
            split = splits.get(row["split"].casefold())
            if split is None:
                others.setdefault(row["split"], line)
                continue
        listed.append(Listed(check_inside(row["path"], where), row["label"], split))
    if others and not ignore_other_splits:
        shown = ", ".join(f"'{name}' (line {line})" for name, line in list(others.items())[:5])
        raise VebiError(
            f"{path}: the column split has {shown}; known are '{train}' (train) and '{test}' (test). "
            "Set the keys `train` and `test` to the names that you use, or leave images of other "
            "splits out with `ignore_other_splits: true`."
        )
    return listed


def read_rows(
    path: Path, needed: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV (UTF-8, with a header) as (line, {column: value}), only the columns asked for.

    Values are stripped of spaces around them; empty lines are ignored.

    Raises:
        VebiError: no such file, another encoding, broken quotes, a missing or doubled column, a row
            with more or fewer values than the header.
    """
    try:
        with _readable(path), path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in needed if name not in header]
            if missing:
                raise VebiError(
                    f"{path} has no column {' and no column '.join(missing)}; its first line is "
                    f"'{','.join(header)[:200]}'. Expected: {', '.join([*needed, *optional])}."
                )
            wanted = [name for name in (*needed, *optional) if name in header]
            double = [name for name in wanted if header.count(name) > 1]
            if double:
                raise VebiError(f"{path} has the column {double[0]} twice. Rename one of them.")
            places = {name: header.index(name) for name in wanted}
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise VebiError(
                        f"{path}, line {reader.line_num}: {len(cells)} values, but {len(header)} "
                        "columns. A value that holds a comma needs quotes around it."
                    )
                yield reader.line_num, {name: cells[i].strip() for name, i in places.items()}
    except csv.Error as error:
        raise VebiError(f"{path}, line {reader.line_num}: broken CSV ({error}).") from error


def read_ground_truth(path: Path) -> Callable[[str], str | None]:
    """Which class an ILSVRC'12 validation image has: a function from file name to wnid, or None.

    `path` is one of
    - the devkit's folder (ILSVRC2012_devkit_t12): line i of ILSVRC2012_validation_ground_truth.txt
      is the ILSVRC2012_ID of image number i, and meta.mat says which wnid has that ID;
    - a text file whose line i is the wnid of image number i;
    - LOC_val_solution.csv (ImageId, PredictionString: a wnid and its box, again and again);
    - a CSV with the columns `path` and `label`.
    """
    if path.is_dir():
        data = path / "data" if (path / "data").is_dir() else path
        wnids = {number: wnid for number, (wnid, _) in read_meta(data / "meta.mat").items()}
        return _by_number(data / "ILSVRC2012_validation_ground_truth.txt", wnids)
    if path.suffix.lower() == ".txt":
        return _by_number(path, None)
    kaggle = _first_line(path).replace(" ", "").startswith("ImageId,")
    columns = ("ImageId", "PredictionString") if kaggle else ("path", "label")
    names: dict[str, str] = {}
    for line, row in read_rows(path, columns):
        name, label = (row[column] for column in columns)
        stem = posixpath.splitext(posixpath.basename(name))[0]
        if not label:
            raise VebiError(f"{path}, line {line}: '{name}' has no class.")
        class_id = label.split()[0] if kaggle else label
        first = names.setdefault(stem, class_id)
        if first != class_id:
            raise VebiError(
                f"{path}, line {line}: '{name}' has the class '{class_id}', but a line before gives "
                f"'{stem}' the class '{first}'. Give each image one class; its folder and suffix "
                "don't tell images apart."
            )
    return lambda name: names.get(posixpath.splitext(name)[0])


def read_meta(path: Path) -> dict[int, tuple[str, str]]:
    """The devkit's meta.mat: (wnid, synonyms) by ILSVRC2012_ID, for the 1,000 classes.

    The table also has the classes' ancestors; classes are the synsets without children in it.
    """
    if not path.is_file():
        raise VebiError(
            f"{path} is not there. Unpack ILSVRC2012_devkit_t12.tar.gz there, or give the keys "
            "`ground_truth` and `class_names` other files (config/README.md)."
        )
    try:
        synsets = load_mat(path, squeeze_me=True, variable_names=["synsets"])["synsets"]
        rows = np.atleast_1d(synsets)
        return {
            int(row["ILSVRC2012_ID"]): (str(row["WNID"]), str(row["words"]))
            for row in rows
            if int(row["num_children"]) == 0
        }
    # A file that is not such a table fails anywhere in the reader or here.
    except Exception as error:
        raise VebiError(
            f"{path} is not the devkit's table of synsets ({str(error)[:200]}). Unpack "
            "ILSVRC2012_devkit_t12.tar.gz again."
        ) from error


def read_class_names(path: Path) -> dict[str, str]:
    """Readable names by class: a CSV with the columns id and name, the devkit's meta.mat, or lines
    `n01440764 tench, Tinca tinca` (synset_words.txt, LOC_synset_mapping.txt), of which the first
    synonym is taken."""
    if path.suffix.lower() == ".mat":
        pairs = [(wnid, _first_synonym(words)) for wnid, words in read_meta(path).values()]
    elif path.suffix.lower() == ".txt":
        pairs = []
        for number, line in enumerate(_read_lines(path), 1):
            wnid, _, words = line.strip().partition(" ")
            if not words.strip():
                raise VebiError(f"{path}, line {number}: expected a class and its name.")
            pairs.append((wnid, _first_synonym(words)))
    else:
        pairs = [(row["id"], row["name"]) for _, row in read_rows(path, ("id", "name"))]
    names: dict[str, str] = {}
    for class_id, name in pairs:
        if not name:
            raise VebiError(f"{path}: class '{class_id}' has an empty name.")
        if names.setdefault(class_id, name) != name:
            raise VebiError(f"{path}: class '{class_id}' has two names.")
    return names


def name_classes(class_ids: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The classes' readable names; where two classes share one, with their ids behind it.

    ImageNet has two cranes, a bird and a machine.
    """
    missing = [class_id for class_id in class_ids if class_id not in names]
    if missing:
        raise VebiError(
            f"class_names has no name for {len(missing)} of {len(class_ids)} classes, such as "
            f"'{missing[0]}'."
        )
    chosen = [names[class_id] for class_id in class_ids]
    return [
        f"{name} ({class_id})" if chosen.count(name) > 1 else name
        for class_id, name in zip(class_ids, chosen, strict=True)
    ]


def _first_synonym(words: str) -> str:
    return words.split(",")[0].strip()


def _by_number(path: Path, wnids: Mapping[int, str] | None) -> Callable[[str], str | None]:
    lines = [line.strip() for line in _read_lines(path)]
    if wnids is None:
        bad = [i for i, line in enumerate(lines, 1) if not WNID.fullmatch(line)]
        classes = lines
        expected = "a wnid such as n01440764 (the devkit's numbers need meta.mat: name its folder)"
    else:
        found = [wnids.get(int(line)) if line.isdecimal() else None for line in lines]
        bad = [i for i, wnid in enumerate(found, 1) if wnid is None]
        classes = [wnid or "" for wnid in found]
        expected = "the number of a class in meta.mat"
    if bad:
        raise VebiError(f"{path}, line {bad[0]}: '{lines[bad[0] - 1][:60]}', expected {expected}.")

    def class_of(name: str) -> str | None:
        match = NUMBERED.search(name)
        number = int(match[1]) if match else 0
        return classes[number - 1] if 1 <= number <= len(classes) else None

    return class_of


def _read_lines(path: Path) -> list[str]:
    with _readable(path):
        return path.read_text(encoding="utf-8-sig").splitlines()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in one sentence what is wrong with a file that can't be read, or is not UTF-8."""
    try:
        yield
    except OSError as error:
        raise VebiError(
            f"{path} can't be read ({error.strerror or error}). Put the file there, or name another one."
        ) from error
    except UnicodeDecodeError as error:
        raise VebiError(f"{path} is not in UTF-8 ({error.reason}). Save it as UTF-8.") from error


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.readline(1000).decode("utf-8-sig", "replace")
    except OSError as error:
        raise VebiError(
            f"{path} can't be read ({error.strerror or error}). Give the key `ground_truth` the devkit's "
            "folder, a text file or a CSV."
        ) from error


def _list_classes(root: Path, folder: str, split: int | None) -> list[Listed]:
    """Images of every class folder of a folder, at any depth, in the order of their names.

    Linked folders are followed, those of the classes and those in them.
    """
    listed = []
    place = _subfolder(root, folder)
    for class_id in _names_in(place):
        if class_id.startswith(".") or not is_folder(place / class_id):
            continue
        start = str(place / class_id)
        seen: dict[tuple[int, int], str] = {}
        # By itself os.walk passes over what it can't read, and over links.
        for directory, folders, names in os.walk(start, onerror=_refuse, followlinks=True):
            _refuse_second_visit(directory, seen)
            _refuse_dead_links(directory, names)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            inner = os.path.relpath(directory, start).replace(os.sep, "/")
            prefix = _join(folder, class_id) if inner == "." else _join(folder, class_id, inner)
            listed += [
                Listed(f"{prefix}/{name}", class_id, split)
                for name in sorted(names)
                if _is_image(name)
            ]
    if not listed:
        raise VebiError(
            f"{place} has no folder with images in it. Expected a folder per class, and in it files "
            f"such as {', '.join(sorted(SUFFIXES))}; other layouts: see `layout` in config/README.md."
        )
    return listed


def _refuse_second_visit(directory: str, seen: dict[tuple[int, int], str]) -> None:
    """Note a folder; VebiError if links led to it before: its images would count twice, or for ever."""
    try:
        found = Path(directory).stat()
    except OSError as error:
        _refuse(error)
    first = seen.setdefault((found.st_dev, found.st_ino), directory)
    if first != directory:
        raise VebiError(
            f"{directory} is the same folder as {first}, by a link. Each image counts once: remove one "
            "of the two."
        )


def _refuse_dead_links(directory: str, names: Sequence[str]) -> None:
    """VebiError for a link to nothing: it may stand for images on a disk that is not mounted."""
    # Links named like images are listed, and named when they are read.
    others = (name for name in names if not name.startswith(".") and not _is_image(name))
    for path in (Path(directory, name) for name in others):
        if path.is_symlink() and not is_file(path) and not is_folder(path):
            raise VebiError(
                f"{path} is a link to {path.readlink()}, which is not there or can't be read. If it is a "
                "folder of images, put it back; otherwise remove the link."
            )


def _subfolder(root: Path, folder: str) -> Path:
    place = root / folder if folder else root
    if not is_folder(place):
        there = [name for name in _names_in(root) if is_folder(root / name)][:10]
        raise VebiError(
            f"{place} is not there. {root} has the folders {', '.join(there) or '(none)'}: set the keys "
            "`train` and `test`, or another `layout`."
        )
    return place


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        return _refuse(error)


def _refuse(error: OSError) -> NoReturn:
    raise VebiError(
        f"{error.filename} can't be read ({error.strerror}). Make it readable, or move it away."
    ) from error


def _join(*parts: str) -> str:
    return posixpath.normpath("/".join(part for part in parts if part))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and posixpath.splitext(name)[1].lower() in SUFFIXES
