"""HDF5 files are compared in a process of their own.

The HDF5 library can crash, or loop for ever, on a file with a few flipped bytes, and no exception
comes out of that. Here such a file costs a child process, and the comparison goes on.

Parent and child talk in lines of JSON: a request on the child's standard input, then empty lines as
signs of life, then the result on its standard output.
"""

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vebi.diff.report import FileResult, Finding
from vebi.diff.tolerances import Row, Tolerance, Tolerances
from vebi.io.errors import VebiError
from vebi.io.guard import child_environment

# A block of a million numbers is read in well under a second; a slow network disk may take longer.
SILENCE = 30.0
MEMORY = 16 << 30


class Worker:
    """A child process that compares HDF5 files, one after the other."""

    def __init__(self, silence: float = SILENCE) -> None:
        """`silence`: seconds without a sign of progress after which the child is given up."""
        self._silence = silence
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def compare(self, name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
        """As `arrays.compare_hdf5`; a crash or a hang of the HDF5 library is a VebiError, too."""
        process = self._process or self._start()
        request = {
            "name": name,
            "a": str(a.resolve()),
            "b": str(b.resolve()),
            "tolerances": [asdict(row) for row in tolerances.rows],
        }
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            while (line := self._lines.get(timeout=self._silence)) == "\n":
                pass
        except queue.Empty:
            self.close()
            raise _broken(name, f"reading it hangs; given up after {self._silence:g} s") from None
        except BrokenPipeError:
            line = None
        if line is None:
            self.close()
            raise _broken(name, "reading it crashes the HDF5 library")
        answer = json.loads(line)
        if "problem" in answer:
            raise VebiError(answer["problem"])
        return _result(answer)

    def close(self) -> None:
        """End the child; the next comparison starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _start(self) -> "subprocess.Popen[str]":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vebi.diff.isolated"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=child_environment(),
        )
        # A queue of its own for every child: the last words of an old one must not be heard.
        self._lines = queue.Queue()
        threading.Thread(target=_listen, args=(self._process, self._lines), daemon=True).start()
        return self._process


def _listen(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _broken(name: str, what: str) -> VebiError:
    return VebiError(
        f"{name}: broken HDF5 in A or B ({what}). Delete the broken one (find it with "
        "`vebi verify RUN`) and run the pipeline again."
    )


def _result(answer: dict[str, Any]) -> FileResult:
    findings = [Finding(**finding) for finding in answer["findings"]]
    result = FileResult(answer["name"], "hdf5", answer["compared"], answer["moved"])
    result.findings = findings
    result.counts = {(column, mode): count for column, mode, count in answer["counts"]}
    return result


_worker = Worker()
atexit.register(_worker.close)


def compare_hdf5(name: str, a: Path, b: Path, tolerances: Tolerances) -> FileResult:
    """Compare two HDF5 files in the child process that all comparisons share."""
    return _worker.compare(name, a, b, tolerances)


def answer(request: dict[str, Any], alive: Callable[[], None]) -> dict[str, Any]:
    """The child's part: compare the two files of a request; a problem is an answer, too."""
    # The parent needs no h5py.
    from vebi.diff import arrays

    rows = [
        Row(**{**row, "tolerance": Tolerance(**row["tolerance"])}) for row in request["tolerances"]
    ]
    paths = Path(request["a"]), Path(request["b"])
    try:
        result = arrays.compare_hdf5(request["name"], *paths, Tolerances(rows), alive)
    except VebiError as error:
        return {"problem": str(error)}
    # Whatever else h5py makes of a damaged file.
    except Exception as error:
        return {"problem": str(_broken(request["name"], f"{type(error).__name__}: {error}"))}
    return {
        "name": result.name,
        "compared": result.compared,
        "moved": result.moved,
        "counts": [[*key, count] for key, count in result.counts.items()],
        "findings": [asdict(finding) for finding in result.findings],
    }


def main() -> None:
    """Answer requests until standard input ends."""
    # A damaged length must not take the machine's memory. Not everywhere there is such a limit.
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # Nothing but answers may appear where the parent listens.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(line: str) -> None:
        out.write(line + "\n")
        out.flush()

    with suppress(BrokenPipeError, KeyboardInterrupt):
        for line in sys.stdin:
            say(json.dumps(answer(json.loads(line), lambda: say(""))))


if __name__ == "__main__":
    main()
