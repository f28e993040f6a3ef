"""Keys of random draws, so that no two draws of different purpose share a stream."""

import hashlib
import json
import operator
from typing import SupportsIndex

from vebi.io.errors import VebiError

_WORDS = 4


def draw_key(purpose: str, *numbers: SupportsIndex) -> tuple[int, ...]:
    """A key for `numpy.random.default_rng`: 128 bits that name what a draw is for.

    Numbers alone are not enough. `default_rng([a, b])` and `default_rng([a, b, 0])` are one stream,
    as are `[2**32]` and `[0, 1]`, because numpy pads short keys with zeros and cuts long numbers
    into words; and two studies that both count seed, scope and repeat meet in one stream. The key
    is a digest of the purpose and of the numbers with their count, so two keys agree by chance in
    about one of 2^64 pairs of runs.

    Args:
        purpose: what is drawn, such as "ablation: random"; unique in the repository.
        numbers: which draw of that purpose it is: seed, place in a list, repeat; whole numbers of
            any size.

    Returns:
        Four whole numbers below 2^32.

    Raises:
        VebiError: for an empty purpose, or a number that is not whole.
    """
    if not purpose.strip():
        raise VebiError(
            "A draw's key needs a purpose in words, such as 'ablation: random'; it is empty."
        )
    try:
        whole = [operator.index(number) for number in numbers]
    except TypeError as error:
        raise VebiError(
            f"The numbers of the draw '{purpose}' are {numbers}; all must be whole numbers."
        ) from error
    text = json.dumps([purpose, *whole])
    digest = hashlib.blake2b(text.encode(), digest_size=4 * _WORDS).digest()
    return tuple(int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(_WORDS))
