# SPDX-License-Identifier: Apache-2.0
"""One contender's turn: a host of its own, all operations one after the other."""

import subprocess
import time

from . import sandbox
from .contender import OPERATIONS
from .measure import Meter


def _links_of_host():
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")


def rest(probe):
    """Waits until the kernel has nothing left to clean up: it takes one namespace after the other, ours last."""
    subprocess.run([probe, "rest"], check=True)


def time_element(paths, contender):
    """The median time in µs of a transaction that adds or deletes one element of the contender's table."""
    command = [paths.floor, contender.marks, contender.limits or "-", "elements", "100"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def take_turn(paths, contender_class, count, operations, counting=False):
    """What each operation took; with `counting` the number of its system calls instead."""

    wanted = {*operations, "create", "remove"}
    if wanted & {"add", "drop"}:
        wanted |= {"add", "drop"}

    def work():
        contender = contender_class(paths)
        contender.prepare(count)
        meter = Meter(paths.probe)
        before = _links_of_host()
        taken = {}
        for operation in OPERATIONS:
            if operation not in contender.operations or operation not in wanted:
                continue
            if operation == "repair":
                contender.break_one()
            command = contender.command(operation)
            gone = {"drop": 1, "remove": count}.get(operation, 0)
            if counting:
                taken[operation] = {"calls": meter.count_calls(command)}
            else:
                taken[operation] = meter.run(command, gone=gone)
            if not gone:
                time.sleep(0.05)  # work that the kernel does afterwards is not the next one's
            if operation == "create" and contender.table and not counting:
                taken["elements"] = time_element(paths, contender)
        _wait_for_links(before)
        return taken

    taken = sandbox.inside(work, timeout=3600)
    rest(paths.probe)
    return taken


def _wait_for_links(count):
    until = time.monotonic() + 60
    while _links_of_host() > count:
        if time.monotonic() > until:
            raise TimeoutError("links are left on the host")
        time.sleep(0.02)
