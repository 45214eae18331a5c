# SPDX-License-Identifier: Apache-2.0
"""A throw-away root directory for each test, with partctl at work on it. Needs root; the test program runs itself again
in network and mount namespaces of its own and in an empty cgroup, so that nothing of the host changes.
"""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

import corpus

PARTCTL = None
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
MIB = 1 << 20

VALID = b'[partition.web]\ndescription = "valid"\n'
INVALID = b'[partition.web]\nzebra = "invalid"\n'


def mount_points():
    """Where each file system is mounted, with its type, in the order of mounting."""
    fields = (line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
    return [(field[4], field[field.index("-") + 1]) for field in fields]


def must(*program):
    result = corpus.run(*program)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, program))}: {result.stderr}")


def enter_namespaces(arguments):
    """Starts this program again where it may do as it likes; returns there."""
    inside = "PARTD_FILES_TEST_INSIDE"
    if os.environ.get(inside) != "1":
        os.environ[inside] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-B", *arguments])
    must("mount", "-t", "tmpfs", "tmpfs", "/run")


@contextlib.contextmanager
def own_cgroups():
    """Within, a new cgroup is all there is of the cgroup file systems."""
    unified = next((path for path, kind in mount_points() if kind == "cgroup2"), None)
    if unified is None:
        sys.exit("these tests make partitions, and no cgroup2 is mounted here to hold them")
    for path, kind in reversed(mount_points()):
        if kind == "cgroup":
            must("umount", path)
    # Not by its process id: several are PID 1 of their namespaces.
    own = pathlib.Path(tempfile.mkdtemp(prefix="partd-files-test-", dir=unified))
    try:
        must("mount", "--bind", own, unified)
        yield
    finally:
        must("umount", "--lazy", unified)
        for slice_dir in sorted(own.rglob("*.slice"), reverse=True):
            slice_dir.rmdir()
        own.rmdir()


class FilesTest(unittest.TestCase):
    """One root directory a test, and what to look at it with."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="partd-files-"))
        self.root.chmod(0o755)
        self.addCleanup(self.remove_root)
        self.etc = self.root / "etc/partd"
        self.run_dir = self.root / "run/partd"
        self.usr = self.root / "usr/lib/partd"
        for directory in (self.etc, self.run_dir, self.usr):
            directory.mkdir(parents=True)
        # A copy that nobody may run too, wherever the build tree lies.
        self.partctl = self.root / "partctl"
        shutil.copy2(PARTCTL, self.partctl)
        self.partctl.chmod(0o755)

    def remove_root(self):
        netns = self.root / "run/netns"
        for path, _ in reversed(mount_points()):
            if path.startswith(str(netns)):
                must("umount", "--lazy", path)
        shutil.rmtree(self.root, ignore_errors=True)

    def call(self, *arguments, prefix=(), **options):
        """partctl on the throw-away root, bounded in time; no signal and no control character ever."""
        result = corpus.run(*prefix, self.partctl, "--color", "never", "--root", self.root, *arguments, **options)
        self.assertGreaterEqual(result.returncode, 0, f"killed by a signal: {result.stderr}")
        self.assertLess(result.returncode, 128, result.stderr)
        self.assertNotRegex(result.stderr + result.stdout, corpus.CONTROL_CHARACTER)
        return result

    def assert_valid(self, *arguments):
        result = self.call("check", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def assert_refused(self, path, words, line=None, within=corpus.TIMEOUT):
        """`check` ends with 3 and an error at a place in that file that matches the words."""
        started = time.monotonic()
        result = self.call("check")
        taken = time.monotonic() - started
        self.assertEqual(result.returncode, 3, f"stderr: {result.stderr}")
        self.assertLess(taken, within)
        found = [d for d in corpus.diagnostics(result.stderr) if d.kind == "error" and d.file.endswith(str(path))]
        self.assertTrue(found, f"no file:line:column: error for {path} in: {result.stderr[:2000]}")
        self.assertRegex(found[0].text, words)
        if line is not None:
            self.assertEqual(found[0].line, line, found[0])
        return result

    def host(self):
        """What an apply could change, as other programs see it."""
        programs = (
            ("ip", "-j", "-d", "link"),
            ("ip", "-j", "address"),
            ("ip", "-j", "route", "show", "table", "all"),
            ("ip", "-j", "rule"),
            ("nft", "list", "ruleset"),
            ("find", "/sys/fs/cgroup", "-name", "partd*"),
            ("find", self.root, "/run"),
            ("cat", "/proc/self/mountinfo"),
            ("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"),
        )
        return {" ".join(map(str, program)): corpus.run(*program).stdout for program in programs}

    def has_netns(self, name):
        return (self.root / "run/netns" / name).exists()


def main(arguments):
    """Runs the tests of the program that calls it: PARTCTL [TEST…]."""
    global PARTCTL
    if os.geteuid() != 0:
        sys.exit("these tests make files of several owners and namespaces: they need root")
    PARTCTL = os.path.abspath(arguments[1])
    enter_namespaces(arguments)
    with own_cgroups():
        finished = unittest.main(module="__main__", argv=[arguments[0], *arguments[2:]], exit=False)
    sys.exit(not finished.result.wasSuccessful())
