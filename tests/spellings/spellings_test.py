#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever a file may say is carried out, and nothing is left to do then; or a sentence tells what, and where it stands.

    spellings_test.py PARTCTL [--seed N] [--documents N] [--sentences]

Documents are drawn from the tables in draws.py: each value that a key of the language takes, in each of its spellings.
What `partctl check` refuses is taken out line by line, by the lines that it names. The rest is applied on the real
kernel, each document over the one before. Needs root; all happens in namespaces and cgroups of its own.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import draws

CONFIG = pathlib.Path("/etc/partd/s.toml")
INSIDE = "PARTD_SPELLINGS_INSIDE"
NOTHING = "# nothing\n"
TIMEOUT = 60  # seconds; a run that takes longer has hung
PLACE = re.compile(r"s\.toml:(\d+)(?::\d+)?: ")

# Keys that no document here can have, and why.
NOT_DRAWN = {
    "daemon": "read by the daemon alone",
    "host": "of the host, tried by kernel/host",
    "template": "the keys of a partition again",
    "partition.*.share": "needs another partition's namespaces: kernel/pod",
    "slice.*.delegate": "a partition has it, too",
}


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def must(*command):
    result = run(*map(str, command))
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr}")


def hierarchies():
    """Where control groups are mounted."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            yield pathlib.Path(fields[4])


def own_groups(pid):
    return [(mount, mount / f"partd-spellings-{pid}") for mount in hierarchies()]


def remove_groups(pid):
    """Ends what a failure left in them, too."""
    for _, own in own_groups(pid):
        for directory in [*sorted((path for path in own.rglob("*") if path.is_dir()), reverse=True), own]:
            for process in (directory / "cgroup.procs").read_text().split() if directory.exists() else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            for _ in range(100):
                try:
                    directory.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)


def enter_sandbox(arguments):
    """Runs this program again where nothing of the machine's is in reach, and cleans up after it."""
    if os.environ.get(INSIDE):
        return
    pid = str(os.getpid())
    try:
        for _, own in own_groups(pid):
            own.mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (own / name).exists() and not (own / "cgroup.controllers").exists():
                    (own / name).write_text((own.parent / name).read_text())
        child = subprocess.run(
            ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-B", *arguments],
            env=os.environ | {INSIDE: pid}, check=False)
    finally:
        remove_groups(pid)
    sys.exit(child.returncode)


