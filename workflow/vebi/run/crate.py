"""A run as a Workflow Run RO-Crate: results, workflow and what they were made with, for an archive.

https://www.researchobject.org/workflow-run-crate/ (profile 0.5, RO-Crate 1.1)
"""

# mypy: disable-error-code="import-untyped"
from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vebi.io.errors import VebiError
from vebi.io.files import atomic_path, sha256, write_text
from vebi.io.inside import first_link
from vebi.io.optional import require
from vebi.run.checksums import recorded
from vebi.run.code_digest import package_digest
from vebi.run.manifest import MANIFEST, canonical_json, read_manifest

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

REPORT = "report.html"
METADATA = "ro-crate-metadata.json"
ROOT = Path(__file__).resolve().parents[3]
# What the workflow consists of, besides the Snakefile itself.
CODE = ("workflow", "config", "envs", "profiles", "requirements.txt", "requirements-render.txt")
PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
MEDIA_TYPES = {".h5": "application/x-hdf5", ".yaml": "application/yaml", ".csv": "text/csv"}
MEDIA_TYPES |= {".smk": "text/x-snakemake", ".tsv": "text/tab-separated-values"}
OTHER_CODE = (
    "The code here is not the code that made this run (its digest is in the manifest), so the "
    "crate is without the workflow. Check out that version to have it inside."
)
CRATE_TERMS = "https://w3id.org/ro/terms/workflow-run#sha256"


def write_crate(
    run_dir: Path, out: Path, *, published: date | None = None, everything: bool = False
) -> list[str]:
    """Write a run as a crate, to a new folder or a file that ends in `.zip`.

    The same run and date give the same bytes. Every file is compared with its checksum; a report that
    has none is left out, with a remark. Without `everything` the crate has tables, figures,
    report and manifest; with it every file of the manifest.

    Args:
        published: the date that RO-Crate asks for; None takes $SOURCE_DATE_EPOCH, or the day on
            which the manifest was written (UTC).

    Returns:
        Remarks for the user.

    Raises:
        VebiError: no finished run, a file that is not as the run wrote it or is a link, or an `out`
            that is there.
    """
    manifest = read_manifest(run_dir, whole=True)
    if os.path.lexists(out):
        raise VebiError(f"{out}: is there already. Remove it, or give another name.")
    files = _chosen_files(run_dir, manifest, everything)
    published = published or _default_date(run_dir / MANIFEST)
    is_same_code = (ROOT / "Snakefile").is_file() and (
        package_digest() == manifest.get("package", {}).get("digest")
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".vebi-crate-", dir=out.parent) as scratch:
        folder = Path(scratch, "crate")
        for name, source in files.items():
            _copy(source, folder / name)
        code = _copy_code(folder) if is_same_code else []
        write_text(folder / "config.json", canonical_json(manifest["config"]))
        _describe(folder, manifest, [*files, "config.json"], code, published)
        if out.suffix == ".zip":
            _zip(folder, out)
        else:
            folder.rename(out)
    remarks = []
    if (run_dir / REPORT).is_file() and REPORT not in files:
        remarks.append(
            f"{run_dir / REPORT} has no checksum to compare it with, so the crate is without it. "
            "Delete it and run the pipeline again to have it inside."
        )
    if not is_same_code:
        remarks.append(OTHER_CODE)
    return remarks


def _chosen_files(run_dir: Path, manifest: dict[str, Any], everything: bool) -> dict[str, Path]:
    """Files by their name in the crate; every one is checked against its checksum."""
    allowed = {
        name: [entry["sha256"]]
        for name, entry in sorted(manifest["results"].items())
        if everything or PurePosixPath(name).parts[0] in ("tables", "figures")
    }
    # Neither is in the manifest; the jobs that made them wrote their checksums down.
    allowed[MANIFEST] = [entry.sha256 for entry in recorded(run_dir / MANIFEST)]
    report = [entry.sha256 for entry in recorded(run_dir / REPORT)]
    if report and os.path.lexists(run_dir / REPORT):
        allowed[REPORT] = report
    for name, digests in allowed.items():
        path = run_dir / name
        if what := _what_is_wrong(path, run_dir, digests):
            raise VebiError(
                f"{path}: {what}, so the crate would not be this run. `vebi verify {run_dir}` lists "
                "all such results; delete it and run the pipeline again."
            )
    return {name: run_dir / name for name in allowed}


def _what_is_wrong(path: Path, run_dir: Path, digests: list[str]) -> str | None:
    """Why a file is not what the run wrote; None if it is, or if there are no digests to compare."""
    if link := first_link(path, run_dir):
        return "is a link" if link == path else f"is behind the link {link}"
    if not path.is_file():
        return "is missing"
    if digests and sha256(path) not in digests:
        return "has changed since the run wrote it"
    return None


