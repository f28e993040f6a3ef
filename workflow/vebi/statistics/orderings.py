"""What an interval alone says of a difference and of a printed number, in the words of the tables."""

from typing import Literal, get_args

Ordering = Literal["holds", "undecided", "reversed"]
ORDERINGS: tuple[Ordering, ...] = get_args(Ordering)

Agreement = Literal["agrees", "undecided", "ours is larger", "ours is smaller"]
# An interval wider than this share of the printed number holds almost anything.
WIDEST = 0.5


def judge_difference(low: float, high: float) -> Ordering:
    """Whether a difference that should be positive is, by its 95 % interval from `low` to `high`.

    Returns:
        "holds" if the interval lies above zero, "reversed" if below, else "undecided"; so is one whose
        ends are NaN.
    """
    if low > 0:
        return "holds"
    return "reversed" if high < 0 else "undecided"


def judge_published(published: float, low: float, high: float, rounding: float = 0.0) -> Agreement:
    """Whether our 95 % interval from `low` to `high` holds a printed number.

    Args:
        published: the printed number.
        low: lower end of the interval.
        high: upper end.
        rounding: half a unit of the number's last printed digit; it may be off by that much.

    Returns:
        "ours is larger" or "ours is smaller" if it lies outside; inside, "agrees", or "undecided" where
        the interval is wider than half of the printed number.
    """
    if published > high + rounding:
        return "ours is smaller"
    if published < low - rounding:
        return "ours is larger"
    return "undecided" if high - low > WIDEST * abs(published) else "agrees"
