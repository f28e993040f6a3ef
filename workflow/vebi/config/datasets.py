"""Data sets: one class per `kind`.

Each has `n_classes`, the `shape` (H, W, C) of its images, `has_masks` (whether the region that explains
the class is known) and `loader`: what writes its dataset.h5, as text (`vebi.catalogue.record.resolve`),
a function of the section, the file to write and a folder for downloads. CONTRIBUTING.md says how to
add one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, field_validator, model_validator

from vebi.config.base import MOST_CLASSES, MOST_IMAGES, Name, Seed, Strict, check_plain
from vebi.record import paragraph

# Their files are numbered by four digits.
MOST_CHUNKS = 10_000
# A fold is the test split: with more of them it would be less than a thousandth of the images.
MOST_FOLDS = 1000
# Arguments of torchvision's sets that the pipeline gives them.
_OURS = frozenset({"root", "download", "transform", "target_transform", "transforms", "loader"})

MostPerClass = Annotated[
    int | None,
    Field(
        ge=1,
        le=MOST_IMAGES,
        description=paragraph("""
            upper limit of images per class, drawn by `seed`; a smaller number gives the first of a
            larger one
        """),
    ),
]


class _DatasetSection(Strict):
    """What every kind of data set has."""

    loader: ClassVar[str] = ""

    @property
    def has_masks(self) -> bool:
        """Whether the region that explains an image's class is known."""
        return False

    @property
    def has_distractors(self) -> bool:
        """Whether images hold other objects that look like what explains their class."""
        return False

    @property
    def shape(self) -> tuple[int, int, int]:
        raise NotImplementedError

    @property
    def decoding(self) -> dict[str, Any]:
        """Arguments of `vebi.data.decoding.Decoding`, for an image file to become like these images."""
        return {"size": self.shape[0], "channels": self.shape[2]}


# The works' sets of photographs, by the names that their claims go by.
PUBLISHED = Literal["ilsvrc12", "imagenet-cats", "fashion144k", "inria-person"]


def _stands_for() -> Any:
    return Field(
        None,
        description="the work's data set whose claims these images are compared with, as a stand-in;"
        " a set that has its name needs none",
    )


def _too_small(first_size: int, size: int) -> str:
    return f"first_size is {first_size}, from which no {size} x {size} can be cut"


