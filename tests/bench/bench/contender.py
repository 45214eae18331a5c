# SPDX-License-Identifier: Apache-2.0
"""What a contender is: how it does each of the operations. Each returns a command that is measured."""

import pathlib
import shutil
import subprocess

from . import sandbox
from .document import Partition, document, partitions

# create: N partitions at once. look: nothing has changed. change: the MTU of one. add: one more. repair: one whose link
# was set down. drop: that one less. remove: all.
OPERATIONS = ("create", "look", "change", "add", "repair", "drop", "remove")
MTU = 1400


class Contender:
    name = ""
    # As tables call it.
    title = ""
    operations = OPERATIONS
    # Programs that it takes beyond the tests' own, by the Debian package that has them (bench_packages).
    programs = {}
    # The most partitions that it makes in each run, and the most in the first run alone; up to 1,000 there with --all.
    most = 100
    most_once = 100

    # Whether it makes partd's own table of nftables.
    table = False

    def __init__(self, paths):
        self.paths = paths
        self.count = 0
        groups = sandbox.hierarchies()
        self.limits = groups.get("pids", groups.get("", ""))
        self.marks = groups.get("", "")

    def prepare(self, count):
        """Before anything is measured, on the throw-away host."""
        self.count = count

    def command(self, operation):
        """What is to be run and measured; what has to stand before, like an edited file, is made here."""
        return getattr(self, operation)()

    @classmethod
    def missing(cls):
        """Debian packages of programs that are not there."""
        return [package for package, program in cls.programs.items() if shutil.which(program) is None]

    @property
    def middle(self):
        return Partition(self.count // 2)

    def break_one(self):
        """Somebody sets a link down."""
        subprocess.run(["ip", "-n", self.middle.name, "link", "set", "eth0", "down"], check=True)


class Floor(Contender):
    name = "floor"
    title = "floor"
    table = True
    most = 4000

    def _floor(self, *arguments):
        return [self.paths.floor, self.marks, self.limits or "-", *map(str, arguments)]

    def create(self):
        return self._floor("create", 0, self.count)

    def look(self):
        return self._floor("look", self.count, 1)

    def change(self):
        return self._floor("change", self.middle.number, MTU)

    def add(self):
        return self._floor("create", self.count, 1)

    def repair(self):
        return self._floor("repair", self.middle.number)

    def drop(self):
        return self._floor("remove", self.count, 1)

    def remove(self):
        return self._floor("clear", self.count)


class Partd(Contender):
    """partctl alone, no daemon."""

    name = "partd"
    title = "partd (partctl)"
    table = True
    most = 4000

    def prepare(self, count):
        super().prepare(count)
        self.declared = partitions(count)

    def _write(self):
        """A file for each thousand: partd reads none over 1 MiB."""
        for part in range(len(self.declared) // 1000 + 1):
            with open(f"/etc/partd/bench{part}.toml", "w", encoding="utf-8") as file:
                file.write(document(self.declared[part * 1000:(part + 1) * 1000], bool(self.limits)))

    def _partctl(self, *arguments):
        return [self.paths.partctl, "--no-daemon", *arguments]

    def _apply(self):
        self._write()
        return self._partctl("apply", "--allow-delete")

    def create(self):
        return self._apply()

    def look(self):
        return self._partctl("diff")

    def change(self):
        self.declared[self.middle.number].mtu = MTU
        return self._apply()

    def add(self):
        self.declared.append(Partition(self.count))
        return self._apply()

    def repair(self):
        return self._apply()

    def drop(self):
        self.declared.pop()
        return self._apply()

    def remove(self):
        for file in pathlib.Path("/etc/partd").glob("bench*.toml"):
            file.unlink()
        self.declared = []
        return self._apply()
