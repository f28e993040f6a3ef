"""Names that are read from a file (a manifest, checksums, an archive) lead below a folder, or nowhere."""

import os
from pathlib import Path, PurePosixPath


def leads_inside(name: str) -> bool:
    """Whether a name is that of something below a folder, by the name alone.

    Absolute names, `..` and the folder itself (an empty name, `.`) are refused.
    """
    pure = PurePosixPath(name)
    return (
        bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and "\0" not in name
    )


def first_link(path: Path, root: Path) -> Path | None:
    """The first link on the way from the folder `root` down to `path`, both as they are written.

    `root` itself may be a link: it is the user's choice, and what is below comes from elsewhere.

    Raises:
        ValueError: `path` is not written as one below `root`.
    """
    here = root
    for part in path.relative_to(root).parts:
        here /= part
        if here.is_symlink():
            return here
    return None


def remove_file(path: Path, root: Path) -> bool:
    """Delete a regular file below `root`; True if there is nothing at `path` afterwards.

    Folders, devices, FIFOs, links and what is behind a link stay.
    """
    if first_link(path, root) is None and path.is_file():
        path.unlink()
    return not os.path.lexists(path)
