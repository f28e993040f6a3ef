"""A few images that stand for a split, for studies that are too dear for all of it."""

import numpy as np
from numpy.typing import NDArray


def spread_over_classes(
    labels: NDArray[np.integer], rows: NDArray[np.integer], n: int
) -> NDArray[np.int64]:
    """Some images, spread as evenly over the classes as they allow.

    Within a class images are taken at equal steps, because neighbours may be views of one scene, and
    each class starts a little later than the one before, because all may show the same scenes in the
    same order. With fewer images than classes, classes are taken at equal steps. Nothing is drawn at
    random: a network trained from another seed is asked about the same images.

    Args:
        labels: classes of all images (N).
        rows: positions of those to choose from (r).
        n: how many at most.

    Returns:
        Up to `n` of the rows, ascending.
    """
    rows = np.sort(rows)
    classes = np.unique(labels[rows])
    if n < len(classes):
        classes = classes[np.linspace(0, len(classes) - 1, n).round().astype(int)]
    members = [rows[labels[rows] == label] for label in classes]
    sizes = np.array([len(rows_of_class) for rows_of_class in members], np.int64)
    shares = np.zeros_like(sizes)
    while (left := n - int(shares.sum())) > 0 and (shares < sizes).any():
        # A round gives one image to each class that has any left, the last round to the first ones.
        shares[np.flatnonzero(shares < sizes)[:left]] += 1
    taken = [
        m[((np.arange(share) + (c + 0.5) / len(classes)) * len(m) / max(1, share)).astype(int)]
        for c, (m, share) in enumerate(zip(members, shares, strict=True))
    ]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *taken]))