class An8FlowerConfig(_DatasetSection):
    """A rendered flower data set with exact masks."""

    # Without a loader: rules of its own render it in chunks, in an environment of its own.

    kind: Literal["an8flower"]
    flower_set: Literal[
        "single-6c",
        "double-12c",
        "double-12c-distractors",
        "double-12c-swap",
        "shape-6c",
        "pair-6c",
    ] = Field(
        description=paragraph("""
            `single-6c` (the petals' colour is the class), `double-12c` (colour and the part that
            has it are the class), `double-12c-distractors` (the same, among other things in class
            colours), `double-12c-swap` (the same, but in half of the images the pot is above the
            flower), `shape-6c` (the form of the petals is the class, their colour the same),
            `pair-6c` (two flowers; the petals' colour of the taller is the class)
        """)
    )
    images: int = Field(
        ge=12,
        le=MOST_IMAGES,
        description=paragraph("""
            how many, a multiple of the number of classes. Image i is the same whatever this number
            is
        """),
    )
    size: int = Field(
        112, ge=16, le=1024, description="height and width in pixels; the flower networks take 112"
    )
    samples: int = Field(
        6,
        ge=1,
        le=1024,
        description=paragraph("""
            Cycles samples per pixel; there is no noise to sample away, only edges to smooth
        """),
    )
    views_per_base: int = Field(
        5,
        ge=1,
        le=MOST_IMAGES,
        description=paragraph("""
            images of a class that share a base scene (one plant); base scenes never cross the
            splits
        """),
    )
    images_per_chunk: int = Field(
        150,
        ge=1,
        le=MOST_IMAGES,
        description="images that one rendering job makes; any number gives the same pixels",
    )
    folds: int = Field(
        5, ge=2, le=MOST_FOLDS, description="base scenes are dealt to this number of folds"
    )
    fold: int = Field(0, ge=0, le=MOST_FOLDS, description="the fold that is the test split, from 0")

    @property
    def n_classes(self) -> int:
        # Every set's name says it, as the paper's names do.
        return 12 if "-12c" in self.flower_set else 6

    @property
    def has_masks(self) -> bool:
        return True

    @property
    def has_distractors(self) -> bool:
        return self.flower_set.endswith("-distractors")

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 3)

    @property
    def n_test(self) -> int:
        """Images of the base scenes that lie in the test fold."""
        per_base = self.n_classes * self.views_per_base
        starts = range(self.fold * per_base, self.images, self.folds * per_base)
        return sum(min(per_base, self.images - start) for start in starts)

    @model_validator(mode="after")
    def _check(self) -> "An8FlowerConfig":
        if self.images % self.n_classes:
            raise ValueError(
                f"images is {self.images}, which is not a multiple of the {self.n_classes} classes "
                f"of {self.flower_set}"
            )
        if self.fold >= self.folds:
            raise ValueError(
                f"fold is {self.fold}, but the {self.folds} folds are 0 to {self.folds - 1}"
            )
        chunks = -(-self.images // self.images_per_chunk)
        if chunks > MOST_CHUNKS:
            raise ValueError(
                f"{self.images} images in chunks of {self.images_per_chunk} make {chunks} jobs, more "
                f"than {MOST_CHUNKS}: raise images_per_chunk to {-(-self.images // MOST_CHUNKS)}"
            )
        bases = -(-self.images // (self.n_classes * self.views_per_base))
        if bases < self.folds:
            raise ValueError(
                f"{self.images} images make {bases} base scenes, too few for {self.folds} folds: "
                f"raise images to {self.folds * self.n_classes * self.views_per_base} or lower folds"
            )
        return self


class DigitsConfig(_DatasetSection):
    """scikit-learn's 1,797 handwritten digits, enlarged."""

    loader: ClassVar[str] = "vebi.data.digits:write"
    kind: Literal["digits"]
    size: int = Field(
        28, ge=8, le=256, description="height and width in pixels; MatConvNet's network takes 28"
    )

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)


class MnistConfig(_DatasetSection):
    """MNIST's 70,000 digits, from $VEBI_DATA/mnist or downloaded."""

    loader: ClassVar[str] = "vebi.data.mnist:write"
    kind: Literal["mnist"]
    train_images: int | None = Field(
        None,
        ge=10,
        le=60_000,
        description="how many are used, as evenly over the classes as possible; null: all",
    )
    test_images: int | None = Field(None, ge=10, le=10_000, description="likewise")

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (28, 28, 1)


# Keys of an image folder that only some layouts have a use for.
LAYOUT_KEYS = {
    "train": ("split_folders", "imagenet", "csv"),
    "test": ("split_folders", "imagenet", "csv"),
    "ground_truth": ("imagenet",),
    "table": ("csv",),
    "ignore_other_splits": ("csv",),
    "test_fraction": ("class_folders", "csv"),
}


class ImageFolderConfig(_DatasetSection):
    """Image files on disk, which stay where they are."""

    loader: ClassVar[str] = "vebi.data.image_folder:write"
    kind: Literal["image_folder"]
    path: str = Field(
        min_length=1,
        description=paragraph("""
            the folder: absolute, or relative to `$VEBI_DATA`, or to the working directory, looked
            for in this order
        """),
    )
    layout: Literal["split_folders", "class_folders", "imagenet", "csv"] = Field(
        description="how it is arranged: docs/how-to/image-folders.md"
    )
    train: str = Field(
        "train",
        min_length=1,
        description="folder of the training split; in a CSV its name in the column `split`",
    )
    test: str | None = Field(
        None,
        min_length=1,
        description=paragraph("""
            folder of the test split; in a CSV its name in the column `split`. Null: `val`, in a CSV
            `test`
        """),
    )
    ground_truth: str = Field(
        "ILSVRC2012_devkit_t12",
        min_length=1,
        description=paragraph("""
            the devkit's folder (its numbers become wnids by `meta.mat`), a text file with one wnid
            per image number, Kaggle's CSV, or a CSV with `path,label`. A validation folder that is
            already sorted into classes needs none
        """),
    )
    table: str = Field("labels.csv", min_length=1, description="the CSV, below the folder")
    ignore_other_splits: bool = Field(
        False,
        description="leave out rows of the CSV whose split is neither; else they are an error",
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="of each class becomes the test split, where no split is given"
    )
    classes: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None,
        min_length=2,
        description=paragraph("""
            the classes to take, in label order; null: all, sorted by name (for ILSVRC'12 the order
            of the usual networks' outputs)
        """),
    )
    n_classes: int = Field(
        ge=2,
        le=MOST_CLASSES,
        description=paragraph("""
            how many there are; needed where `classes` is null, so that the network is known before
            the files are
        """),
    )
    class_names: str | None = Field(
        None,
        min_length=1,
        description=paragraph("""
            readable names: a CSV with `id,name`, lines `n01440764 tench, Tinca tinca`, or the
            devkit's `meta.mat`; below the folder, or else in the working directory
        """),
    )
    all_classes: str | None = Field(
        None,
        min_length=1,
        description=paragraph("""
            a file like `class_names` with all classes of a network's outputs, in their order:
            labels count over these, and those without images stay among the classes. So a network
            with 1,000 outputs keeps them all on images of ten classes
            (`workflow/vebi/models/imagenet_classes.csv`), and what it predicts is explained; needs
            `selection.labels: predictions`
        """),
    )
    train_per_class: MostPerClass = None
    test_per_class: MostPerClass = None
    seed: Seed = Field(0, description="of the split and of the limits per class")
    size: int = Field(
        224, ge=8, le=2048, description="height and width that every image gets, in pixels"
    )
    channels: Literal[1, 3] = Field(3, description="1: grey")
    resize: Literal["squash", "crop"] = Field(
        "squash",
        description=paragraph("""
            `squash`: both sides bicubically to `size`, as the paper's authors do. `crop`: the
            shorter side, then the middle, as torchvision does
        """),
    )
    first_size: int | None = Field(
        None,
        ge=8,
        le=4096,
        description=paragraph("""
            squash: to this size first (the authors: 256, then 224); crop: the shorter side (usual:
            256)
        """),
    )
    masks: str | None = Field(
        None,
        min_length=1,
        description=paragraph("""
            folder of PNG masks, `masks/<path of the image>.png` or `masks/<stem>.png`: not zero is
            inside. Then IoU is measured
        """),
    )
    stands_for: PUBLISHED | None = _stands_for()
    on_corrupt: Literal["error", "skip"] = Field(
        "error",
        description=paragraph("""
            `error`: one message that lists the unreadable files. `skip`: leave them out, named in
            the log and in `dataset.h5`. Such a file is empty, truncated, no image, missing, or
            above `max_megapixels`
        """),
    )
    verify: Literal["header", "decode"] = Field(
        "header",
        description=paragraph("""
            `header` reads the first bytes of each file, `decode` all of it. A file that is only
            truncated passes `header`; the job that decodes it later ends with its name
        """),
    )
    max_megapixels: float = Field(80.0, gt=0, le=178, description="larger files count as corrupt")
    if_missing: Literal["error", "leave_out"] = Field(
        "error",
        description=paragraph("""
            no such folder: `error` when the data set is loaded, or `leave_out` its experiments,
            named in a line per experiment when the run starts
        """),
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, self.channels)

    @property
    def has_masks(self) -> bool:
        return self.masks is not None

    @property
    def decoding(self) -> dict[str, Any]:
        return {
            "size": self.size,
            "channels": self.channels,
            "resize": self.resize,
            "first_size": self.first_size,
            "max_pixels": int(self.max_megapixels * 1e6),
        }

    @property
    def test_name(self) -> str:
        """Folder or split name of the test images."""
        return self.test or ("test" if self.layout == "csv" else "val")

    @model_validator(mode="before")
    @classmethod
    def _count_classes(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("classes"), list):
            return {"n_classes": len(values["classes"]), **values}
        return values

    @field_validator("train", "test", "masks")
    @classmethod
    def _is_inside(cls, value: str | None) -> str | None:
        if value is not None and (value.startswith("/") or ".." in value.split("/")):
            raise ValueError(
                f"'{value}' must be a path below the data set's own folder, without '..'"
            )
        return value if value is None else value.rstrip("/")

    @model_validator(mode="after")
    def _check(self) -> "ImageFolderConfig":
        problems = [
            f"{key} has no meaning in layout '{self.layout}'; it belongs to {', '.join(layouts)}"
            for key, layouts in LAYOUT_KEYS.items()
            if key in self.model_fields_set
            and self.layout not in layouts
            and getattr(self, key) != type(self).model_fields[key].default
        ]
        if self.classes is not None:
            twice = [name for name in self.classes if self.classes.count(name) > 1]
            if twice:
                problems.append(f"classes: '{twice[0]}' is listed twice")
            if self.n_classes != len(self.classes):
                problems.append(
                    f"n_classes is {self.n_classes}, but classes lists {len(self.classes)}; leave "
                    "n_classes out"
                )
        if self.all_classes is not None and self.classes is not None:
            problems.append("all_classes and classes exclude each other: give one")
        if self.train.casefold() == self.test_name.casefold():
            problems.append(f"train and test are both '{self.train}'")
        if self.resize == "crop" and self.first_size is not None and self.first_size < self.size:
            problems.append(_too_small(self.first_size, self.size))
        if problems:
            raise ValueError("\n".join(problems))
        return self


