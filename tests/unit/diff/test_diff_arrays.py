"""HDF5 files and model weights are compared array by array, whatever their size and state."""

import contextlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vebi.diff import Outcome, arrays
from vebi.diff.arrays import compare_arrays
from vebi.diff.folders import compare_files
from vebi.diff.isolated import Worker
from vebi.diff.report import FileResult
from vebi.diff.tolerances import EXACT, Row, Tolerance, Tolerances
from vebi.io.errors import VebiError

CLOSE = Tolerances([Row("*", "X", Tolerance("close", 0.01))])
FLOATS = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(width=64)
)


def write(path: Path, **content) -> Path:
    with h5py.File(path, "w") as file:
        file["X"] = np.arange(12, dtype=np.float32).reshape(3, 4)
        file["group/names"] = ["conv1", "relu1"]
        file["group"].attrs["mu_max"] = 10.0
        for name, value in content.items():
            if name in file:
                del file[name]
            file[name] = value
    return path


def diff(a, b, tolerances=CLOSE, name="x.h5"):
    there = compare_files(name, a, b, tolerances)[0]
    back = compare_files(name, b, a, tolerances)[0]
    assert (there.outcome, there.different, there.moved) == (
        back.outcome,
        back.different,
        back.moved,
    )
    return there


@pytest.fixture
def pair(tmp_path):
    return write(tmp_path / "a.h5"), write(tmp_path / "b.h5")


@given(a=FLOATS, b=st.data(), block=st.sampled_from([1, 2, 5, 1 << 20]))
@settings(max_examples=150)
def test_arrays_against_a_plain_loop(
    a,
    b,
    block,
):
    other = b.draw(hnp.arrays(np.float64, a.shape, elements=st.floats(width=64)))
    tolerance = Tolerance("close", 0.5, 0.1)
    original, arrays.BLOCK_ELEMENTS = arrays.BLOCK_ELEMENTS, block
    try:
        result = FileResult("x", "hdf5")
        compare_arrays(result, "X", a, other, tolerance)
        same = FileResult("x", "hdf5")
        compare_arrays(same, "X", a, a.copy(), EXACT)
    finally:
        arrays.BLOCK_ELEMENTS = original
    expected = 0
    for x, y in zip(a.ravel().tolist(), other.ravel().tolist(), strict=True):
        if np.isfinite(x) and np.isfinite(y):
            expected += abs(x - y) > 0.5 + 0.1 * max(abs(x), abs(y))
        else:
            expected += not (x == y or (np.isnan(x) and np.isnan(y)))
    assert result.different == expected
    assert result.compared == a.size
    assert (same.different, same.moved) == (0, 0)


@given(
    shape=st.lists(st.integers(1, 9), max_size=4).map(tuple),
    chunk=st.integers(1, 4),
    block=st.integers(1, 40),
)
def test_blocks_cover_every_element_once(shape, chunk, block):
    original, arrays.BLOCK_ELEMENTS = arrays.BLOCK_ELEMENTS, block
    try:
        seen = np.zeros(shape, int)
        chunks = tuple(min(chunk, size) for size in shape) if shape else None
        for part in arrays._blocks(shape, chunks):
            seen[part] += 1
            assert seen[part].size <= max(block, 1)
    finally:
        arrays.BLOCK_ELEMENTS = original
    assert (seen == 1).all()


