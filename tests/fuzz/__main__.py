"""Feed hostile input to every reader: `PYTHONPATH=workflow python -m tests.fuzz --cases 300`.

Each case is a process of its own. Its outcome is one of

- right: the result that its definition asks for, as far as that can be told;
- refused: one clear error;
- and the bad ones: defect (a traceback, or an error that is not clear), wrong, hang (10 s of processor
  time), crash, memory (more than 1 GB), outside (a file outside its folder of results), changed (its
  input).

A case is made from its number alone: `--only 1234` runs it again, and leaves its files.
"""

import argparse
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from tests.fuzz.cases import KINDS, OUTSIDE, Refused, prepare

from vebi.io import guard
from vebi.io.errors import VebiError

SECONDS = 10
# Of waiting: on a busy machine a process gets a small part of a core.
PATIENCE = 300
MEGABYTES = 1024
GOOD = ("right", "refused")
CODES = {0: "right", 10: "refused", 11: "wrong", 12: "defect"}
LONGEST_LINE = 40_000


def run_case(number: int, root: Path) -> tuple[str, str, str]:
    """One case in a folder of its own below `root`: its kind, its outcome and what it said.

    Commands read files from strangers in a process of their own first, which costs more than all the rest
    of a case: only where a case crashes or hangs without it, the case is run again with it.
    """
    with mock.patch.object(guard, "_is_risky", return_value=False):
        kind, outcome, said = _run_case(number, root)
    if outcome in ("crash", "hang"):
        shutil.rmtree(root / str(number))
        kind, outcome, said = _run_case(number, root)
    return kind, outcome, said


def _run_case(number: int, root: Path) -> tuple[str, str, str]:
    kind = list(KINDS)[number % len(KINDS)]
    # Seeded by a text, which is hashed: numbers in equal steps give first draws that are alike.
    rng = random.Random(f"{kind} {number}")
    folder = root / str(number)
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    act = KINDS[kind](rng, folder)
    before = _content(folder / "in"), _content(root / OUTSIDE)
    log = root / f"{number}.log"
    process = os.fork()
    if not process:
        _behave(act, folder, log)
    status, used = _wait(process)
    said = log.read_text(encoding="utf-8", errors="replace")
    outcome = _judge(status, said)
    if used > MEGABYTES:
        outcome = "memory"
    elif _content(root / OUTSIDE) != before[1] or {path.name for path in folder.iterdir()} > {
        "in",
        "out",
    }:
        outcome = "outside"
    elif _content(folder / "in") != before[0]:
        outcome = "changed"
    return kind, outcome, said


def _behave(act: object, folder: Path, log: Path) -> None:
    """What the process of a case does; it does not return."""
    code = 12
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", errors="backslashreplace")
        sys.stderr = os.fdopen(2, "w", errors="backslashreplace")
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (_seconds() + SECONDS, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        wrong = act()
        print(wrong)
        code = 11 if wrong else 0
    except Refused:
        code = 10
    except VebiError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 10
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _seconds() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return int(usage.ru_utime + usage.ru_stime) + 1


def _wait(process: int) -> tuple[int, float]:
    """Exit status (negative: signal), and memory in MB beyond what this process has."""
    own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    end = time.monotonic() + PATIENCE
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024 - own
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            end += 1e9
        time.sleep(0.002)


def _judge(status: int, said: str) -> str:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "hang"
    if status < 0:
        return "crash"
    if "Traceback" in said or "defect of vebi" in said:
        return "defect"
    outcome = CODES.get(status, "defect")
    is_said = any(len(line) > 12 for line in said.splitlines()) and len(said) < LONGEST_LINE
    # Two kinds say nothing on their own: Snakemake and the listing speak for them.
    return outcome if outcome != "refused" or is_said or not said else "defect"


def _content(folder: Path) -> dict[str, str]:
    """Every entry below a folder by path: the digest of a file, the place that a link leads to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found


def numbers(arguments: argparse.Namespace) -> Iterator[int]:
    """The cases to run."""
    if arguments.only is not None:
        yield arguments.only
        return
    end = time.monotonic() + 60 * arguments.minutes
    number = arguments.first
    while number < arguments.first + arguments.cases and time.monotonic() < end:
        yield number
        number += 1


def main() -> int:
    """Run the cases, print a table of outcomes and the bad cases; exit code 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=10**9, help="at most this many")
    parser.add_argument("--minutes", type=float, default=1e9, help="and for at most this long")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--only", type=int, help="this case alone; its files stay")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.update(NO_COLOR="1", COLUMNS="200")
    root = Path(tempfile.mkdtemp(prefix="vebi-fuzz-"))
    (root / OUTSIDE).mkdir()
    (root / "scratch").mkdir()
    prepare(root / "scratch")
    (root / OUTSIDE / "secret").write_text("not yours")
    shutil.copy(root / "scratch/x.h5", root / OUTSIDE / "x.h5")
    counts: Counter[tuple[str, str]] = Counter()
    bad: list[str] = []
    for number in numbers(arguments):
        kind, outcome, said = run_case(number, root)
        counts[kind, outcome] += 1
        if outcome not in GOOD:
            lines = said.strip().splitlines() or [""]
            bad.append(f"{number} {kind}: {outcome}: {lines[-1][:300]}")
            print(bad[-1], flush=True)
        if outcome in GOOD and arguments.only is None:
            shutil.rmtree(root / str(number), ignore_errors=True)
            (root / f"{number}.log").unlink()
        elif arguments.only is not None:
            print(said)
    outcomes = sorted({outcome for _, outcome in counts}, key=lambda one: (one not in GOOD, one))
    print(f"{'':22}" + "".join(f"{one:>10}" for one in outcomes))
    for kind in KINDS:
        print(f"{kind:22}" + "".join(f"{counts[kind, one]:10}" for one in outcomes))
    print(
        f"{counts.total()} cases, {len(bad)} bad" + (f"; their files are in {root}" if bad else "")
    )
    if not bad and arguments.only is None:
        shutil.rmtree(root)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
