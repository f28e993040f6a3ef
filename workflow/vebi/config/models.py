"""Networks and how they are trained."""

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vebi.catalogue.architectures import ARCHITECTURES, FACTORY, TORCHVISION, Architecture
from vebi.config.base import MOST_CLASSES, BatchSize, Strict, check_plain
from vebi.record import paragraph

# Below that, torchvision's classifiers run out of pixels on the way.
SMALLEST_TORCHVISION = 32
# Pixels go up to 255: divided by more than this, or by less than its inverse, nothing of them is left.
LARGEST_SCALE = 1e6
_ONE_SCALE = {"type": "number", "minimum": 1 / LARGEST_SCALE, "maximum": LARGEST_SCALE}
_SCALE = {"anyOf": [_ONE_SCALE, {"type": "array", "items": _ONE_SCALE}, {"type": "null"}]}


# As torchvision names them; files have a dot or a small letter in their names.
_WEIGHTS_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def is_weights_name(text: str) -> bool:
    """Whether these are weights of torchvision's by name, such as IMAGENET1K_V1, and not a file."""
    return _WEIGHTS_NAME.fullmatch(text) is not None


def _is_scale(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 1 / LARGEST_SCALE <= value <= LARGEST_SCALE


def _is_within(value: Any, ends: tuple[float, float]) -> bool:
    kind = int if isinstance(ends[0], int) else int | float
    return isinstance(value, kind) and not isinstance(value, bool) and ends[0] <= value <= ends[1]


class ModelConfig(Strict):
    """An architecture or a user's own network, and how it is trained."""

    architecture: str | None = Field(
        None,
        description=paragraph("""
            a name of ours (`workflow/vebi/models/nets.py`): `matconvnet`, `an8flower_strided`,
            `an8flower_inferred`, `an8flower_vit`, `vgg_f`, `keras`, `vgg_gap`, `patch_cnn`; or
            `torchvision:NAME`, any of torchvision's classifiers
        """),
    )
    factory: str | None = Field(
        None,
        description=paragraph("""
            instead of `architecture`, a network of your own: `package.module:function` or
            `path/file.py:function`. The function returns an `nn.Module` from float images (N, C, H,
            W) of raw pixels, 0 to 255, to scores (N, classes)
        """),
    )
    kwargs: dict[str, Any] = Field(
        {}, description="arguments of your function, or of torchvision's"
    )
    weights: str | None = Field(
        None,
        min_length=1,
        description=paragraph("""
            what to start from, here or below `$VEBI_DATA`: a state dict
            (`torch.save(net.state_dict(), path)`), a `model.pt` of a run, or a `.mat` of
            MatConvNet. For `torchvision:NAME` also its own weights by name, such as
            `IMAGENET1K_V1`, with their pixels' mean and scale: looked for in `$VEBI_DATA/weights`,
            `$VEBI_DATA` and torch's cache, else downloaded with a progress bar, and verified
        """),
    )
    epochs: int = Field(
        ge=0, le=10_000, description="0: take the network as given, by `weights` or `factory`"
    )
    batch_size: BatchSize = Field(32, ge=1, le=65_536, description="images at a time in training")
    optimiser: Literal["sgd", "adam", "rmsprop"] = "sgd"
    # Weights start below 1, so a step that is larger ends any training; so does a decay of all of them.
    learning_rate: float = Field(0.001, gt=0, le=100, description="of the first epoch")
    final_learning_rate_factor: float = Field(
        1.0,
        gt=0,
        le=1,
        description="the last epoch's rate over the first's; exponential in between",
    )
    backbone_rate_factor: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fine-tuning: all layers but the last learn at this part of the rate",
    )
    freeze_up_to: str | None = Field(
        None,
        min_length=1,
        description="fine-tuning: this layer and all before it keep their weights",
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd")
    weight_decay: float = Field(0.0, ge=0, le=100)
    init_std: float | None = Field(
        None,
        gt=0,
        le=100,
        description=paragraph("""
            standard deviation of the first weights; null: He initialisation for ours, torchvision's
            and your own for the others
        """),
    )
    mean: list[Annotated[float, Field(ge=0, le=255)]] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description=paragraph("""
            per channel, subtracted from the raw pixels. Null: the mean image of the training split
            for ours, ImageNet's colour for torchvision's, nothing for yours; weights that have a
            mean bring it
        """),
    )
    scale: Any = Field(
        None,
        description=paragraph("""
            pixels minus the mean are divided by it, all or per channel. Null: 64 for ours,
            ImageNet's deviations for torchvision's, 1 for yours and MatConvNet's
        """),
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description=paragraph("""
            of the products in training passes. `bfloat16` (with images in channels-last order)
            takes less than half of the time where the processor has it; weights and optimiser stay
            float32, and so does the test accuracy in `training.csv`. It trains another network
            (`float32`)
        """),
    )
    n_classes: int | None = Field(
        None, ge=2, le=MOST_CLASSES, description="null: the data set's; another number is an error"
    )

    @property
    def network(self) -> str:
        """The network as one text, as in vebi.models.nets.NetSpec."""
        return self.architecture or f"{FACTORY}{self.factory}"

    @property
    def own(self) -> Architecture | None:
        """The record of an architecture of ours; None for torchvision's and a user's own."""
        return ARCHITECTURES.get(self.architecture or "")

    @field_validator("architecture")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is None or value in ARCHITECTURES:
            return value
        if re.fullmatch(rf"{TORCHVISION}\w+", value):
            return value
        known = [*ARCHITECTURES, f"{TORCHVISION}NAME"]
        close = difflib.get_close_matches(value, known, 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise ValueError(
            f"'{value}' is unknown; allowed: {', '.join(known)}{hint} "
            "(a network of your own: factory instead of architecture)"
        )

    @field_validator("factory")
    @classmethod
    def _is_function(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(.+\.py|\w+(\.\w+)*):[^\W\d]\w*", value):
            raise ValueError(
                f"'{value}' is not of the form package.module:function or path/file.py:function"
            )
        return value

    @field_validator("kwargs")
    @classmethod
    def _are_plain(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key, value in values.items():
            check_plain(key, value)
        return values

    @field_validator("scale")
    @classmethod
    def _is_positive(cls, value: Any) -> Any:
        parts = value if isinstance(value, list) and value else [value]
        if value is not None and not all(_is_scale(part) for part in parts):
            hint = " (YAML needs 1.0e-3, not 1e-3)" if isinstance(value, str) else ""
            raise ValueError(
                f"{value!r} is not allowed; a number above 0, from {1 / LARGEST_SCALE:g} to "
                f"{LARGEST_SCALE:g}, is expected, or a list{hint}"
            )
        return value

    @field_validator("epochs")
    @classmethod
    def _has_something_to_use(cls, value: int, info: ValidationInfo) -> int:
        given = info.data.get("weights") or info.data.get("factory")
        if value == 0 and not given:
            raise ValueError(
                "0 uses a network as given, which needs weights or factory; allowed here: 1 or more"
            )
        return value

    @model_validator(mode="after")
    def _check(self) -> "ModelConfig":
        problems = []
        if (self.architecture is None) == (self.factory is None):
            both = "both are" if self.architecture else "neither is"
            problems.append(f"architecture or factory must be given; {both}")
        own = self.own
        if own is not None:
            allowed = own.kwargs
            for key, value in self.kwargs.items():
                if key not in allowed:
                    some = ", ".join(allowed) or "none"
                    problems.append(
                        f"kwargs: architecture '{self.architecture}' takes {some}, not {key}"
                    )
                elif not _is_within(value, allowed[key]):
                    low, high = allowed[key]
                    problems.append(f"kwargs.{key}: is {value!r}; allowed: {low} to {high}")
        if (self.weights or "").endswith(".mat"):
            if self.scale not in (None, 1):
                problems.append(f"scale: is {self.scale}, but MatConvNet's networks divide by 1")
            if own is None or own.shape is None:
                fitting = [name for name, one in ARCHITECTURES.items() if one.shape is not None]
                problems.append(
                    f"weights: '{self.weights}' is a file of MatConvNet, which fits the architectures "
                    f"{', '.join(fitting)} only"
                )
        if is_weights_name(self.weights or ""):
            problems += self._problems_with_named_weights()
        if self.freeze_up_to and not (self.weights or self.factory):
            problems.append("freeze_up_to: without weights the frozen layers would stay random")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def fits_channels(self, n: int, channels: int) -> bool:
        """Whether `mean` or `scale` may have `n` numbers; grey becomes colour in torchvision's."""
        colour = (self.architecture or "").startswith(TORCHVISION)
        return n in (1, channels) or (colour and n == 3)

    def _problems_with_named_weights(self) -> list[str]:
        if not (self.architecture or "").startswith(TORCHVISION):
            return [
                f"weights: '{self.weights}' are weights of torchvision's by name, for an architecture "
                f"{TORCHVISION}NAME only; a file has a dot or a small letter in its name"
            ]
        return [
            f"{key}: leave it out, '{self.weights}' say how they were trained"
            for key in ("mean", "scale")
            if getattr(self, key) is not None
        ]

    def problem_with(self, shape: tuple[int, int, int]) -> str:
        """Why the network can't take images of a shape (height, width, channels); "" if it can."""
        own = self.own
        if own is not None:
            if own.shape is not None and shape != own.shape:
                return f"architecture '{own.name}' takes {own.shape}"
            if own.shape is None and min(shape[:2]) < own.smallest:
                size = own.smallest
                return f"architecture '{own.name}' takes ({size} or more, {size} or more, any)"
        elif self.architecture and (
            min(shape[:2]) < SMALLEST_TORCHVISION or shape[2] not in (1, 3)
        ):
            size = SMALLEST_TORCHVISION
            return f"'{self.architecture}' takes ({size} or more, {size} or more, 1 or 3)"
        return ""

    def settings(self) -> dict[str, Any]:
        """What a trained network depends on, as plain values; `network` says which one it is."""
        content = self.model_dump(exclude={"architecture", "factory", "n_classes"})
        for key in ("mean", "scale"):
            if isinstance(content[key], list):
                content[key] = tuple(content[key])
        return {"network": self.network, **content}
