"""Networks: by name, from a factory or from weights of others; their training and their files."""

from typing import TYPE_CHECKING

from vebi.io.late import late_names

if TYPE_CHECKING:
    from vebi.models.model_file import load_model, save_model
    from vebi.models.nets import NetSpec, build
    from vebi.models.train import TrainingSettings, accuracy
    from vebi.models.weights import apply_weights, read_weights

__all__ = [
    "NetSpec",
    "TrainingSettings",
    "accuracy",
    "apply_weights",
    "build",
    "load_model",
    "read_weights",
    "save_model",
]

__getattr__ = late_names(
    __name__,
    {
        "model_file": ("load_model", "save_model"),
        "nets": ("NetSpec", "build"),
        "train": ("TrainingSettings", "accuracy"),
        "weights": ("apply_weights", "read_weights"),
    },
)
