# SPDX-License-Identifier: Apache-2.0
"""A throw-away host for playbooks: network, mount and process namespaces of its own, with an empty configuration, and a
home for the controller, which is the same host.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "config"))

from throwaway_root import must, own_cgroups  # noqa: E402

INSIDE = "PARTD_ANSIBLE_TEST_INSIDE"
PATIENCE = float(os.environ.get("PARTD_TEST_PATIENCE", "1"))
TIMEOUT = 60 * PATIENCE
SCRATCH = pathlib.Path("/run/scratch")
CONFIG = pathlib.Path("/etc/partd")
HOST, CONTROLLER = "192.0.2.1", "192.0.2.2"


def enter(arguments):
    """Starts this program again where it may do as it likes; returns there. It ends with the one that started it."""
    if os.environ.get(INSIDE) != "1":
        os.environ[INSIDE] = "1"
        os.execvp("unshare", [
            "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
            sys.executable, "-B", *arguments,
        ])  # fmt: skip
    must("mount", "-t", "tmpfs", "tmpfs", "/run")
    for directory in ("upper", "work"):
        pathlib.Path("/run/etc", directory).mkdir(parents=True)
    must("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work", "/etc")
    for directory in ("/run", "/var/lib"):
        must("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", directory)
    must("ip", "link", "set", "lo", "up")
    shutil.rmtree(CONFIG, ignore_errors=True)
    CONFIG.mkdir()


@contextlib.contextmanager
def host(programs):
    """Within, there is a controller with the collection, and partctl in PATH. programs: the directory of partctl."""
    with own_cgroups():
        collections = SCRATCH / "collections/ansible_collections/partd"
        collections.mkdir(parents=True)
        shutil.copytree(PROJECT / "packaging/ansible", collections / "host", ignore=shutil.ignore_patterns("__pycache__"))
        os.environ.update(
            PATH=f"{programs}:{os.environ['PATH']}",
            HOME=str(SCRATCH),
            LC_ALL="C.UTF-8",
            PYTHONDONTWRITEBYTECODE="1",
            ANSIBLE_COLLECTIONS_PATH=str(SCRATCH / "collections"),
            ANSIBLE_CALLBACK_PLUGINS=str(HERE / "plugins/callback"),
            ANSIBLE_CONNECTION_PLUGINS=str(HERE / "plugins/connection"),
            ANSIBLE_CALLBACKS_ENABLED="record",
            ANSIBLE_PIPELINING="1",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_RETRY_FILES_ENABLED="0",
            ANSIBLE_DEPRECATION_WARNINGS="0",
            ANSIBLE_LOCALHOST_WARNING="0",
        )
        try:
            yield
        finally:
            reset()


def output(*program):
    return subprocess.run(program, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout


@contextlib.contextmanager
def controller_beside():
    """Within, there is a controller in a network namespace of its own, which reaches the host by SSH; yields the options of
    play() for it."""
    key, home = SCRATCH / "id", SCRATCH / "home"
    if not key.exists():
        must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        must("dropbearkey", "-t", "ed25519", "-f", SCRATCH / "hostkey")
        (home / ".ssh").mkdir(parents=True)
        shutil.copy(f"{key}.pub", home / ".ssh/authorized_keys")
        # The server goes by root's home; that of the machine is not ours.
        users = pathlib.Path("/etc/passwd")
        users.write_text(users.read_text().replace(":/root:", f":{home}:", 1))
    must("ip", "netns", "add", "controller")
    must("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "controller")
    must("ip", "address", "add", f"{HOST}/24", "dev", "uplink")
    must("ip", "link", "set", "uplink", "up")
    must("ip", "-n", "controller", "address", "add", f"{CONTROLLER}/24", "dev", "eth0")
    must("ip", "-n", "controller", "link", "set", "eth0", "up")
    server = subprocess.Popen(["dropbear", "-F", "-E", "-s", "-p", "2222", "-r", SCRATCH / "hostkey"], stderr=subprocess.DEVNULL)
    try:
        ssh = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        yield {
            "connection": "ssh",
            "prefix": ("ip", "netns", "exec", "controller"),
            "variables": f"ansible_host={HOST} ansible_port=2222 ansible_user=root ansible_ssh_private_key_file={key} "
                         f"ansible_ssh_common_args='{ssh}'",
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait(timeout=TIMEOUT)
        must("ip", "link", "del", "uplink")
        must("ip", "netns", "del", "controller")


def partctl(*arguments):
    return subprocess.run(["partctl", "--color", "never", *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)


def reset():
    """The host without files, partitions and history."""
    for path in CONFIG.iterdir():
        path.unlink()
    partctl("rollback")
    partctl("apply", "--allow-delete")
    shutil.rmtree("/var/lib/partd", ignore_errors=True)


@contextlib.contextmanager
def daemon():
    """partd, within."""
    with open(SCRATCH / "partd.log", "a") as log:
        process = subprocess.Popen(["partd"], stdout=log, stderr=log)
    try:
        until(lambda: partctl("status").returncode == 0)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT)


def until(condition, patience=10):
    end = time.monotonic() + patience * PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.02)


class Run:
    """A run of ansible-playbook: its exit code, its output, and what came of each task."""

    def __init__(self, process, record):
        self.text, _ = process.communicate(timeout=TIMEOUT)
        self.code = process.returncode
        self.tasks = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []

    def named(self, name):
        return next(each for each in self.tasks if each["task"].split(" : ")[-1] == name)

    def result(self, name):
        return self.named(name)["result"]

    def changed(self):
        return [each["task"] for each in self.tasks if each["result"].get("changed")]

    def told(self):
        """What each task said it does: what has to be the same with --check and without."""
        return [(each["task"], each["outcome"], each["result"].get("changed"), each["result"].get("diff"), each["result"].get("msg"))
                for each in self.tasks]  # fmt: skip


counter = 0


def start(playbook, *options, connection="local", variables="", prefix=(), environment=None):
    """A play of these tasks, or the playbook in that file; returns what Run takes. prefix: what runs ansible-playbook."""
    global counter
    counter += 1
    if not isinstance(playbook, (str, pathlib.Path)):
        path = SCRATCH / f"play-{counter}.yml"
        path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": playbook}]))
        playbook = path
    record = SCRATCH / f"record-{counter}"
    inventory = f"[servers]\nthrowaway ansible_connection={connection} ansible_python_interpreter={sys.executable} {variables}\n"
    (SCRATCH / f"hosts-{connection}").write_text(inventory)
    process = subprocess.Popen(
        [*prefix, "ansible-playbook", "-i", SCRATCH / f"hosts-{connection}", playbook, *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "RECORD": str(record), **(environment or {})},
    )  # fmt: skip
    return process, record


def play(playbook, *options, **more):
    return Run(*start(playbook, *options, **more))