def _default_date(manifest: Path) -> date:
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = int(seconds) if seconds.isdigit() else manifest.stat().st_mtime
    return datetime.fromtimestamp(moment, UTC).date()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _copy_code(folder: Path) -> list[str]:
    """Copy the workflow, links in it left out; the names of its files in the crate."""
    names = ["Snakefile", "LICENSE"]
    for part in CODE:
        inside = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for path in inside:
            hidden = any(p[0] == "." or p == "__pycache__" for p in path.relative_to(ROOT).parts)
            is_own = path.is_file() and first_link(path, ROOT) is None
            if is_own and not hidden and not path.name.endswith((".pyc", ".egg-info")):
                names.append(path.relative_to(ROOT).as_posix())
    names = [name for name in names if ".egg-info/" not in name]
    for name in names:
        _copy(ROOT / name, folder / name)
    return names


def _describe(
    folder: Path, manifest: dict[str, Any], results: list[str], code: list[str], published: date
) -> None:
    """Write ro-crate-metadata.json for the files that are in `folder`."""
    require("rocrate")
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    run, package = manifest["run"], manifest["package"]
    crate.name = f"vebi run '{run}'"
    crate.description = (
        f"Tables, figures and provenance of the run '{run}' of vebi {package['version']}: Visual "
        "Explanation by Interpretation, reproduced."
    )
    # The one date in it, which RO-Crate requires.
    crate.root_dataset["datePublished"] = published.isoformat()
    crate.license = "https://spdx.org/licenses/MIT"
    _entity(crate, crate.license, "CreativeWork", name="MIT License")
    crate.metadata.extra_terms["sha256"] = CRATE_TERMS

    tools = [_tool(crate, name, version) for name, version in sorted(manifest["versions"].items())]
    if code:
        program = _add_workflow(crate, code, package, tools, folder)
    else:
        program = _entity(
            crate,
            "#vebi",
            "SoftwareApplication",
            name="vebi",
            softwareVersion=package["version"],
            identifier=package["digest"],
            softwareRequirements=tools,
        )
    profiles = PROFILES if code else PROFILES[:1]
    crate.root_dataset["conformsTo"] = [
        _entity(crate, url, "CreativeWork", name=name, version=version)
        for url, name, version in profiles
    ]
    entities = {name: _add_file(crate, name, folder) for name in results}
    machine, threads = manifest["machine"], manifest["threads"]["compute"]
    action = _entity(
        crate,
        "#run",
        "CreateAction",
        name=f"The run '{run}'",
        description=(
            f"On {machine['cpu']} with {machine['cpus']} processors"
            f"{''.join(f' and {gpu}' for gpu in machine['gpus'])}, {machine['system']}; networks on "
            f"{manifest['device']}, {threads} threads per computation, seeds "
            f"{', '.join(map(str, manifest['seeds']))}. Code {package['digest']}."
        ),
        instrument=program,
        object=[entities["config.json"]],
        result=[entity for name, entity in entities.items() if name != "config.json"],
    )
    crate.root_dataset["mentions"] = [action]
    crate.metadata.write(folder)


def _entity(crate: ROCrate, entity_id: str, kind: str, /, **properties: Any) -> Entity:
    from rocrate.model.entity import Entity

    entity = crate.add(Entity(crate, entity_id, properties={"@type": kind}))
    for key, value in properties.items():
        entity[key] = value
    return entity


def _tool(crate: ROCrate, name: str, version: str) -> Entity:
    """An installed package; those of the rendering environment are named `render/…`."""
    project = name.removeprefix("render/")
    url = f"https://pypi.org/project/{project}/{re.sub('[+].*', '', version)}/"
    if project == "python":
        url = "https://www.python.org/"
    return _entity(
        crate,
        f"#{name}-{version}",
        "SoftwareApplication",
        name=name,
        softwareVersion=version,
        url=url,
    )


def _add_workflow(
    crate: ROCrate, code: list[str], package: dict[str, Any], tools: list[Entity], folder: Path
) -> Entity:
    workflow = crate.add_workflow(
        str(folder / "Snakefile"),
        "Snakefile",
        main=True,
        lang="snakemake",
        properties={"name": "vebi", "version": package["version"], "identifier": package["digest"]},
    )
    workflow["softwareRequirements"] = tools
    for name in code:
        if name != "Snakefile":
            _add_file(crate, name, folder)
    return workflow


def _add_file(crate: ROCrate, name: str, folder: Path) -> Entity:
    path = folder / name
    media = MEDIA_TYPES.get(path.suffix) or guess_type(name)[0] or "application/octet-stream"
    return crate.add_file(
        str(path),
        name,
        properties={
            "name": name,
            "encodingFormat": media,
            "contentSize": str(path.stat().st_size),
            "sha256": sha256(path),
        },
    )


def _zip(folder: Path, out: Path) -> None:
    """The folder as a zip that depends on nothing but names and contents."""
    with atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in _files(folder):
            # A fixed date: the earliest that the format has.
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(member, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
