# SPDX-License-Identifier: Apache-2.0
"""The command line of tests/bench/run."""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import types

from . import cycle, daemon, machine, packets, plot, report, state
from .contender import OPERATIONS, Floor, Partd
from .measure import summary
from .peers import PEERS

SOURCE = pathlib.Path(__file__).resolve().parents[3]
CONTENDERS = {contender.name: contender for contender in (Floor, Partd, *PEERS)}
PACKET_SIZES = (1, 1000)
PARTS = (*CONTENDERS, "daemon", "packets")
# System calls are counted under strace, which is slow: only up to so many, and for those with a peer's pace less.
DAEMON_SIZES = (1, 10, 100, 1000)
MOST_COUNTED = {"floor": 1000, "partd": 1000}


def say(*words, sep=" "):
    print(time.strftime("%H:%M:%S"), *words, sep=sep, file=sys.stderr, flush=True)


def arguments():
    def numbers(text):
        return [int(number) for number in text.split(",")]

    def words(text):
        return [word for word in text.split(",") if word]

    parser = argparse.ArgumentParser(description="Measures partd against the floor and against what others do.")
    parser.add_argument("--sizes", type=numbers, default=[1, 10, 100, 1000, 4000], help="how many partitions")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured")
    parser.add_argument("--only", type=words, default=None, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--all", action="store_true",
                        help="also what takes minutes: the peers at N = 1,000, once")
    parser.add_argument("--ops", type=words, default=list(OPERATIONS), help=f"of {', '.join(OPERATIONS)}")
    parser.add_argument("--idle", type=int, default=10, help="seconds in which the idle daemon is watched")
    parser.add_argument("--edits", type=int, default=20,
                        help="how many files are edited, added and removed in each run")
    parser.add_argument("--no-calls", action="store_true", help="do not count system calls")
    parser.add_argument("--check", action="store_true",
                        help="compare the states that floor and partd leave, before anything is measured")
    parser.add_argument("--build", default=SOURCE / "build/release", type=pathlib.Path)
    parser.add_argument("--results", default=SOURCE / "tests/bench/results", type=pathlib.Path)
    options = parser.parse_args()
    for name in options.only or []:
        if name not in PARTS:
            parser.error(f"--only: {name} is none of {', '.join(PARTS)}")
    for name in options.ops:
        if name not in OPERATIONS:
            parser.error(f"--ops: {name} is none of {', '.join(OPERATIONS)}")
    return options


def find_programs(build):
    paths = types.SimpleNamespace(partctl=str(build / "partctl"), partd=str(build / "partd"),
                                  floor=str(build / "tests/bench/partd_bench_floor"),
                                  probe=str(build / "tests/bench/partd_bench_probe"),
                                  traffic=str(build / "tests/bench/partd_bench_traffic"))
    missing = [path for path in vars(paths).values() if not os.access(path, os.X_OK)]
    if missing:
        sys.exit(f"tests/bench/run: not built: {', '.join(missing)}")
    return paths


def turns(options, run=0):
    """Who has a turn at which size, in one run; the contenders of one size one behind the other."""
    for count in options.sizes:
        for contender in CONTENDERS.values():
            most = contender.most
            if run == 0:
                most = max(most, 1000 if options.all else contender.most_once)
            if wants(options, contender.name) and not contender.missing() and count <= most:
                yield contender, count


def attempt(failures, name, work):
    """work()'s result, or None: what fails is told at the end, and does not cost the results of the others."""
    try:
        return work()
    except (RuntimeError, TimeoutError, subprocess.SubprocessError) as failure:
        say(f"{name} FAILED: {failure}")
        failures.append(f"{name}: {str(failure).strip().splitlines()[-1]}")
        return None


def measure_operations(options, paths, failures):
    samples, elements = {}, {}
    for run in range(options.runs):
        for contender, count in turns(options, run):
            started = time.monotonic()
            taken = attempt(failures, f"{contender.name} {count}",
                            lambda: cycle.take_turn(paths, contender, count, options.ops))
            if taken is None:
                continue
            for operation, sample in taken.items():
                if operation == "elements":
                    elements.setdefault(contender.name, {}).setdefault(str(count), []).append(sample)
                    continue
                samples.setdefault((contender.name, operation, str(count)), []).append(sample)
            say(f"run {run + 1}: {contender.name} {count}: create {taken['create']['wall'] * 1000:.1f} ms;",
                f"{time.monotonic() - started:.1f} s in all")
    measured = {}
    for (name, operation, count), found in samples.items():
        measured.setdefault(name, {}).setdefault(operation, {})[count] = {
            what: summary([sample[what] for sample in found]) for what in found[0]}
    return measured, {name: {count: summary(values) for count, values in counts.items()}
                      for name, counts in elements.items()}


