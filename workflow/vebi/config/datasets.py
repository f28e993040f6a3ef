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

# Their files are numbered by four digits.
MOST_CHUNKS = 10_000
# A fold is the test split: with more of them it would be less than a thousandth of the images.
MOST_FOLDS = 1000
# Arguments of torchvision's sets that the pipeline gives them.
_OURS = frozenset({"root", "download", "transform", "target_transform", "transforms", "loader"})


class _DatasetSection(Strict):
    """What every kind of data set has."""

    loader: ClassVar[str] = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        raise NotImplementedError

    @property
    def decoding(self) -> dict[str, Any]:
        """Arguments of `vebi.data.decoding.Decoding`, for an image file to become like these images."""
        return {"size": self.shape[0], "channels": self.shape[2]}


def _too_small(first_size: int, size: int) -> str:
    return f"first_size is {first_size}, from which no {size} x {size} can be cut"


class An8FlowerConfig(_DatasetSection):
    """A rendered flower data set with exact masks."""

    # Without a loader: rules of its own render it in chunks, in an environment of its own.

    has_masks: ClassVar[bool] = True
    kind: Literal["an8flower"]
    flower_set: Literal[
        "single-6c",
        "double-12c",
        "double-12c-distractors",
        "double-12c-swap",
        "shape-6c",
        "pair-6c",
    ]
    images: int = Field(
        ge=12,
        le=MOST_IMAGES,
        description="number of images, a multiple of the number of classes",
    )
    size: int = Field(112, ge=16, le=1024, description="height and width in pixels")
    samples: int = Field(6, ge=1, le=1024, description="Cycles samples per pixel")
    views_per_base: int = Field(
        5, ge=1, le=MOST_IMAGES, description="images of one class that share a base scene"
    )
    images_per_chunk: int = Field(
        150, ge=1, le=MOST_IMAGES, description="images that one rendering job makes"
    )
    folds: int = Field(
        5, ge=2, le=MOST_FOLDS, description="number of folds that base scenes are dealt to"
    )
    fold: int = Field(0, ge=0, le=MOST_FOLDS, description="the fold that is the test split")

    @property
    def n_classes(self) -> int:
        # Every set's name says it, as the paper's names do.
        return 12 if "-12c" in self.flower_set else 6

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
                f"images is {self.images}, which is no multiple of the {self.n_classes} classes "
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

    has_masks: ClassVar[bool] = False
    has_distractors: ClassVar[bool] = False
    loader: ClassVar[str] = "vebi.data.digits:write"
    kind: Literal["digits"]
    size: int = Field(28, ge=8, le=256, description="height and width in pixels")

    @property
    def n_classes(self) -> int:
        return 10

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)


class MnistConfig(_DatasetSection):
    """MNIST's 70,000 digits, from $VEBI_DATA/mnist or downloaded."""

    has_masks: ClassVar[bool] = False
    has_distractors: ClassVar[bool] = False
    loader: ClassVar[str] = "vebi.data.mnist:write"
    kind: Literal["mnist"]
    train_images: int | None = Field(
        None, ge=10, le=60_000, description="as evenly over the classes as they allow; null: all"
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

    has_distractors: ClassVar[bool] = False
    loader: ClassVar[str] = "vebi.data.image_folder:write"
    kind: Literal["image_folder"]
    path: str = Field(min_length=1, description="the folder; relative: below $VEBI_DATA, or here")
    layout: Literal["split_folders", "class_folders", "imagenet", "csv"]
    train: str = Field("train", min_length=1, description="folder (csv: split) to train on")
    test: str | None = Field(
        None, min_length=1, description="folder (csv: split) to test on; null: val (csv: test)"
    )
    ground_truth: str = Field(
        "ILSVRC2012_devkit_t12", min_length=1, description="classes of flat validation images"
    )
    table: str = Field("labels.csv", min_length=1, description="CSV with path, label, split")
    ignore_other_splits: bool = False
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="of each class, where no split is given"
    )
    classes: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None, min_length=2, description="classes to take, in label order; null: all, sorted"
    )
    n_classes: int = Field(ge=2, le=MOST_CLASSES, description="how many; not needed beside classes")
    class_names: str | None = Field(None, min_length=1, description="file with readable names")
    all_classes: str | None = Field(
        None,
        min_length=1,
        description="file with all classes of a network's outputs; those without images stay",
    )
    train_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="most images per class, drawn by seed"
    )
    test_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="most images per class, drawn by seed"
    )
    seed: Seed = Field(0, description="of the split and of the limits")
    size: int = Field(224, ge=8, le=2048, description="height and width in pixels")
    channels: Literal[1, 3] = 3
    resize: Literal["squash", "crop"] = "squash"
    first_size: int | None = Field(
        None, ge=8, le=4096, description="squash: resize to this before; crop: the shorter side"
    )
    masks: str | None = Field(None, min_length=1, description="folder of PNG masks")
    on_corrupt: Literal["error", "skip"] = "error"
    verify: Literal["header", "decode"] = "header"
    max_megapixels: float = Field(80.0, gt=0, le=178, description="larger files count as corrupt")
    if_missing: Literal["error", "leave_out"] = "error"

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
                problems.append(f"classes: '{twice[0]}' stands there twice")
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

    has_masks: ClassVar[bool] = False
    has_distractors: ClassVar[bool] = False
    loader: ClassVar[str] = "vebi.data.torchvision_set:write"
    kind: Literal["torchvision"]
    name: str = Field(pattern=r"^[A-Za-z]\w*$", description="a class of torchvision.datasets")
    kwargs: dict[str, Any] = Field({}, description="its arguments: plain values, lists")
    train: dict[str, Any] | None = Field(
        None, description="arguments that give the training images; null: worked out, or drawn"
    )
    test: dict[str, Any] | None = Field(None, description="likewise, the test images")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="of each class, where the set has no splits"
    )
    n_classes: int = Field(ge=2, le=MOST_CLASSES, description="how many the set has")
    train_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="most images per class, drawn by seed"
    )
    test_per_class: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="most images per class, drawn by seed"
    )
    seed: Seed = Field(0, description="of the split and of the limits")
    size: int = Field(224, ge=8, le=2048, description="height and width in pixels")
    channels: Literal[1, 3] = 3
    resize: Literal["squash", "crop"] = "squash"
    first_size: int | None = Field(
        None, ge=8, le=4096, description="squash: resize to this before; crop: the shorter side"
    )
    instead_of: Name | None = Field(
        None, description="used only where this image folder of `datasets` is not here"
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