class TorchvisionConfig(_DatasetSection):
    """A classification set of torchvision's, by the name of its class there."""

    loader: ClassVar[str] = "vebi.data.torchvision_set:write"
    kind: Literal["torchvision"]
    name: str = Field(pattern=r"^[A-Za-z]\w*$", description="the class in `torchvision.datasets`")
    kwargs: dict[str, Any] = Field({}, description="arguments for it, for both splits")
    train: dict[str, Any] | None = Field(
        None,
        description=paragraph("""
            further arguments that give the training images. Null: `train: true` where the class
            takes that; a draw by `seed`, where it has no splits
        """),
    )
    test: dict[str, Any] | None = Field(None, description="likewise, that give the test images")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="of each class becomes the test split, where the set has none"
    )
    n_classes: int = Field(ge=2, le=MOST_CLASSES, description="how many classes the set has")
    train_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="upper limit of images per class, drawn by `seed`"
    )
    test_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="likewise, of the test split"
    )
    seed: Seed = Field(0, description="of the split and of the limits per class")
    size: int = Field(
        224, ge=8, le=2048, description="height and width that every image gets, in pixels"
    )
    channels: Literal[1, 3] = Field(3, description="1: grey")
    resize: Literal["squash", "crop"] = Field("squash", description="as in an image folder")
    first_size: int | None = Field(None, ge=8, le=4096, description="as in an image folder")
    stands_for: PUBLISHED | None = _stands_for()
    instead_of: Name | None = Field(
        None,
        description=paragraph("""
            an image folder of `datasets` that this set stands in for: its experiments run only
            where the folder is not here
        """),
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, self.channels)

    @property
    def decoding(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in ("size", "channels", "resize", "first_size")}

    @field_validator("kwargs", "train", "test")
    @classmethod
    def _are_plain(cls, values: dict[str, Any] | None) -> dict[str, Any] | None:
        taken = sorted(_OURS & set(values or {}))
        if taken:
            raise ValueError(f"{taken[0]} is not for you to set: files, pixels and labels are ours")
        for key, value in (values or {}).items():
            check_plain(key, value)
        return values

    @model_validator(mode="after")
    def _check(self) -> "TorchvisionConfig":
        problems = []
        if (self.train is None) != (self.test is None):
            problems.append("train and test belong together: give both or neither")
        if self.resize == "crop" and self.first_size is not None and self.first_size < self.size:
            problems.append(_too_small(self.first_size, self.size))
        if problems:
            raise ValueError("\n".join(problems))
        return self


DatasetConfig = Annotated[
    An8FlowerConfig | DigitsConfig | MnistConfig | ImageFolderConfig | TorchvisionConfig,
    Field(discriminator="kind"),
]


def parse_dataset(values: Mapping[str, Any]) -> DatasetConfig:
    """A data set's section from plain values that have been checked before."""
    return _ADAPTER.validate_python(dict(values))


_ADAPTER: TypeAdapter[DatasetConfig] = TypeAdapter(DatasetConfig)
