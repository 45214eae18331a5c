# SPDX-License-Identifier: Apache-2.0
"""A throw-away host: network and mount namespaces, an empty /run and /var/lib, cgroup directories of its own."""

import contextlib
import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import traceback

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if _libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def hierarchies():
    """Where cgroups are mounted, by controller; "" is cgroup v2."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        place, (kind, _, options) = before.split()[4], after.split()[:3]
        if kind == "cgroup2":
            found[""] = place
        elif kind == "cgroup" and "name=" not in options:
            for controller in set(options.split(",")) - {"rw", "ro"}:
                found[controller] = place
    return found


class CgroupRoots:
    """A directory in each hierarchy, to be bound over its root."""

    def __init__(self):
        name = f"partd-bench-{os.getpid()}"
        self.places = {place: f"{place}/{name}" for place in set(hierarchies().values())}
        for place, directory in self.places.items():
            os.mkdir(directory)
            for file in ("cpuset.cpus", "cpuset.mems"):  # a v1 cpuset without these takes no process
                source = pathlib.Path(place, file)
                if place != hierarchies().get("") and source.exists():
                    pathlib.Path(directory, file).write_text(source.read_text())

    def enter(self):
        for place, directory in self.places.items():
            mount("--bind", directory, place)

    def remove(self):
        for directory in self.places.values():
            for below, _, _ in os.walk(directory, topdown=False):
                for _ in range(50):  # the last process's end may take a moment
                    try:
                        os.rmdir(below)
                        break
                    except FileNotFoundError:
                        break
                    except OSError:
                        time.sleep(0.02)


def _isolate(roots):
    unshare(CLONE_NEWNET | CLONE_NEWNS)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for directory in ("/run/layers/upper", "/run/layers/work"):
        os.makedirs(directory)
    mount("-t", "overlay", "-o", "lowerdir=/etc,upperdir=/run/layers/upper,workdir=/run/layers/work", "overlay",
          "/etc")
    for directory in ("/etc/partd", "/usr/lib/partd", "/etc/netns"):
        if os.path.isdir(directory):
            mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
    os.makedirs("/etc/partd", mode=0o755, exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")  # the layers stay where they are
    os.mkdir("/run/bench")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib")
    roots.enter()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _child(roots, work, pipe):
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.umask(0o022)
        _isolate(roots)
        answer = {"result": work()}
    except BaseException:  # whatever it is, the parent tells it
        answer = {"error": traceback.format_exc()}
    with os.fdopen(pipe, "w") as out:
        json.dump(answer, out)


def _read_all(pipe, timeout):
    until = time.monotonic() + timeout
    text = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0, until - time.monotonic()))
        if not ready:
            return None
        more = os.read(pipe, 1 << 16)
        if not more:
            return text
        text += more


def inside(work, timeout=600):
    """Runs work() on a throw-away host, in a process of its own; its result has to be JSON."""
    roots = CgroupRoots()
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _child(roots, work, writing)
        os._exit(0)
    os.close(writing)
    try:
        text = _read_all(reading, timeout)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # its session: what it started and left behind
        os.waitpid(pid, 0)
        roots.remove()
    if text is None:
        raise TimeoutError(f"not done within {timeout} s")
    answer = json.loads(text or b'{"error": "the process ended without an answer"}')
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]
