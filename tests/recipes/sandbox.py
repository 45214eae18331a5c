# SPDX-License-Identifier: Apache-2.0
"""A throw-away host: namespaces and control groups of its own, empty /run, /srv, /var/lib and /etc/partd, an uplink
eth0 (192.0.2.1) to a machine "client" (192.0.2.2), which is also 9.9.9.9 on the internet.
"""

import ctypes
import fcntl
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = float(os.environ.get("PARTD_TEST_PATIENCE", "1"))
SCRATCH = pathlib.Path("/run/scratch")
CONFIG = pathlib.Path("/etc/partd")
PREFIX = "partd-recipes-"
CLONE_NEWNS = 0x00020000
GET_MOUNT_NAMESPACE_ID = 0x8008B705  # linux/nsfs.h, since 6.10

libc = ctypes.CDLL(None, use_errno=True)


def must(*program, **options):
    result = subprocess.run(program, capture_output=True, text=True, check=False, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, program))}: {result.stderr}")
    return result.stdout


class Hierarchies:
    """A directory in each mounted hierarchy of control groups, which becomes the root of the throw-away host's."""

    def __init__(self):
        self.roots = {}
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            before, after = line.split(" - ")
            if after.split()[0] in ("cgroup", "cgroup2"):
                place = pathlib.Path(before.split()[4])
                self.roots[place] = place / f"{PREFIX}{os.getpid()}"
        if not self.roots:
            sys.exit("these tests make partitions, and no control groups are mounted here to hold them")
        for place, own in self.roots.items():
            for stale in place.glob(f"{PREFIX}*"):
                if not pathlib.Path("/proc", stale.name[len(PREFIX):]).exists():
                    remove_groups(stale)
            make_group(own)
            # As on a host without swap space: a group that is out of memory is seen to be.
            for file in ("memory.swap.max", "memory.swappiness"):
                if (own / file).exists():
                    (own / file).write_text("0")

    def join(self):
        for own in self.roots.values():
            (own / "cgroup.procs").write_text("0")

    def enter(self):
        """After join(), in a cgroup namespace. The host's processes are in a group "host", since a group of cgroup v2
        that hands on controllers holds none itself."""
        for own in self.roots.values():
            make_group(own / "host")
            (own / "host/cgroup.procs").write_text("0")
        for place, own in self.roots.items():
            must("mount", "--bind", own, place)

    def remove(self):
        for own in self.roots.values():
            remove_groups(own)


def make_group(group):
    group.mkdir()
    for file in ("cpuset.cpus", "cpuset.mems"):  # a v1 cpuset without these takes no process
        if (group / file).exists() and not (group / "cgroup.controllers").exists():
            (group / file).write_text((group.parent / file).read_text())


def remove_groups(top):
    for below, _, _ in os.walk(top, topdown=False):
        for _ in range(100):  # the end of the last process may take a moment
            try:
                os.rmdir(below)
                break
            except OSError:
                time.sleep(0.02)


def inside(work):
    """Runs work() on a throw-away host; returns its exit code."""
    hierarchies = Hierarchies()
    try:
        return fork(lambda: start(hierarchies, work))
    finally:
        hierarchies.remove()


def fork(work):
    """Runs work() in a child; returns its exit code. The child ends with this process."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            code = work()
        except BaseException as error:  # pylint: disable=broad-except
            print(f"{type(error).__name__}: {error}")
        finally:
            sys.stdout.flush()
            os._exit(code)
    while True:
        ended, status = os.wait()  # where this process is PID 1, also orphans
        if ended == child:
            return os.waitstatus_to_exitcode(status) & 0xFF


def start(hierarchies, work):
    hierarchies.join()
    # net, ipc, uts, pid, cgroup
    if libc.unshare(0x40000000 | 0x08000000 | 0x04000000 | 0x20000000 | 0x02000000) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return fork(lambda: first_process(hierarchies, work))


def first_process(hierarchies, work):
    unshare_mounts()
    isolate_mounts()
    hierarchies.enter()
    settle_sysctls()
    must("hostname", "host")
    uplink()
    return fork(work)


def mount_namespace_id():
    """The kernel's number for the mount namespace of this process; 0 where the kernel has none."""
    number = bytearray(8)
    with open("/proc/self/ns/mnt", "rb") as namespace:
        try:
            fcntl.ioctl(namespace, GET_MOUNT_NAMESPACE_ID, number)
        except OSError:
            return 0
    return int.from_bytes(number, sys.byteorder)


