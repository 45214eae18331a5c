# SPDX-License-Identifier: Apache-2.0
"""The running daemon: one file a partition; edits, drift, rest and memory."""

import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import threading
import time

from . import sandbox
from .cycle import rest
from .document import Partition, partitions
from .measure import summary

CONFIG = pathlib.Path("/etc/partd")
DRAFT = "/run/bench/draft"
SETTLE = "0ms"
MTU = 1400


class Daemon:
    """partd in the foreground; READY tells that the host is as declared."""

    def __init__(self, program):
        path = "/run/bench/notify"
        pathlib.Path(path).unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(path)
        self._log = open("/run/bench/log", "a+", encoding="utf-8")
        started = time.monotonic()
        self._process = subprocess.Popen([program], stdout=self._log, stderr=self._log,
                                         env={**os.environ, "NOTIFY_SOCKET": path})
        ready = threading.Event()
        # Read to the end, as systemd does: partd waits when nobody takes what it tells.
        threading.Thread(target=self._hear, args=[ready], daemon=True).start()
        if not ready.wait(300):
            raise RuntimeError(f"partd is not ready: {self.log()}")
        self.ready_after = time.monotonic() - started

    def _hear(self, ready):
        while True:
            if "READY=1" in self._notify.recv(4096).decode().split("\n"):
                ready.set()

    def _proc(self, file):
        return pathlib.Path(f"/proc/{self._process.pid}/{file}").read_text()

    def memory(self):
        """RSS and PSS now, the most RSS so far, in KiB."""
        found = {}
        for line in (self._proc("smaps_rollup") + self._proc("status")).splitlines():
            name, _, value = line.partition(":")
            if name in ("Rss", "Pss", "VmHWM"):
                found[name] = int(value.split()[0])
        return {"rss": found["Rss"], "pss": found["Pss"], "peak_rss": found["VmHWM"]}

    def _activity(self):
        wakeups = 0
        for task in pathlib.Path(f"/proc/{self._process.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    wakeups += int(line.split()[1])
        ticks = self._proc("stat").rpartition(")")[2].split()
        return wakeups, (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")

    def idle(self, seconds):
        before = self._activity()
        time.sleep(seconds)
        after = self._activity()
        return {"seconds": seconds, "wakeups": after[0] - before[0], "cpu": round(after[1] - before[1], 3)}

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        if code != 0:
            raise RuntimeError(f"partd ended with {code}: {self.log()}")

    def log(self):
        self._log.seek(0)
        return self._log.read()[-3000:]


def _file(partition):
    return CONFIG / f"{partition.name}.toml"


class Scenario:
    def __init__(self, paths, count, limits):
        self.paths, self.count, self.limits = paths, count, limits

    def _probe(self, *arguments):
        done = subprocess.run([self.paths.probe, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            log = pathlib.Path("/run/bench/log").read_text(encoding="utf-8")[-2000:]
            raise RuntimeError(f"probe {arguments[:3]}: {done.stderr}{log}")
        return done.stdout

    def _draft(self, partition):
        pathlib.Path(DRAFT).write_text(partition.toml(self.limits), encoding="utf-8")

    def declare(self):
        # The resync is a full look, which is measured as partctl diff; here it would only be in the way.
        (CONFIG / "daemon.toml").write_text(f'[daemon]\nsettle = "{SETTLE}"\nresync = "10h"\n', encoding="utf-8")
        for partition in partitions(self.count):
            _file(partition).write_text(partition.toml(self.limits), encoding="utf-8")

    def edits(self, times):
        taken = []
        for i in range(times):
            partition = Partition(i * self.count // times, mtu=MTU + i)
            self._draft(partition)
            taken.append(float(self._probe("edit", "mtu", _file(partition), DRAFT, partition.host_end, MTU + i)))
            time.sleep(0.05)
        return taken

    def adds_and_drops(self, times):
        added, dropped = [], []
        for _ in range(times):
            partition = Partition(self.count)
            self._draft(partition)
            added.append(float(self._probe("edit", "add", _file(partition), DRAFT, partition.host_end)))
            time.sleep(0.1)
            dropped.append(float(self._probe("edit", "drop", _file(partition), partition.name)))
            time.sleep(0.2)
        return added, dropped

    def drift(self, times):
        """Another partition each time, as far as there are: the same one over and over would be a fight."""
        names = [Partition(number).name for number in range(min(self.count, times))]
        return [json.loads(line) for line in self._probe("drift", 30, *names).splitlines()]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def over_runs(values):
    """Of what several runs gave the median of medians, the least, the most, and the median p99."""
    if not isinstance(values[0], dict):
        return summary(values)
    if "median" not in values[0]:
        return {key: statistics.median(value[key] for value in values) for key in values[0]}
    merged = {"median": statistics.median(value["median"] for value in values),
              "min": min(value["min"] for value in values), "max": max(value["max"] for value in values),
              "runs": sum(value["runs"] for value in values)}
    if "p99" in values[0]:
        merged["p99"] = statistics.median(value["p99"] for value in values)
    return merged


def take_turn(paths, count, idle_seconds, times):
    """Everything about the daemon with so many partitions."""

    def work():
        groups = sandbox.hierarchies()
        scenario = Scenario(paths, count, bool(groups.get("pids", groups.get(""))))
        scenario.declare()
        daemon = Daemon(paths.partd)
        found = {"create": daemon.ready_after, "memory_at_start": daemon.memory()}
        time.sleep(15)  # what the kernel tells a while later (addresses, carriers), and the metrics after that
        found["idle"] = daemon.idle(idle_seconds)
        found["edit"] = scenario.edits(times)
        found["add"], found["drop"] = scenario.adds_and_drops(times)
        drift = scenario.drift(200)
        time.sleep(15)  # a while after its work partd gives memory back
        found["memory"] = daemon.memory()
        daemon.stop()
        again = Daemon(paths.partd)
        found["restart"] = again.ready_after
        again.stop()
        for what in ("down", "first", "repaired"):
            values = [sample[what] for sample in drift]
            found[f"drift_{what}"] = {**summary(values), "p99": percentile(values, 0.99)}
        for what in ("edit", "add", "drop"):
            found[what] = summary(found[what])
        return found

    found = sandbox.inside(work, timeout=1800)
    rest(paths.probe)
    return found