def test_equal_content_in_other_bytes_is_alike(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as a, h5py.File(tmp_path / "b.h5", "w") as b:
        values = np.random.default_rng(0).random((100, 7))
        a.create_dataset("X", data=values)
        b.create_dataset("X", data=values, chunks=(9, 2), compression="gzip")
    assert (tmp_path / "a.h5").read_bytes() != (tmp_path / "b.h5").read_bytes()
    assert diff(tmp_path / "a.h5", tmp_path / "b.h5").outcome is Outcome.ALIKE


def test_one_element(pair, tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    values[2, 1] += 0.5
    [finding] = diff(pair[0], write(tmp_path / "c.h5", X=values)).findings
    assert (finding.column, finding.difference) == ("/X", 0.5)
    assert finding.where.startswith("[2, 1]")
    values[2, 1] -= 0.495
    result = diff(pair[0], write(tmp_path / "d.h5", X=values))
    assert (result.outcome, result.moved) == (Outcome.ALIKE, 1)


@pytest.mark.parametrize(
    "content",
    [
        {"X": np.arange(12, dtype=np.float64).reshape(3, 4)},
        {"X": np.arange(9, dtype=np.float32).reshape(3, 3)},
        {"group/names": ["conv1", "relu2"]},
        {"more": np.zeros(3)},
        {"more/deeper": np.zeros(3)},
        {"X": h5py.Empty("f4")},
    ],
)
def test_structure(pair, tmp_path, content):
    result = diff(pair[0], write(tmp_path / "c.h5", **content))
    assert result.outcome is Outcome.DIFFERENT


@pytest.mark.parametrize("value", [11.0, "ten", [10.0, 10.0], None])
def test_attributes(pair, value):
    with h5py.File(pair[1], "a") as file:
        del file["group"].attrs["mu_max"]
        if value is not None:
            file["group"].attrs["mu_max"] = value
    assert diff(*pair).findings[0].column == "/group@mu_max"


def test_types_that_are_no_numbers(tmp_path):
    record = np.dtype([("a", "i4"), ("b", "f8")])
    for side, last in (("a", 1.5), ("b", 2.5)):
        with h5py.File(tmp_path / f"{side}.h5", "w") as file:
            file["record"] = np.array([(1, last)], record)
            file["complex"] = np.array([1 + 1j * last])
            ragged = file.create_dataset("ragged", (2,), h5py.vlen_dtype("i4"))
            ragged[0], ragged[1] = np.arange(2), np.arange(int(last))
            file["flags"] = np.array([True, last > 2])
            file["big"] = np.array([2**63 - int(last)], np.uint64)
    result = diff(tmp_path / "a.h5", tmp_path / "b.h5")
    assert {f.column for f in result.findings} == {
        "/record",
        "/complex",
        "/ragged",
        "/flags",
        "/big",
    }


PARTS = st.sampled_from([0.0, -0.0, 1.0, 1.2, 40.0, np.inf, -np.inf, np.nan])


@given(
    a=st.tuples(PARTS, PARTS),
    b=st.tuples(PARTS, PARTS),
    tolerance=st.sampled_from([EXACT, Tolerance("close", 0.5, 0.1)]),
)
@settings(max_examples=300)
def test_complex_numbers_against_their_parts(a, b, tolerance):
    """NaN and infinity are the same only in the same part; of finite numbers the distance counts."""
    results = [FileResult("x", "hdf5") for _ in range(2)]
    one, other = (np.array([complex(*parts)]) for parts in (a, b))
    compare_arrays(results[0], "X", one, other, tolerance)
    compare_arrays(results[1], "X", other, one, tolerance)
    same = [x == y or (np.isnan(x) and np.isnan(y)) for x, y in zip(a, b, strict=True)]
    if np.isfinite([*a, *b]).all():
        far, size = abs(complex(*a) - complex(*b)), max(abs(complex(*a)), abs(complex(*b)))
        expected = far > tolerance.atol + tolerance.rtol * size
    else:
        expected = not all(same)
    assert [result.different for result in results] == [expected, expected]


def test_links_are_not_followed_and_circles_end(pair):
    secret = pair[0].parent / "secret.h5"
    write(secret)
    for path, target in zip(pair, (secret, Path("/etc/passwd")), strict=True):
        with h5py.File(path, "a") as file:
            file["outside"] = h5py.ExternalLink(str(target), "/X")
            file["soft"] = h5py.SoftLink("/nowhere")
            file["group/circle"] = file["/"]
            file["again"] = file["X"]
    [finding] = diff(*pair).findings
    assert finding.column == "/outside"


def test_values_from_other_files_are_refused(tmp_path, pair):
    (tmp_path / "raw").write_bytes(bytes(80))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("X", (3, 4), "f4", external=[(str(tmp_path / "raw"), 0, 80)])
    assert "another file" in str(diff(pair[0], tmp_path / "b.h5").error)
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(pair[0]), "X", (3, 4))
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_virtual_dataset("X", layout)
    assert "another file" in str(diff(pair[0], tmp_path / "c.h5").error)


def test_promises_of_terabytes_are_refused(tmp_path):
    for side, fill in (("a", 0), ("b", 1)):
        with h5py.File(tmp_path / f"{side}.h5", "w") as file:
            file.create_dataset("X", (1 << 42,), "f4", chunks=(1 << 10,), fillvalue=fill)
    assert "promises" in str(diff(tmp_path / "a.h5", tmp_path / "b.h5").error)


@pytest.fixture(scope="module")
def worker():
    child = Worker(silence=10)
    yield child
    child.close()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_damage_gives_one_clear_result(tmp_path_factory, worker, data):
    folder = tmp_path_factory.mktemp("damage")
    whole = write(folder / "a.h5")
    raw = bytearray(whole.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "b.h5").write_bytes(raw)
    with contextlib.suppress(VebiError):
        assert worker.compare("x.h5", whole, folder / "b.h5", CLOSE).outcome in list(Outcome)


def test_a_file_that_hangs_the_library_ends(pair, worker):
    """The HDF5 library runs in a circle when an object of its heap of texts has the number 0."""
    raw = bytearray(pair[1].read_bytes())
    first = raw.index(b"GCOL") + 16
    second = first + 16 + -(-int.from_bytes(raw[first + 8 : first + 16], "little") // 8) * 8
    raw[second : second + 2] = b"\0\0"
    pair[1].write_bytes(raw)
    with pytest.raises(VebiError, match="broken HDF5"):
        worker.compare("x.h5", *pair, CLOSE)
    assert worker.compare("x.h5", pair[0], pair[0], CLOSE).outcome is Outcome.ALIKE


def test_a_crash_costs_one_comparison(pair, worker):
    worker.compare("x.h5", *pair, CLOSE)
    worker._process.kill()
    with pytest.raises(VebiError, match="crashes"):
        worker.compare("x.h5", *pair, CLOSE)
    assert worker.compare("x.h5", *pair, CLOSE).outcome is Outcome.ALIKE


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_no_hdf5(pair, content):
    pair[1].write_bytes(content)
    assert "no HDF5 file or a broken one" in str(diff(*pair).error)


def save(path, state):
    torch.save(state, path)
    return path


def test_models(tmp_path):
    state = {"weights": {"conv.weight": torch.arange(4.0)}, "epoch": 3, "classes": ["a", "b"]}
    whole = save(tmp_path / "a.pt", state)
    assert diff(whole, save(tmp_path / "b.pt", state), name="m.pt").outcome is Outcome.ALIKE
    state["weights"]["conv.weight"] = torch.tensor([0.0, 1.0, 2.5, 3.0])
    state["classes"][1] = "c"
    result = diff(whole, save(tmp_path / "c.pt", state), name="m.pt")
    assert {f.column for f in result.findings} == {"weights/conv.weight", "classes/1"}


class Harmful:
    """Unpickled, this would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "ran"))


def test_a_model_runs_no_code(tmp_path):
    whole = save(tmp_path / "a.pt", {"w": torch.zeros(1)})
    bad = save(tmp_path / "b.pt", Harmful(tmp_path / "ran"))
    assert "no weights that torch can load" in str(diff(whole, bad, name="m.pt").error)
    assert not (tmp_path / "ran").exists()
    bad.write_bytes(b"PK\x03\x04 no zip")
    assert diff(whole, bad, name="m.pt").outcome is Outcome.FAILED