def unshare_mounts():
    """A mount namespace in which others can be pinned: tests/kernel/support/sandbox.cpp explains the choice."""
    before = os.sched_getaffinity(0)

    def make_at(processor):
        os.sched_setaffinity(0, {processor})
        if libc.unshare(CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare mnt")
        return mount_namespace_id()

    make_at(min(before, key=make_at))
    os.sched_setaffinity(0, before)


def isolate_mounts():
    must("mount", "--make-rprivate", "/")
    must("mount", "-t", "proc", "proc", "/proc")
    mount_tmpfs("/run")
    for place in ("/etc", "/root", "/home"):
        if pathlib.Path(place).is_dir():
            overlay(place, f"/run/overlay{place}")
    mount_tmpfs("/run")  # empty again; the overlays keep theirs
    for place in (CONFIG, "/root/.ssh", "/etc/netns", "/etc/sysctl.d", "/etc/ufw", "/usr/lib/partd"):
        if pathlib.Path(place).is_dir():
            mount_tmpfs(place)
    for place in ("/srv", "/var/lib"):
        mount_disk(place)
    CONFIG.mkdir(exist_ok=True)
    # Programs bind a partition's resolv.conf over it, which a link into the hidden /run does not take.
    resolv = pathlib.Path("/etc/resolv.conf")
    resolv.unlink(missing_ok=True)
    resolv.write_text("nameserver 9.9.9.9\n")
    pathlib.Path("/etc/sysctl.conf").unlink(missing_ok=True)
    SCRATCH.mkdir()


def mount_tmpfs(place):
    must("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", place)


def mount_disk(place):
    """An empty directory; on a disk where tests are told to keep root trees there (tests/README.md)."""
    if disk := os.environ.get("PARTD_TEST_DISK"):
        directory = tempfile.mkdtemp(prefix="partd-recipes.", dir=disk)
        os.chmod(directory, 0o755)
        must("mount", "--bind", directory, place)
    else:
        mount_tmpfs(place)


def overlay(place, store):
    """Writes below it go to memory."""
    for directory in ("upper", "work"):
        pathlib.Path(store, directory).mkdir(parents=True)
    options = f"lowerdir={place},upperdir={store}/upper,workdir={store}/work"
    must("mount", "-t", "overlay", "overlay", "-o", options, place)


def settle_sysctls():
    """As a host has them that forwards for nobody yet."""
    for file in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables"):
        if pathlib.Path("/proc/sys", file).exists():
            pathlib.Path("/proc/sys", file).write_text("0")


def uplink():
    must("ip", "link", "set", "lo", "up")
    machine("client")
    must("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", "/run/machines/client")
    must("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    must("ip", "link", "set", "eth0", "up")
    for command in ("address add 9.9.9.9/32 dev lo", "address add 192.0.2.2/24 dev eth0", "link set eth0 up"):
        must(*on("client"), "ip", *command.split())
    must("ip", "route", "add", "default", "via", "192.0.2.2")


def machine(name):
    """The network of another machine."""
    path = pathlib.Path("/run/machines", name)
    path.parent.mkdir(exist_ok=True)
    path.touch()
    must("unshare", f"--net={path}", "ip", "link", "set", "lo", "up")


def on(name):
    """Before a command: it runs in the network of that machine."""
    return ("nsenter", f"--net=/run/machines/{name}")


def remains():
    """All that a recipe has to take away again, a line each."""
    links = [line.split(":")[1].split("@")[0].strip() for line in must("ip", "-o", "link").splitlines()]
    groups = [str(path) for path in pathlib.Path("/sys/fs/cgroup").rglob("partd*") if path.is_dir()]
    places = ("/run/netns", "/run/partd/ns", "/etc/partd", "/etc/netns", "/var/lib/partd/layers")
    files = [str(path) for place in places for path in pathlib.Path(place).glob("*")]
    rules, table = [], ""
    for line in must("nft", "-s", "list", "ruleset").splitlines():
        table = line if line.startswith("table") else table
        if "inet partd" not in table and not re.match(r"\s*(table|chain|type|\}|$)", line):
            rules.append(f"{table} … {line.strip()}")
    return sorted(["link " + link for link in links] + groups + files + rules + must("ip", "rule").splitlines())
