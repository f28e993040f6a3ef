from pathlib import Path

from vebi.devices import count_gpus_to_ask_for


def test_the_configuration_decides_and_auto_looks_at_the_machine():
    assert count_gpus_to_ask_for("cpu") == 0
    assert count_gpus_to_ask_for("cuda") == 1
    assert count_gpus_to_ask_for("auto") == int(bool(list(Path("/dev").glob("nvidia[0-9]*"))))
