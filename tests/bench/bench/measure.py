# SPDX-License-Identifier: Apache-2.0
"""Runs one command and tells what it took."""

import json
import os
import re
import statistics
import subprocess


class Failed(Exception):
    pass


class Meter:
    def __init__(self, probe):
        self.probe = probe

    def run(self, command, gone=0, codes=(0,)):
        """wall, user, system in seconds, rss in KiB; with `gone` also until so many links had left the host."""
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        done = subprocess.run([self.probe, "run", str(writing), str(gone), *command], pass_fds=[writing],
                              stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        os.close(writing)
        with os.fdopen(reading) as report:
            text = report.read()
        sample = json.loads(text) if text else {"code": done.returncode}
        if sample.pop("code") not in codes:
            raise Failed(f"{' '.join(command)[:200]}: {done.stderr[-2000:]}")
        if gone and sample["gone"] is None:
            raise Failed(f"{' '.join(command)[:200]}: not all of {gone} links have gone")
        if not gone:
            del sample["gone"]
        return sample

    @staticmethod
    def count_calls(command, codes=(0,)):
        """The number of system calls, by strace in a run that is not measured."""
        file = "/run/bench/strace"
        done = subprocess.run(["strace", "-f", "-c", "-o", file, *command], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, errors="replace", check=False)
        if done.returncode not in codes:
            raise Failed(f"{' '.join(command)[:200]} under strace: {done.stderr[-2000:]}")
        with open(file, encoding="utf-8") as table:
            total = re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$", table.read(), re.MULTILINE)
        return int(total[1])


def summary(values):
    """Median, least and most of what several runs gave."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