def make_host():
    """An empty /run, an /etc that forgets, groups of our own, and an uplink."""
    for mount, own in own_groups(os.environ[INSIDE]):
        must("mount", "--bind", own, mount)
    must("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    must("mkdir", "-p", "/run/etc/upper", "/run/etc/work")
    must("mount", "-t", "overlay", "-o", "lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work", "overlay", "/etc")
    for place in ("/var/lib", "/srv"):
        must("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    make_tree()
    for path in CONFIG.parent.glob("*.toml"):
        path.unlink()
    CONFIG.parent.mkdir(exist_ok=True)
    for name in ("subuid", "subgid"):
        pathlib.Path("/etc", name).write_text("partd:1000000:1000000\n")
    must("ip", "link", "set", "lo", "up")
    must("ip", "link", "add", "out", "type", "bridge")
    must("ip", "address", "add", "10.62.0.1/24", "dev", "out")
    must("ip", "link", "set", "out", "up")


def make_tree():
    """The root directory of a machine, and what its mounts may show, where root alone gets in."""
    tree = pathlib.Path(draws.TREE)
    for name in ("bin", "dev", "etc", "mnt", "proc", "sys", "tmp"):
        (tree / name).mkdir(parents=True)
    tree.parent.chmod(0o700)
    (tree / "link").symlink_to("/mnt")
    busybox = tree / "bin/busybox"
    busybox.write_bytes(pathlib.Path("/bin/busybox").read_bytes())
    busybox.chmod(0o755)
    for name in ("sh", "sleep", "false"):
        (tree / "bin" / name).symlink_to("busybox")
    (tree.parent / "data").mkdir()
    (tree.parent / "file").write_text("")


def without_lines(text, numbers):
    """The document without these lines; a header takes along all that stands below it."""
    lines, kept, skipping = text.splitlines(), [], False
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            skipping = number in numbers
        if not skipping and number not in numbers:
            kept.append(line)
    return "\n".join(kept) + "\n"


class Failure(Exception):
    """The property does not hold."""


class Trial:
    """partctl at work on one document after the other."""

    def __init__(self, partctl):
        self.partctl = partctl
        self.refused = self.applied = self.told = 0
        self.sentences = set()

    def call(self, *arguments):
        result = run(self.partctl, "--no-daemon", "--color", "never", *arguments)
        if result.returncode < 0 or result.returncode > 8:
            raise Failure(f"{arguments}: ended with {result.returncode}: {result.stderr}")
        return result

    def accepted(self, text):
        """What is left of the document when all that check refuses has been taken out."""
        while True:
            CONFIG.write_text(text)
            checked = self.call("check")
            if checked.returncode == 0:
                return text
            numbers = {int(number) for line in checked.stderr.splitlines() if ": error: " in line
                       for number in PLACE.findall(line.split(": error: ")[0] + ": ")}
            shorter = without_lines(text, numbers)
            if checked.returncode != 3 or shorter == text:
                raise Failure(f"check ended with {checked.returncode}, and names no line: {checked.stderr}")
            self.refused += len(numbers)
            text = shorter

    def carry_out(self, *options):
        applied = self.call("apply", "--json", *options)
        diff = json.loads(self.call("diff", "--json").stdout)
        if "changes" not in diff:
            raise Failure(f"apply ended with {applied.returncode}, and diff says: {diff}")
        left = diff["changes"]
        outcome = json.loads(applied.stdout)
        excused = {(each["kind"], each["name"]) for each in outcome["failed"] + outcome["skipped"]}
        # A partition whose successor cannot be made stays as it is: nothing of it is removed either.
        stays = {each["name"].split("/")[0] for each in outcome["failed"] if each["kind"] in ("netns", "namespace", "init")}
        wrong = [
            change for change in left
            if (change["kind"], change["name"]) not in excused
            and not (change["action"] == "remove" and change["partition"] in stays)
        ]
        # What no file declares any more has no line.
        untold = [each for each in outcome["failed"]
                  if (not each["line"] and ": remove " not in each["error"]) or len(each["error"].split()) < 6]
        if wrong or untold:
            raise Failure(f"apply ended with {applied.returncode}; left all the same: {wrong}; without a sentence: {untold}")
        if outcome["conflicts"] or outcome["blocked"] or applied.returncode != (6 if excused else 0):
            raise Failure(f"apply ended with {applied.returncode}: {applied.stdout}{applied.stderr}")
        self.applied += not excused
        self.told += bool(excused)
        self.sentences.update(f"{each['line']}: {each['error']}" for each in outcome["failed"])

    def run(self, text):
        text = self.accepted(text)
        self.carry_out()
        return text


def schema_keys(schema, path=""):
    """Each key of the language by its place."""
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}.{name}".lstrip(".")
        yield place
        yield from schema_keys(inner, place)
    for inner in (*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from schema_keys(inner, f"{path}.*")
    if "items" in schema:
        yield from schema_keys(schema["items"], path)


def undrawn(partctl, seed):
    """Keys of the schema that no document of many has, and nobody has said why."""
    schema = json.loads(run(partctl, "schema").stdout)
    source = random.Random(seed)
    words = set(re.findall(r"[\w-]+", " ".join(draws.document(source) for _ in range(400))))
    return [
        key for key in schema_keys(schema)
        if key.rpartition(".")[2] not in words
        and not any(key == known or key.startswith(known + ".") for known in NOT_DRAWN)
    ]


def main(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("partctl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=25)
    parser.add_argument("--sentences", action="store_true", help="also print what apply said of failures")
    options = parser.parse_args(arguments[1:])
    if os.geteuid() != 0:
        sys.exit("this test makes partitions: it needs root")
    enter_sandbox(arguments)
    make_host()
    failures = [f"no document has the key {key}: give it spellings in draws.py" for key in undrawn(options.partctl, 1)]
    trial = Trial(options.partctl)
    for seed in range(options.seed, options.seed + options.documents):
        text = draws.document(random.Random(seed))
        try:
            trial.run(text)
        except Failure as failure:
            failures.append(f"seed {seed}: {failure}\n{CONFIG.read_text()}")
            CONFIG.write_text(NOTHING)
            trial.call("apply", "--allow-delete")
    CONFIG.write_text(NOTHING)
    try:
        trial.carry_out("--allow-delete")
    except Failure as failure:
        failures.append(f"nothing declared any more: {failure}")
    for line in failures + (sorted(trial.sentences) if options.sentences else []):
        print(line)
    print(f"{trial.applied} applied, {trial.told} failed with a sentence, {trial.refused} lines refused, {len(failures)} wrong")
    return 1 if failures or trial.applied == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
