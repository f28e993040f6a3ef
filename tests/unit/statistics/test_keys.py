"""Keys of draws: no two purposes, and no two draws of one, share a stream."""

import itertools
import struct

import numpy as np
import pytest

from vebi.io.errors import VebiError
from vebi.statistics import draw_key


def first(key) -> float:
    return float(np.random.default_rng(key).random())


def test_numpys_own_keys_collide():
    """The reason for `draw_key`: zeros at the end and numbers above 32 bits are lost."""
    assert first([3, 4]) == first([3, 4, 0]) == first([3, 4, 0, 0])
    assert first([2**32]) == first([0, 1])
    assert first(list(draw_key("a", 3, 4))) != first(list(draw_key("a", 3, 4, 0)))
    assert first(list(draw_key("a", 2**32))) != first(list(draw_key("a", 0, 1)))


def test_no_two_keys_are_alike():
    purposes = (
        "ablation: random",
        "ablation: random, layer-matched",
        "robustness: random",
        "ablation",
        "a",
    )
    numbers = [
        n for size in range(4) for n in itertools.product((0, 1, 2, 11, 2**32, 2**64), repeat=size)
    ]
    keys = [draw_key(p, *n) for p in purposes for n in numbers]
    assert len(set(keys)) == len(keys) == len(purposes) * len(numbers)
    streams = {first(key) for key in keys}
    assert len(streams) == len(keys)


def test_text_and_numbers_do_not_run_into_each_other():
    assert draw_key("draw 1", 2) != draw_key("draw", 1, 2)
    assert draw_key("a", 12) != draw_key("a", 1, 2)
    assert draw_key('a", 1', 2) != draw_key("a", 1, 2)


def test_a_key_is_the_same_on_every_machine_and_for_every_kind_of_whole_number():
    assert draw_key("ablation: random", 7, 1) == draw_key(
        "ablation: random", np.int64(7), np.uint8(1)
    )
    assert all(0 <= word < 2**32 for word in draw_key("x"))
    # printf '["ablation: random", 7, 1]' | b2sum -l 128
    digest = bytes.fromhex("f221d74e797edf582244e2412069f82f")
    assert draw_key("ablation: random", 7, 1) == struct.unpack("<4I", digest)


def test_a_key_needs_a_purpose_and_whole_numbers():
    with pytest.raises(VebiError, match="purpose"):
        draw_key(" ", 1)
    with pytest.raises(VebiError, match=r"0\.5.*whole"):
        draw_key("a", 0.5)
