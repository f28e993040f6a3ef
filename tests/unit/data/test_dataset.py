import h5py
import numpy as np
import pytest

from vebi.data import digits
from vebi.data.dataset import TEST, TRAIN, Images, open_dataset, write_dataset
from vebi.io.errors import VebiError


@pytest.fixture
def small(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (7, 4, 5, 3), dtype=np.uint8)
    split = np.array([0, 1, 0, 0, 1, 0, 1])
    masks = rng.random((7, 4, 5)) < 0.5
    data = Images(images, np.arange(7) % 3, split, ["a", "b", "c"], {"masks": masks})
    write_dataset(tmp_path / "d.h5", data)
    return tmp_path / "d.h5", data


def test_round_trip(small):
    path, data = small
    dataset = open_dataset(path)
    assert dataset.classes == ("a", "b", "c")
    assert dataset.image_shape == (4, 5, 3)
    assert dataset.has_masks
    assert len(dataset) == 7
    assert np.array_equal(dataset.read("images"), data.images)
    assert np.array_equal(dataset.read("masks", np.array([5, 1])), data.extra["masks"][[5, 1]])


def test_names_of_ten_thousand_classes(tmp_path):
    # In the older format of HDF5 an attribute ends at 64 KiB, which is 4,095 names.
    names = tuple(f"n{i:08d} ünbekannt" for i in range(10_000))
    data = Images(np.zeros((2, 1, 1, 1), np.uint8), np.array([0, 9_999]), np.arange(2), names)
    write_dataset(tmp_path / "d.h5", data)
    assert open_dataset(tmp_path / "d.h5").classes == names
    before = (tmp_path / "d.h5").read_bytes()
    write_dataset(tmp_path / "d.h5", data)
    assert (tmp_path / "d.h5").read_bytes() == before


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_batches_cover_a_split_in_order(small, batch_size):
    path, data = small
    dataset = open_dataset(path)
    parts = list(dataset.batches(dataset.indices(TEST), batch_size))
    assert np.concatenate([i for i, _ in parts]).tolist() == [1, 4, 6]
    assert np.array_equal(np.concatenate([x for _, x in parts]), data.images[[1, 4, 6]])
    assert len(dataset.indices(TRAIN)) == 4


def test_equal_data_is_equal_bytes(small, tmp_path):
    path, data = small
    write_dataset(tmp_path / "again.h5", data)
    assert (tmp_path / "again.h5").read_bytes() == path.read_bytes()


def test_truncated_file_is_named_with_the_way_out(small):
    path, _ = small
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(VebiError, match=r"d\.h5.*Delete it"):
        open_dataset(path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("labels", np.array([0, 1, 2, 0, 1, 2, 3]), "labels reach 3"),
        ("labels", np.zeros(6, int), "do not describe the same images"),
        ("split", np.zeros(8, int), "do not describe the same images"),
        ("images", np.zeros((7, 4), np.uint8), "do not describe the same images"),
        ("labels", None, "lacks labels"),
    ],
)
def test_inconsistent_files_are_refused(small, key, value, says):
    path, _ = small
    with h5py.File(path, "r+") as file:
        del file[key]
        if value is not None:
            file[key] = value
    with pytest.raises(VebiError, match=says):
        open_dataset(path)


def test_missing_array_lists_what_there_is(small):
    with pytest.raises(VebiError, match=r"no array 'depth'.*masks"):
        open_dataset(small[0]).read("depth")


def test_digits_are_the_embedded_ones():
    data = digits.load(28)
    assert data.images.shape == (1797, 28, 28, 1)
    # The counts in scikit-learn's description of the data set.
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (data.split == TEST).sum() == 360
    assert np.bincount(data.labels[data.split == TEST]).min() >= 34
    # Enlarged by 3.5: averaging back over the same places gives the small image again, nearly.
    small = digits.load(8).images[..., 0].astype(float)
    back = data.images[..., 0].reshape(-1, 4, 7, 4, 7).mean((2, 4))
    assert (
        np.corrcoef(small.reshape(-1, 4, 2, 4, 2).mean((2, 4)).ravel(), back.ravel())[0, 1] > 0.99
    )
