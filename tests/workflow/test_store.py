"""A run whose files lie in S3, on machines without a file system in common, makes the same bytes."""

import hashlib
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.slow

CONFIG = """\
seeds: [0]
models: {matconvnet-digits: {epochs: 3}}
experiments: [{dataset: digits, model: matconvnet-digits, heatmap_mu: 5}]
selection: {scopes: [all], mu: [1, 5]}
"""
NAMES = ("training", "selection", "selected_features")
FILES = [
    *(f"tables/{name}.csv" for name in NAMES),
    "models/digits/matconvnet-digits/seed0/model.pt",
    "selection/digits/matconvnet-digits/seed0/all/path.h5",
]
# With the client that the plugin brings.
FETCH = """
import sys
from pathlib import Path
import boto3
address, folder, *files = sys.argv[1:]
keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
client = boto3.client("s3", endpoint_url=address, **keys)
for file in files:
    target = Path(folder, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    client.download_file("vebi", f"results/one/{file}", str(target))
"""


@pytest.fixture
def store(root):
    """The address of an S3 with one empty bucket, `vebi`, and the Python that has its plugin."""
    python = root / ".venv-store/bin/python"
    assert python.exists(), "make store-env"
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = subprocess.Popen(
        [python, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    while True:
        try:
            urlopen(Request(f"{address}/vebi", method="PUT"), timeout=10).close()
            break
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield address, python
    server.terminate()
    server.wait()


def test_files_in_s3_have_the_bytes_of_files_on_a_disk(make_checkout, store, tmp_path):
    address, python = store
    config = tmp_path / "one.yaml"
    config.write_text(CONFIG)
    call = ("-m", "snakemake", "--cores", "2", "--configfile", str(config), "--config", "run=one")
    here = make_checkout("disk")
    here.snakemake(*call[2:], "--", *(f"results/one/{file}" for file in FILES))
    there = make_checkout("store")
    arguments = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://vebi"]
    arguments += ["--storage-s3-endpoint-url", address, "--shared-fs-usage", "none"]
    keys = {f"SNAKEMAKE_STORAGE_S3_{name}_KEY": "any" for name in ("ACCESS", "SECRET")}
    done = subprocess.run(
        [python, *call, *arguments, "--", *(f"results/one/{file}" for file in FILES)],
        cwd=there.folder,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (there.folder / "results/one/tables").exists(), "what is stored does not stay here"
    fetched = tmp_path / "fetched"
    subprocess.run([python, "-c", FETCH, address, fetched, *FILES], check=True)
    for file in FILES:
        assert _digest(fetched / file) == _digest(here.folder / "results/one" / file), file


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
