from pathlib import Path

import pytest

from vebi.devices import count_gpus_to_ask_for


def test_the_configuration_decides_and_auto_looks_at_the_machine():
    assert count_gpus_to_ask_for("cpu") == 0
    assert count_gpus_to_ask_for("cuda") == 1
    assert count_gpus_to_ask_for("auto") == int(bool(list(Path("/dev").glob("nvidia[0-9]*"))))


@pytest.mark.parametrize("device", ["cpu", "cuda", "auto"])
def test_who_says_whether_to_ask_is_obeyed(device):
    assert count_gpus_to_ask_for(device, True) == 1
    assert count_gpus_to_ask_for(device, False) == 0
