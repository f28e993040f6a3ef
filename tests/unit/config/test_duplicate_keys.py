import pytest

from vebi.config.files import check_keys_once
from vebi.io.errors import VebiError


def test_a_key_that_stands_twice_is_named_with_its_lines(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "run: a\nmodels:\n  net: {epochs: 1, batch_size: 2, epochs: 3}\n  other: {}\nrun: b\n"
        "list:\n  - {a: 1}\n  - a: 1\n    b: 2\n    a: 3\n"
    )
    (tmp_path / "y.yaml").write_text("seed: 1\n\nseed: 1\n")
    with pytest.raises(VebiError) as caught:
        check_keys_once([path, tmp_path / "y.yaml"])
    said = [
        line.strip(" -").removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()
    ]
    assert sorted(said[1:]) == [
        "x.yaml, line 10: 'a' is already set in line 8",
        "x.yaml, line 3: 'epochs' is already set in line 3",
        "x.yaml, line 5: 'run' is already set in line 1",
        "y.yaml, line 3: 'seed' is already set in line 1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\n",  # merged: what stands here wins, on purpose
        "a: {b: 1}\nc: {b: 1}\n",
        '1: a\n"1": b\n',  # a number and a text
        "",
        "x",
        "[" * 5000,
        "a: [",
        '{"a": 1}',
    ],
)
def test_other_files_are_passed_over(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    check_keys_once([path, tmp_path / "absent.yaml"])


def test_aliases_that_stand_for_billions_are_looked_at_once(tmp_path):
    path = tmp_path / "x.yaml"
    lines = ["a0: &a0 {b: 1, b: 2}"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    path.write_text("\n".join(lines))
    with pytest.raises(VebiError) as caught:
        check_keys_once([path])
    assert len(str(caught.value).splitlines()) == 2
