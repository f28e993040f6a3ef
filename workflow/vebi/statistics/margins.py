"""Which differences are too small to matter: one margin for each kind of score, with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Margin:
    """Differences inside (-size, size) are negligible; `reason` says why it is this size."""

    size: float
    reason: str


MARGINS: dict[str, Margin] = {
    "accuracy": Margin(
        0.05,
        "Half a class of ten. An experiment like the works', of one network and one random draw, "
        "cannot show less: a draw has a standard deviation of 0.10 and a network of 0.07 (MNIST).",
    ),
    "iou_area": Margin(
        0.01,
        "One unit of the last digit of Fig. 8, the smallest difference that can be read from it.",
    ),
    "confidence": Margin(
        0.01, "Half of the difference of 2 % that the paper reports in section 4.2."
    ),
    "rank_correlation": Margin(
        0.1,
        "Cohen's (1988) smallest correlation worth a name: it explains one hundredth of the variance.",
    ),
}