def wants(options, name):
    return options.only is None or name in options.only


def measure_daemon(options, paths, failures):
    """What takes a running daemon; each run gives medians, of which the median is told."""
    samples = {}
    for run in range(options.runs):
        for count in [count for count in options.sizes if count in DAEMON_SIZES]:
            found = attempt(failures, f"daemon {count}",
                            lambda: daemon.take_turn(paths, count, options.idle, options.edits))
            if found is None:
                continue
            for what, value in found.items():
                samples.setdefault(str(count), {}).setdefault(what, []).append(value)
            say(f"run {run + 1}: daemon {count}: an edit {found['edit']['median'] * 1000:.1f} ms, drift",
                f"{found['drift_repaired']['median'] * 1000:.1f} ms")
    return {count: {what: daemon.over_runs(values) for what, values in found.items()}
            for count, found in samples.items()}


def measure_packets(options, paths, failures):
    found = {}
    for run in range(options.runs):
        for count in [count for count in options.sizes if count in PACKET_SIZES]:
            sample = attempt(failures, f"packets {count}", lambda: packets.take_turn(paths, count))
            if sample is not None:
                found.setdefault(str(count), []).append(sample)
                say(f"run {run + 1}: packets {count}")
    return {count: packets.over_runs(samples) for count, samples in found.items()}


def count_calls(options, paths, failures):
    counted = {}
    for contender, count in turns(options):
        if count <= MOST_COUNTED.get(contender.name, 100):
            found = attempt(failures, f"system calls of {contender.name} {count}",
                            lambda: cycle.take_turn(paths, contender, count, options.ops, counting=True))
            for operation, taken in (found or {}).items():
                counted.setdefault(contender.name, {}).setdefault(operation, {})[str(count)] = taken["calls"]
            say(f"system calls: {contender.name} {count}")
    return counted


def same_work(paths):
    """Whether floor and partd leave the same host: else their times say nothing about each other."""
    lines = state.differences(paths, Floor, Partd, 3)
    if lines:
        say("floor and partd do not leave the same host:", *lines, sep="\n")
    else:
        say("floor and partd leave the same host")
    return not lines


def revision():
    if shutil.which("git") is None:
        return "unknown"
    done = subprocess.run(["git", "-c", f"safe.directory={SOURCE}", "-C", SOURCE, "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write(place, results):
    """results.json, results.md and a plot of each operation; returns the text."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report.markdown(results)
    for operation in OPERATIONS:
        for what in ("wall", "gone"):
            picture = plot.of_operation(results, operation, what)
            if picture:
                name = operation if what == "wall" else f"{operation}-gone"
                (place / f"{name}.svg").write_text(picture, encoding="utf-8")
                text += f"\n![{name}]({name}.svg)\n"
    (place / "results.md").write_text(text, encoding="utf-8")
    return text


def main():
    options = arguments()
    if os.geteuid() != 0:
        print("tests/bench/run makes network namespaces and cgroups: please run it as root.", file=sys.stderr)
        return 5
    paths = find_programs(options.build)
    # Ended from outside, it cleans up as well: sandbox.inside() does so on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for contender in CONTENDERS.values():
        if wants(options, contender.name) and contender.missing():
            say(f"{contender.name} CANNOT RUN HERE: not installed: {' '.join(contender.missing())}")
    if options.check and not same_work(paths):
        return 1
    results = {"version": 1, "date": datetime.date.today().isoformat(), "revision": revision(),
               "machine": machine.description(), "sizes": options.sizes,
               "titles": {name: contender.title for name, contender in CONTENDERS.items()}}
    failures = results["failures"] = []
    results["operations"], results["elements"] = measure_operations(options, paths, failures)
    if wants(options, "daemon"):
        results["daemon"] = measure_daemon(options, paths, failures)
    if wants(options, "packets"):
        results["packets"] = measure_packets(options, paths, failures)
    if not options.no_calls:
        results["calls"] = count_calls(options, paths, failures)
    text = write(options.results, results)
    print(text)
    return 1 if failures else 0
