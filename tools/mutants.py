"""Small changes of the code that turns measurements into verdicts; a test must find each. `make mutants`.

    python tools/mutants.py [AREA ...] [--cores 2] [--out build/mutants]

mutmut changes one expression at a time in a copy of the repository and runs the tests that reach it,
those of the area only. The summary counts per file; what survived is in survivors.txt as a
difference each, a missing test; those that change nothing whatever the test (see NEUTRAL) are in
neutral.txt, each with the reason. A second call goes on where the first one stopped.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What is changed, and the tests that must notice.
AREAS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "statistics": (("statistics/*.py",), ("statistics",)),
    "claims": (("claims/*.py",), ("claims", "statistics/test_verdicts.py")),
    "findings": (("report/findings.py",), ("report",)),
    "iou": (("studies/iou/*.py",), ("studies/iou",)),
    "ablation": (("studies/ablation/*.py",), ("studies/ablation",)),
    "controls": (("studies/controls/*.py",), ("studies/controls",)),
    "mcgill": (("studies/mcgill/*.py",), ("studies/mcgill",)),
    "perturbation": (("studies/perturbation/*.py",), ("studies/perturbation",)),
    "training": (("models/train.py",), ("models/test_train.py",)),
}
NEVER = ("*/__init__.py", "*/figures.py")
# What the tests read besides the package. mutmut takes the name of a module from its place below src/.
COPIED = ("tests", "config", "docs", "results/reference", "tools", "workflow")
FILES = ("README.md", "Snakefile", "Makefile", "pyproject.toml", "CHANGELOG.md", "CONTRIBUTING.md")
RESULT = re.compile(r"^\s*(vebi\S+__mutmut_\d+): (.+)$", re.MULTILINE)
# A piece, what stands for it, and why the code does the same with any such piece (or with none).
NEUTRAL = (
    (r"strict=\w+", "", "strict= guards against lengths that differ, which these never do"),
    (r"replace=(False|None)", "replace", "None is taken for False"),
    (r"np\.finfo\((float|None)\)", "finfo", "None is taken for float"),
)
# In mutmut's words. A change that hangs or ends the process has been noticed, too.
FOUND, LEFT = {"killed", "timeout", "segfault"}, {"survived", "no tests", "suspicious"}


def prepare(area: str, folder: Path) -> None:
    """A copy of the repository with the settings of mutmut."""
    changed, tests = AREAS[area]
    shutil.copytree(ROOT / "workflow", folder / "src", dirs_exist_ok=True)
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    lists = {
        "source_paths": ["src"],
        "only_mutate": [f"src/vebi/{one}" for one in changed],
        "do_not_mutate": NEVER,
        "also_copy": [*COPIED, *FILES],
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": [f"tests/unit/{one}" for one in tests],
    }
    text = "".join(f"{key} =\n" + "".join(f"    {v}\n" for v in of) for key, of in lists.items())
    (folder / "setup.cfg").write_text(f"[mutmut]\n{text}", encoding="utf-8")


def mutmut(folder: Path, *arguments: str, quiet: bool = True) -> str:
    """Run mutmut in the copy; its output as text if `quiet`."""
    # The changed copy is imported, also where the package is installed. Tests take one thread each.
    environment = {**os.environ, "PYTHONPATH": str(folder / "mutants/src"), "OMP_NUM_THREADS": "1"}
    (folder / "mutants/src").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE if quiet else None
    )
    if done.returncode and not quiet:
        raise SystemExit(f"mutmut failed in {folder}; its message stands above.")
    return done.stdout or ""


def why_neutral(difference: str) -> str:
    """Why a change, as a difference of two files, changes nothing; "" where it may."""
    lines = [line for line in difference.splitlines() if line[:3] not in ("---", "+++")]
    old, new = ("".join(line[1:] for line in lines if line[:1] == sign) for sign in "-+")
    for piece, other, reason in NEUTRAL:
        # Commas and spaces around a piece go with it.
        left = [re.sub(r"[\s,]", "", re.sub(piece, other, text)) for text in (old, new)]
        if old and left[0] == left[1]:
            return reason
    return ""


def summarise(area: str, folder: Path) -> None:
    """Print how many changes the tests find per file, and write what they don't."""
    statuses = dict(RESULT.findall(mutmut(folder, "results", "--all", "true")))
    tried = {name: status for name, status in statuses.items() if status in FOUND | LEFT}
    modules = Counter(name.rsplit(".", 1)[0] for name in tried)
    found = Counter(name.rsplit(".", 1)[0] for name in tried if tried[name] in FOUND)
    for module, total in sorted(modules.items()):
        print(f"{module}: {found[module]} of {total} found")
    left = [name for name, status in tried.items() if status in LEFT]
    shown: dict[str, list[str]] = {"survivors": [], "neutral": []}
    for name in left:
        difference = mutmut(folder, "show", name)
        reason = why_neutral(difference)
        text = f"# {name}: {reason or tried[name]}\n{difference}"
        shown["neutral" if reason else "survivors"].append(text)
    for name, texts in shown.items():
        (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8")
    effective = len(tried) - len(shown["neutral"])
    print(
        f"{area}: {found.total()} of {effective} found, {len(shown['neutral'])} change nothing, "
        f"{len(statuses) - len(tried)} not tried; the rest: {folder}/survivors.txt"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; all by default"
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/mutants"))
    arguments = parser.parse_args()
    if unknown := set(arguments.areas) - set(AREAS):
        parser.error(f"no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    for area in arguments.areas or AREAS:
        folder = (arguments.out / area).resolve()
        prepare(area, folder)
        mutmut(folder, "run", "--max-children", str(arguments.cores), quiet=False)
        summarise(area, folder)


if __name__ == "__main__":
    main()
