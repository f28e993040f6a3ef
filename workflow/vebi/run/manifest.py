"""manifest.json: what a run was made of, and whether its files are still those that it wrote."""

import json
import math
import os
import platform
import re
import shlex
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vebi.io.errors import VebiError
from vebi.io.files import parse_json, read_bounded, sha256, write_text
from vebi.io.inside import first_link, leads_inside, remove_file
from vebi.io.json_output import write_json
from vebi.io.results import list_result_files
from vebi.run.checksums import FOLDER, recorded, recorded_outputs
from vebi.version import __version__

MANIFEST = "manifest.json"
FORMAT = 1
# 150 bytes for each of a million files.
LARGEST_MANIFEST = 150_000_000
# What Snakemake leaves in a folder that is an output.
SNAKEMAKES_MARK = ".snakemake_timestamp"
# The manifest itself, and the page that is made from it.
SKIPPED_FILES = frozenset({MANIFEST, "report.html"})


class _Package(BaseModel):
    version: str
    digest: str


class _Threads(BaseModel):
    compute: int


class _Machine(BaseModel):
    cpu: str
    cpus: int | None
    gpus: list[str]
    system: str


class _Whole(BaseModel):
    """What a whole manifest says besides its results, as far as it is read again."""

    run: str
    config: dict[str, Any]
    package: _Package
    versions: dict[str, str]
    seeds: list[int]
    device: str
    threads: _Threads
    machine: _Machine


def canonical_json(value: Any) -> str:
    """JSON with one way to write each value: sorted keys, two spaces, UTF-8, no NaN (null)."""
    return json.dumps(_plain(value), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Plain JSON values: tuples and sets as lists, paths as text, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(inner) for inner in value)
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a manifest")


