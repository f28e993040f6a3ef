"""A real Slurm on this machine: a controller, four nodes, two counted GPUs, accounting.

Everything lives in one folder of its own, on ports that were free, and ends with the tests. Only
/etc/slurm/slurm.conf stands elsewhere, since the executor's inner srun looks nowhere else. The
configuration is locked for as long as its tests run: that tells what a killed run
left behind from a Slurm in use, and the former is removed.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PREFIX = "slurm-"
MARK = "# Made by vebi's tests: a Slurm for as long as they run.\n"
# Names of the nodes, their cores and GPUs.
NODES = {"cpu1": (2, 0), "cpu2": (2, 0), "gpu1": (1, 1), "gpu2": (1, 1)}
NODE_MB = 12000


class Cluster:
    """The daemons, started as children of this process so that they can be ended by their number."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder.chmod(0o755)
        self._daemons: list[subprocess.Popen] = []
        ports = _free_ports(3 + len(NODES))
        self._database_port, self._dbd_port, self._controller_port, *node_ports = ports
        self._node_ports = dict(zip(NODES, node_ports, strict=True))
        self._config = self.folder / "slurm.conf"

    def start(self) -> None:
        self._start_munge()
        self._start_database()
        self._write_config()
        self._start("slurmdbd", "slurmdbd", "-D")
        _wait_for(lambda: _listens(self._dbd_port), "slurmdbd to listen")
        self.ask("sacctmgr", "-i", "add", "cluster", "vebi", check=False)
        self._start("slurmctld", "slurmctld", "-D", "-f", str(self._config))
        _wait_for(lambda: _listens(self._controller_port), "slurmctld to listen")
        for node in NODES:
            self._start(node, "slurmd", "-D", "-N", node, "-f", str(self._config))
        _wait_for(self._all_idle, "all nodes to be idle")

    def stop(self) -> None:
        if _listens(self._controller_port):
            subprocess.run(["scancel", "--user=root"], capture_output=True, check=False, timeout=30)
            _wait_for(lambda: not self.ask("squeue", "-h").strip(), "jobs to end", fails=False)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        if SYSTEM_CONFIG.is_symlink() and SYSTEM_CONFIG.resolve() == self._config.resolve():
            SYSTEM_CONFIG.unlink()
        _remove(self.folder)

    def ask(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm answers."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def logs(self) -> str:
        """The ends of the daemons' logs, to be shown when something went wrong."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"== {f.name}\n{f.read_text(errors='replace')[-3000:]}" for f in files)

    def _start(self, name: str, *command: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._daemons.append(
            subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        )

    def _all_idle(self) -> bool:
        states = self.ask("sinfo", "-h", "-N", "-o", "%N %t", check=False).split()[1::2]
        return len(states) == len(NODES) and set(states) == {"idle"}

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        folder.mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        for path in (folder, key):
            shutil.chown(path, "munge", "munge")
        self._munge_socket = folder / "munge.socket"
        self._start(
            *("munged", "setpriv", "--reuid=munge", "--regid=munge", "--clear-groups"),
            *("munged", "--foreground", f"--key-file={key}", f"--socket={self._munge_socket}"),
            *(f"--{what}-file={folder / what}" for what in ("log", "pid", "seed")),
        )
        _wait_for(self._munge_socket.exists, "munged's socket")

    def _start_database(self) -> None:
        folder = self.folder / "mariadb"
        folder.mkdir()
        shutil.chown(folder, "mysql", "mysql")
        data, door = folder / "data", folder / "mariadb.socket"
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={data}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            capture_output=True,
            check=True,
        )
        self._start(
            *("mariadb", "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}"),
            *(f"--socket={door}", f"--port={self._database_port}", "--bind-address=127.0.0.1"),
            *(f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=64M"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900"),
        )
        client = ["mariadb", "--no-defaults", "--user=root", f"--socket={door}", "-e"]
        _wait_for(
            lambda: not subprocess.run([*client, "select 1"], capture_output=True).returncode,
            "the database to answer",
        )
        grant = (
            "create database slurm; create user 'slurm'@'%' identified by 'slurm';"
            "grant all on slurm.* to 'slurm'@'%';"
        )
        subprocess.run([*client, grant], check=True)

    def _write_config(self) -> None:
        folder, host = self.folder, socket.gethostname()
        device = folder / "nvidia0"
        # A GPU is counted by a device file; this one has the numbers of /dev/null.
        subprocess.run(["mknod", device, "c", "1", "3"], check=True)
        accounting = folder / "slurmdbd.conf"
        accounting.write_text(f"""\
AuthType=auth/munge
AuthInfo=socket={self._munge_socket}
DbdHost=localhost
DbdPort={self._dbd_port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={self._database_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
""")
        accounting.chmod(0o600)
        (folder / "gres.conf").write_text(f"NodeName=gpu[1-2] Name=gpu File={device}\n")
        nodes = "".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={self._node_ports[name]}"
            f" CPUs={cpus} RealMemory={NODE_MB}{f' Gres=gpu:{gpus}' if gpus else ''} State=UNKNOWN\n"
            for name, (cpus, gpus) in NODES.items()
        )
        self._config.write_text(f"""\
{MARK}ClusterName=vebi
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self._controller_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={self._munge_socket}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SchedulerParameters=batch_sched_delay=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={self._dbd_port}
AccountingStoragePass={self._munge_socket}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
EnforcePartLimits=ALL
ReturnToService=2
SlurmdTimeout=20
InactiveLimit=0
KillWait=2
MinJobAge=300
# Jobs are as nice as whoever starts the tests.
PropagatePrioProcess=1
{nodes}PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=gpu[1-2] MaxTime=INFINITE State=UP
""")
        # Held until this process ends, however it ends; children don't get it.
        self._lock = self._config.open()
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # slurmdbd reads its own file next to slurm.conf.
        os.environ["SLURM_CONF"] = str(self._config)
        SYSTEM_CONFIG.parent.mkdir(exist_ok=True)
        remove_what_a_killed_run_left(SYSTEM_CONFIG)
        SYSTEM_CONFIG.symlink_to(self._config)


def remove_what_a_killed_run_left(link: Path) -> None:
    """Frees the place of Slurm's configuration where a run of these tests was killed.

    RuntimeError where it belongs to a run that goes on, or to a Slurm that is not ours.
    """
    if link.is_symlink() and not link.exists():
        link.unlink()
    if not link.exists():
        return
    config = link.resolve()
    folder = config.parent
    is_ours = (
        link.is_symlink()
        and folder.parent == Path(tempfile.gettempdir()).resolve()
        and folder.name.startswith(PREFIX)
        and config.read_text().startswith(MARK)
    )
    if not is_ours:
        raise RuntimeError(f"{link} belongs to a Slurm that is not ours: left alone")
    with config.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{link} belongs to another run of these tests, in {folder}: wait for its end"
            ) from None
        link.unlink()
        _remove(folder)


def _remove(folder: Path) -> None:
    """A cluster's folder, and what still runs of it: daemons name it, jobs have its SLURM_CONF."""
    mark = os.fsencode(folder) + b"/"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            named = mark in (process / "cmdline").read_bytes()
            named = named or b"SLURM_CONF=" + mark in (process / "environ").read_bytes()
            if named and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait_for(is_so, what: str, seconds: float = 180, fails: bool = True) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return
        time.sleep(0.2)
    if fails:
        raise TimeoutError(f"waited {seconds:g} s for {what}")