def build_manifest(
    run_dir: Path,
    *,
    config: Mapping[str, Any],
    package_digest: str,
    seeds: Iterable[int],
    device: str,
    cores: int | None = None,
    render_env: Path | None = None,
    files: Iterable[Path] | None = None,
) -> dict[str, Any]:
    """Everything that decided the results of a run, and the results' checksums.

    `config`, `package`, `versions`, `seeds`, `device`, `threads` and `results` are the same for two
    runs that should give the same numbers; what may vary is under `machine` and `measured`.

    Args:
        run_dir: `results/<run>`; what its jobs took is in its folder `benchmarks`.
        config: the configuration as resolved, defaults filled in; JSON values.
        package_digest: digest of the package's code.
        device: where the networks ran, see `device_of_networks`.
        cores: what `--cores` was.
        render_env: the environment that holds Blender's `bpy`.
        files: result files; None takes everything below `run_dir` but logs, benchmark files, the
            manifest and report.html (which is made from it).

    Returns:
        Plain values for a JSON file.
    """
    chosen = sorted(_result_files(run_dir) if files is None else (Path(f) for f in files))
    return {
        "format": FORMAT,
        "run": run_dir.resolve().name,
        "config": dict(config),
        "package": {"name": "vebi", "version": __version__, "digest": package_digest},
        "versions": versions(render_env),
        "seeds": sorted(seeds),
        "device": device,
        "threads": {"compute": config["compute_threads"]},
        "results": {
            _relative(file, run_dir): {"bytes": file.stat().st_size, "sha256": sha256(file)}
            for file in chosen
        },
        "machine": machine(cores),
        "measured": {"rules": read_benchmarks(run_dir / "benchmarks")},
    }


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a manifest as canonical JSON."""
    write_text(path, canonical_json(manifest))


def _relative(file: Path, run_dir: Path) -> str:
    try:
        return file.resolve().relative_to(run_dir.resolve()).as_posix()
    except ValueError as error:
        raise VebiError(f"{file} is not below {run_dir}: no result of this run.") from error


def _result_files(run_dir: Path) -> list[Path]:
    top = {run_dir / name for name in SKIPPED_FILES}
    return [file for file in list_result_files(run_dir) if file not in top]


def versions(render_env: Path | None = None) -> dict[str, str]:
    """Version of Python and of every installed distribution, by its normalised name.

    Distributions of the rendering environment stand under `render/` (`render/bpy` is Blender's).
    """
    found = {"python": platform.python_version()}
    found |= _distributions(metadata.distributions())
    if render_env is not None:
        folders = [str(folder) for folder in sorted(render_env.glob("lib/python*/site-packages"))]
        if folders:
            inside = _distributions(metadata.distributions(path=folders))
            found |= {f"render/{name}": version for name, version in inside.items()}
    return dict(sorted(found.items()))


def _distributions(distributions: Iterable[metadata.Distribution]) -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in distributions:
        name = distribution.metadata["Name"]
        # A half-removed package leaves a folder without a name; and the first on the path counts.
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    # vebi has its own entry with the digest of its code.
    found.pop("vebi", None)
    return found


def machine(cores: int | None = None) -> dict[str, Any]:
    """The computer: processor, number of processors, memory, graphics cards, system."""
    try:
        memory: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (ValueError, OSError, AttributeError):
        memory = None
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "cores_given": cores,
        "gpus": _gpu_models(),
        "memory_mb": memory,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _gpu_models() -> list[str]:
    """Names of the graphics cards that torch can compute on."""
    # torch is slow to import, and `vebi verify` needs none of it.
    import torch

    if not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def read_benchmarks(folder: Path) -> dict[str, dict[str, float | int | None]]:
    """Jobs, seconds (sum and longest) and peak memory (MB, largest) of each rule.

    The rule is what Snakemake's extended form (`--benchmark-extended`) writes in `rule_name`; in
    the plain form the first part of a file's path stands for it: `<name>.tsv` or `<name>/….tsv`.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    for file in sorted(folder.rglob("*.tsv")):
        default = file.relative_to(folder).parts[0].removesuffix(".tsv")
        # Not csv's: the extended form holds Python values with quotes of any kind and length.
        lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
        for cells in lines[1:]:
            row = dict(zip(lines[0], cells, strict=False))
            rule = row.get("rule_name") or default
            # Snakemake writes NA or - where a job was too short to be looked at.
            seconds[rule].append(_number(row.get("s")))
            memory[rule].append(_number(row.get("max_rss")))
    return {
        rule: {
            "jobs": len(times),
            "seconds": _total(times, sum),
            "longest_seconds": _total(times, max),
            "max_rss_mb": _total(memory[rule], max),
        }
        for rule, times in sorted(seconds.items())
    }


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan


def _total(values: list[float], combine: Any) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return round(float(combine(known)), 3) if known else None


@dataclass(frozen=True)
class Problem:
    """A file that is not what the run wrote, what is wrong with it, and the way out.

    `output` is what Snakemake makes it with: the file, a folder that it is in, or the PNG next to a PDF.
    """

    path: Path
    what: str
    remedy: str
    output: Path

    def __str__(self) -> str:
        """The problem in one line."""
        return f"{self.path}: {self.what}. {self.remedy}"


def read_manifest(run_dir: Path, whole: bool = False) -> dict[str, Any]:
    """Read and check `manifest.json`: its results and, of a `whole` one, every part.

    Raises:
        VebiError: there is none, or it is broken.
    """
    path = run_dir / MANIFEST
    if not run_dir.is_dir():
        raise VebiError(f"{run_dir}: no such folder. Give a run's folder, such as results/default.")
    try:
        manifest = parse_json(read_bounded(path, LARGEST_MANIFEST))
    except FileNotFoundError as error:
        raise VebiError(
            f"{path}: not there, so nothing can be checked. Run the pipeline to its end: it writes "
            "the manifest last."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise VebiError(
            f"{path}: broken ({error}). Delete it and run the pipeline again."
        ) from error
    results = manifest.get("results") if isinstance(manifest, dict) else None
    if not isinstance(results, dict) or manifest.get("format") != FORMAT:
        raise VebiError(f"{path}: no manifest of format {FORMAT}. Delete it and run again.")
    if whole:
        _check_whole(path, manifest)
    for name, entry in results.items():
        if not leads_inside(name):
            raise VebiError(
                f"{path}: '{name}' lies outside the run's folder or is the folder itself. Don't "
                "trust this file."
            )
        if not (
            isinstance(entry, dict)
            and isinstance(entry.get("sha256"), str)
            and isinstance(entry.get("bytes"), int)
        ):
            raise VebiError(f"{path}: '{name}' has no size or checksum. Delete it and run again.")
    return manifest


def _check_whole(path: Path, manifest: dict[str, Any]) -> None:
    try:
        _Whole.model_validate(manifest, strict=True)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise VebiError(
            f"{path}: '{name}' is missing or wrong. Delete it and run again."
        ) from error


def verify_run(run_dir: Path) -> list[Problem]:
    """Check every result file of a run against the checksums in its manifest.

    A file that was made again after the manifest counts as whole if it has the checksum that its job
    wrote; a run that has no manifest yet is checked by these alone.

    Returns:
        One problem per missing, unreadable or changed file; empty if all are as they were written.

    Raises:
        VebiError: there is no readable manifest, and no checksums of jobs.
    """
    problems = []
    for name, wanted in sorted(_expected(run_dir).items()):
        path = run_dir / name
        output = _output_of(path, run_dir)
        again = f"make it again with `{make_again([output])}`"
        try:
            if link := first_link(path, run_dir):
                what = "a link" if link == path else f"behind the link {link}"
                what += ", and links in a run are not followed"
                problems.append(Problem(path, what, f"Remove the link and {again}.", path))
                continue
            if not path.is_file():
                remedy = again[0].upper() + again[1:] + "."
                problems.append(Problem(path, "missing", remedy, output))
                continue
            size = path.stat().st_size
            found = sha256(path)
            if found == wanted["sha256"] or found in [e.sha256 for e in recorded(path)]:
                continue
            what = "its content has changed since it was written (the checksum differs)"
            if wanted.get("bytes", size) != size:
                what = f"{size:,} bytes, but {wanted['bytes']:,} were written"
        except OSError as error:
            what = f"can't be read ({error.strerror or error})"
        problems.append(Problem(path, what, f"Delete it and {again}.", output))
    return problems


def is_finished(run_dir: Path) -> bool:
    """Whether a run has its manifest, which is written last."""
    return (run_dir / MANIFEST).exists()


def make_again(outputs: Iterable[Path]) -> str:
    """The command that makes lost outputs again, and all that follows from them."""
    return f"snakemake --cores all {shlex.join(map(str, outputs))} all"


def remove_broken(problems: Iterable[Problem], run_dir: Path) -> tuple[list[Path], list[Path]]:
    """Delete what is broken, so that Snakemake makes it again.

    Only regular files that the run has recorded are deleted: the broken ones, and all of an output
    that a broken one is of. A folder that is an output goes when nothing else is left in it. Links are
    neither followed nor deleted.

    Args:
        problems: what `verify_run` found in `run_dir`.

    Returns:
        The outputs to make again, and of these and the broken files what could not be deleted.
    """
    broken = [problem.path for problem in problems]
    outputs = list(dict.fromkeys(problem.output for problem in problems))
    for path in broken:
        remove_file(path, run_dir)
    for output in outputs:
        files = [entry.path for entry in recorded(output)]
        for file in files:
            remove_file(file, run_dir)
        if any(file != output for file in files):
            _remove_emptied(output, run_dir)
    kept = [path for path in dict.fromkeys([*broken, *outputs]) if os.path.lexists(path)]
    return [output for output in outputs if output not in kept], kept


def _remove_emptied(folder: Path, run_dir: Path) -> None:
    """Delete a folder in which only folders are left."""
    if first_link(folder, run_dir) is None and folder.is_dir():
        left = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
        if all(path.name == SNAKEMAKES_MARK and not path.is_symlink() for path in left):
            shutil.rmtree(folder)


def _expected(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Checksums (and sizes where they are known) of a run's files, by their path in it."""
    if is_finished(run_dir) or not (run_dir / FOLDER).is_dir():
        expected: dict[str, dict[str, Any]] = read_manifest(run_dir)["results"]
        return expected
    # What is not there is temporary, or about to be made again.
    entries = [entry for output in recorded_outputs(run_dir) for entry in recorded(output)]
    return {
        entry.path.relative_to(run_dir).as_posix(): {"sha256": entry.sha256}
        for entry in entries
        if entry.path.exists()
    }


def _output_of(path: Path, run_dir: Path) -> Path:
    """What Snakemake makes a file with, by the checksums that its jobs left; else the file itself."""
    folders = [folder for folder in path.parents if run_dir in folder.parents]
    candidates = [path, path.with_suffix(".png"), *folders]
    return next((candidate for candidate in candidates if recorded(candidate)), path)


def run_verify(run_dir: Path, remove: bool = False, json_path: Path | None = None) -> int:
    """Verify a run, print the result, and return 0 (whole), 1 (broken files) or 2 (no check).

    With `remove` broken files are deleted. `json_path`: JSON to this file or `-`, standard output, in
    place of the lines.
    """
    # Jobs use this module, too, and print nothing.
    from rich.console import Console

    from vebi.diff.terminal import plain

    out = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        total = len(_expected(Path(run_dir)))
        problems = verify_run(Path(run_dir))
    except VebiError as error:
        Console(stderr=True, highlight=False, soft_wrap=True, markup=False).print(
            f"vebi verify: {plain(error, 2000)}", style="red"
        )
        return 2
    if json_path is not None:
        kept = remove_broken(problems, Path(run_dir))[1] if remove else []
        write_json(
            {
                "run": str(run_dir),
                "is_finished": is_finished(Path(run_dir)),
                "files": total,
                "problems": [
                    {"path": str(p.path), "what": p.what, "remedy": p.remedy} for p in problems
                ],
                "not_deleted": [str(path) for path in kept],
            },
            json_path,
        )
        return int(bool(problems))
    if not is_finished(Path(run_dir)):
        out.print("The run is not finished: what its jobs have made so far is checked.")
    for problem in problems:
        out.print(plain(problem, 2000), style="red")
    if problems:
        out.print(f"{len(problems):,} of {total:,} files are not as the run wrote them.")
        if remove:
            outputs, kept = remove_broken(problems, Path(run_dir))
            for path in kept:
                why = "it is, or holds, what the run did not write. Move it away yourself."
                out.print(plain(f"{path}: not deleted, as {why}", 2000), style="red")
            if outputs:
                again = make_again(outputs)
                out.print(f"Deleted. Make them again, with the run's --configfile: {again}")
        return 1
    out.print(f"All {total:,} files are as the run wrote them.", style="green")
    return 0
