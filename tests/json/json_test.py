#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every verb of partctl with --json, over many states of a throw-away host, judged by the schemas in packaging/schema.
At the end every member that a schema describes was seen, or is listed as unseen with the reason.

usage: json_test.py PARTCTL
"""

import contextlib
import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "ansible"))

import host  # noqa: E402
from host import CONFIG, SCRATCH, TIMEOUT, daemon, must, own_cgroups, until  # noqa: E402

import schemas  # noqa: E402

SCHEMAS = schemas.Schemas(PROJECT / "packaging/schema")
PAGE = PROJECT / "docs/json.md"
LAYERS = pathlib.Path("/var/lib/partd/layers")
TREE = pathlib.Path("/srv/machines/lightvm")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
DONE, DIFFERENCES, USAGE, INVALID, OUT_OF_REACH, NOT_PERMITTED, SOME_FAILED, REFUSED, NOT_CONVERGED = range(9)

UNSEEN = {
    "events#event.event = resting": "comes while systemd shuts the host down",
    "events#event.event = waiting": "comes where the kernel has WireGuard: the machine of tests/system has",
}
# These depend on the machine.
MAYBE_SEEN = {
    "errors#error.error.code = too-much": "comes where another user's text takes 5 seconds to compile",
    "top#rate.cpu = null": "comes for what was made after the first reading",
    "top#rate.read = null": "as cpu",
    "top#rate.written = null": "as cpu",
    "status#init.ended not null": "comes where the kernel tells how a process ended (Linux 6.15) and partd runs",
    "ns#found.namespaces[].owner_uid = null": "comes where partctl itself is in a user namespace",
    "status#summary.memory not null": "comes where a controller accounts memory",
}

# What an example shows and no second run repeats.
VARYING = {"time", "since", "written", "bytes", "memory", "ns", "owner", "owner_uid", "writes", "seconds", "pid", "sent", "received"}

WEB = """[partition.web]
description = "a web server"
[partition.web.link.eth0]
address = ["10.1.1.1/24"]
peer = { name = "web0", address = ["10.1.1.2/24"] }
[[partition.web.nat.forward]]
listen = "tcp/8080"
to = "10.1.1.1:80"
"""
BAD = "[partition.bad]\nzebra = 1\n"
FAILING = """[partition.failing]
[partition.failing.sysctl]
net.ipv4.no_such_key = 1
"""
CONFLICT = """[partition.con.link.eth0]
address = ["10.81.0.1/24"]
peer = { name = "con0", address = ["10.81.0.2/24"] }
"""
EVERYTHING = """[partition.machine]
namespaces = ["net", "mnt", "pid", "uts", "ipc", "user", "cgroup", "time"]
stop_timeout = "200ms"
[partition.machine.user]
uid_map = [{ inside = 0, outside = 100000, count = 1000 }]
gid_map = [{ inside = 0, outside = 100000, count = 1000 }]
[partition.machine.init]
command = ["sleep", "600"]
"""
MACHINE = f"""[partition.lightvm]
namespaces = ["pid"]
stop_timeout = "200ms"
[partition.lightvm.rootfs]
path = "{TREE}"
overlay = true
"""

faults = []
runs = []


def fault(text):
    faults.append(text)
    print(text, flush=True)


def run(*arguments, prefix=(), stdin=subprocess.DEVNULL):
    return subprocess.run(
        [*prefix, "partctl", "--json", *arguments],
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def ask(schema, code, *arguments, prefix=()):
    """Runs partctl --json; it has to end with that code, and to print an object of that schema, with no error in it."""
    runs.append(arguments)
    result = run(*arguments, prefix=prefix)
    said = f"partctl --json {' '.join(arguments)}"
    if result.returncode != code:
        fault(f"{said} ends with {result.returncode} instead of {code}: {result.stdout}{result.stderr}")
    document = judge(schema, result.stdout, f"{said} ({code})")
    if "error" in document:
        fault(f"{said} has no answer: {document['error']}")
    return document


def stopped(word, code, *arguments, prefix=(), stdin=subprocess.DEVNULL):
    """The verb ends with that code and the reason of that word, in JSON and as the same sentence on standard error."""
    runs.append(arguments)
    result = run(*arguments, prefix=prefix, stdin=stdin)
    said = f"partctl --json {' '.join(arguments)}"
    name = next((each for each in arguments if each in SCHEMAS.published), "done")
    error = judge(name, result.stdout, f"{said} ({code})").get("error")
    if error is None or (result.returncode, error["code"], error["exit_code"]) != (code, word, code):
        fault(f"{said} ends with {result.returncode}, not with {code} and {word}: {result.stdout}{result.stderr}")
    elif error["message"] not in result.stderr:
        fault(f"{said}: the sentence {error['message']} is not on standard error: {result.stderr}")
    return error


def judge(schema, text, said):
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        fault(f"{said}: {error}: {text[:200]}")
        return {}
    for each in SCHEMAS.faults(schema, document):
        fault(f"{said}: {each}")
    return document


def errors(*arguments):
    """The verb cannot go on with these files, and says so by `errors` alone."""
    verb = arguments[0]
    document = ask(verb if verb in SCHEMAS.published else "errors", INVALID, *arguments)
    if sorted(document) != ["errors", "schema"]:
        fault(f"{' '.join(arguments)}: {sorted(document)} with {INVALID}")


def expect(condition, text):
    if not condition:
        fault(text)


def write(**files):
    for name, text in files.items():
        (CONFIG / f"{name}.toml").write_text(text)


def drop(*names):
    for name in names:
        (CONFIG / f"{name}.toml").unlink()


def look_everywhere(code=DONE):
    """All verbs that only look; `code` is that of diff."""
    ask("check", DONE, "check")
    ask("diff", code, "diff")
    for verb in ("status", "list", "ns", "tree", "history", "metrics"):
        ask(verb, DONE, verb)
    ask("top", DONE, "top", "--delay", "10ms")
    ask("status-layers", DONE, "status", "--layers")
    result = run("doctor")
    judge("doctor", result.stdout, "partctl --json doctor")


def group_of(name):
    return next(pathlib.Path("/sys/fs/cgroup").rglob(f"partd-{name}.slice"))


def states_of():
    return {each["name"]: each["state"] for each in ask("status", DONE, "status")["partitions"]}


def one_state(name):
    return ask("status", DONE, "status", name)["partitions"][0]["state"]


# The states. Each begins on an empty host.


def nothing():
    """Nothing declared, and nothing there to ask for."""
    look_everywhere()
    for verb in ("check", "status", "apply"):
        said = subprocess.run(["partctl", verb], capture_output=True, text=True, timeout=TIMEOUT, check=True)
        expect("no file declares anything yet: put one into /etc/partd" in said.stdout + said.stderr, f"{verb}: {said}")
    ask("apply", DONE, "apply")
    ask("apply", DONE, "apply", "--wait", "1s")
    ask("done", DONE, "wait", "--timeout", "1s")
    for word, arguments in (
        ("usage", ("bogus",)), ("usage", ("diff", "--bogus")), ("usage", ("--root", "/nowhere", "diff")),
        ("usage", ("pause",)), ("usage", ("pause", "web", "--files")), ("usage", ("resume",)),
        ("usage", ("kill",)), ("usage", ("kill", "web", "NOSUCH")), ("usage", ("purge", "web")),
        ("usage", ("purge", "a b", "--yes")), ("usage", ("apply", "--wait", "soon")), ("usage", ("exec", "web")),
        ("usage", ("diff", "--", "true")), ("usage", ("help", "bogus")), ("usage", ()),
        ("usage", ("top", "--sort", "bogus")), ("unknown-name", ("ns", "web")), ("unknown-name", ("tree", "web")),
        ("unknown-name", ("top", "web")), ("unknown-name", ("stop", "web")), ("unknown-name", ("start", "web")),
        ("unknown-name", ("restart", "web")),
        ("unknown-name", ("diff", "web")), ("unknown-name", ("status", "web")), ("unknown-name", ("show", "web")),
        ("unknown-name", ("apply", "web")), ("unknown-name", ("pause", "web")), ("unknown-name", ("kill", "web")),
        ("unknown-name", ("freeze", "web")), ("unknown-name", ("thaw", "web")),
        ("unknown-name", ("purge", "web", "--yes")),
        ("unknown-generation", ("rollback",)), ("unknown-generation", ("rollback", "99")),
        ("unknown-generation", ("diff", "--generation", "99")),
        ("nothing-waits", ("confirm",)), ("not-paused", ("resume", "web")), ("not-paused", ("resume", "--files")),
    ):  # fmt: skip
        stopped(word, USAGE, *arguments)
    for message, arguments in (
        ("only exec takes a program after --", ("diff", "--", "true")),
        ("exec needs a program: partctl exec NAME PROGRAM", ("exec", "web")),
    ):
        expect(stopped("usage", USAGE, *arguments)["message"] == message, f"{arguments} does not say {message}")
    for arguments in (("events",), ("status", "--watch"), ("apply", "--confirm", "5s")):
        stopped("out-of-reach", OUT_OF_REACH, *arguments)
    for arguments in (("diff",), ("apply",), ("status",), ("doctor",), ("history",), ("rollback",), ("shell", "web")):
        stopped("not-permitted", NOT_PERMITTED, *arguments, prefix=NOBODY)
    stopped("cannot-run", 126, "exec", "web", "true")
    stopped("cannot-run", 126, "exec", "web", "--environment", "/nowhere", "--", "true")
    for verb in ("check", "list"):
        ask(verb, DONE, verb, prefix=NOBODY)


def help_of_verbs():
    """The examples at the end of each verb's help: the command line is right, which is known before anything is done."""
    listed = run("help").stdout
    verbs = re.findall(r"^  ([a-z]+) +[A-Z]", listed.partition("ubcommands:")[2], re.MULTILINE)
    expect(len(verbs) > 20, f"help lists the verbs: {listed}")
    for verb in verbs:
        text = run("help", verb).stdout
        expect(run(verb, "--help").stdout == text, f"{verb} --help says something else than help {verb}")
        examples = re.findall(r"^  partctl (.*?)(?:  .*|)$", text.partition("Examples:")[2], re.MULTILINE)
        expect(2 <= len(examples) <= 3, f"{verb} has {len(examples)} examples")
        expect(all(len(line) <= 100 for line in text.partition("Examples:")[2].split("\n")), f"{verb}: a long line")
        for line in examples:
            expect(verb in line or verb == "version", f"an example of {verb} is of another verb: {line}")
            ours, theirs = pty.openpty()  # purge asks
            result = run(*shlex.split(line), prefix=NOBODY, stdin=theirs)
            os.close(ours)
            os.close(theirs)
            if result.stdout.startswith("{"):
                error = json.JSONDecoder().raw_decode(result.stdout)[0].get("error")
                expect(not error or error["code"] != "usage", f"partctl {line}: {error}")
            expect(result.returncode != USAGE, f"partctl {line} ends with {result.returncode}: {result.stderr}")


def example():
    """An example: made, drifted, paused, frozen, removed."""
    shutil.copy(PROJECT / "config-examples/workshop.toml", CONFIG)
    write(slice="[slice.batch]\n")
    look_everywhere(DIFFERENCES)
    expect(states_of() == {"workshop": "missing", "batch": "missing"}, "all are missing")
    applied = ask("apply", DONE, "apply")
    expect(applied["generation"] == 1 and applied["done"] == len(applied["changes"]), "apply says what it did")
    ask("apply", DONE, "apply", "workshop")
    look_everywhere()
    ask("show", DONE, "show", "workshop")
    expect(one_state("workshop") == "active", "workshop is active")
    expect(ask("ns", DONE, "ns", "workshop")["namespaces"][0]["partition"] == "workshop", "ns NAME has its own")
    with process("ip", "netns", "exec", "workshop", "sleep", "60"):
        until(lambda: ask("tree", DONE, "tree", "workshop")["groups"][-1]["processes"])
    with process("partctl", "exec", "workshop", "--", "sleep", "60"):
        until(lambda: ask("tree", DONE, "tree", "workshop")["groups"][-1]["processes"])
    ask("done", DONE, "wait", "workshop")
    stopped("no-program", 127, "exec", "workshop", "/nowhere")

    must("ip", "-n", "workshop", "address", "del", "10.1.1.1/24", "dev", "veth1")
    must("ip", "-n", "workshop", "link", "set", "veth1", "down")
    ask("diff", DIFFERENCES, "diff", "workshop")
    ask("status", DIFFERENCES, "status", "--check")
    ask("status", DIFFERENCES, "status", "workshop", "--check")
    shown = ask("show", DONE, "show", "workshop")
    expect(None in [each["found"] for each in shown["resources"]], "show tells that the address is not there")
    expect(states_of()["workshop"] == "degraded", "workshop is degraded")
    late = stopped("not-converged", NOT_CONVERGED, "wait", "workshop", "--timeout", "100ms")
    expect(late["partition"] == "workshop", "the error names the partition")
    ask("done", DONE, "pause", "workshop")
    expect(one_state("workshop") == "paused", "workshop is paused")
    stopped("paused", REFUSED, "apply", "workshop")
    ask("apply", DONE, "apply")
    ask("resume", DIFFERENCES, "resume", "workshop", "--check")
    ask("resume", DONE, "resume", "workshop")
    ask("apply", DONE, "apply")
    ask("done", DONE, "freeze", "workshop")
    expect(one_state("workshop") == "frozen", "workshop is frozen")
    ask("done", DONE, "thaw", "workshop")
    ask("done", DONE, "kill", "workshop")

    ask("apply", DONE, "stop", "workshop")
    expect(one_state("workshop") == "stopped", "workshop is stopped")
    look_everywhere()
    ask("apply", DONE, "start", "workshop")
    file = CONFIG / "workshop.toml"
    text = file.read_text()
    file.write_text(text.replace("[partition.workshop]\n", "[partition.workshop]\nenabled = false\n"))
    ask("apply", DONE, "apply")
    stopped("disabled", REFUSED, "start", "workshop")
    file.write_text(text)
    ask("apply", DONE, "apply")
    expect(one_state("workshop") == "active", "workshop is started")

    ask("done", DONE, "pause", "--files")
    drop("workshop")
    ask("resume", DIFFERENCES, "resume", "--files", "--check")
    ask("resume", DONE, "resume", "--files")
    expect(one_state("workshop") == "undeclared", "workshop is undeclared")
    ask("apply", DONE, "apply")


def examples():
    """All other examples, as far as this host can have them: objects of every kind."""
    for path in sorted((PROJECT / "config-examples").glob("*.toml")):
        shutil.copy(path, CONFIG)
        ask("diff", DIFFERENCES, "diff")
        judge("apply", run("apply").stdout, f"{path.name}: partctl --json apply")
        for each in ask("list", DONE, "list")["objects"]:
            ask("show", DONE, "show", each["name"])
            ask("status", DONE, "status", each["name"])
        ask("ns", DONE, "ns")
        judge("doctor", run("doctor").stdout, f"{path.name}: partctl --json doctor")
        drop(path.stem)
        judge("apply", run("apply", "--allow-delete").stdout, f"without {path.name}: partctl --json apply")


def drift_that_stays():
    """A change that is made and does not stay: strace has the kernel say that it wrote."""
    write(web="[partition.web]\n")
    ask("apply", DONE, "apply")
    write(web="[partition.web.cgroup]\nfreeze = true\n")
    file = group_of("web") / "cgroup.freeze"
    lie = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", file, "-e", "trace=write", "-e", "inject=write:retval=1")
    applied = ask("apply", NOT_CONVERGED, "apply", prefix=lie)
    expect(len(applied["unsettled"]) == 1, "the change is told as unsettled")


def conflict():
    """A foreign link, and a foreign table, under a wanted name."""
    must("nft", "add", "table", "inet", "partd")
    write(con=CONFLICT)
    found = ask("diff", DIFFERENCES, "diff")
    expect(None in [each["partition"] for each in found["conflicts"]], "the table belongs to no partition")
    must("nft", "delete", "table", "inet", "partd")
    must("ip", "link", "add", "con0", "type", "bridge")
    ask("diff", DIFFERENCES, "diff")
    ask("apply", REFUSED, "apply")
    expect(ask("diff", REFUSED, "diff")["changes"] == [], "there is nothing but conflicts")
    expect(one_state("con") == "conflict", "con is in conflict")
    ask("done", DONE, "pause", "con")
    ask("resume", DIFFERENCES, "resume", "con", "--check")
    ask("resume", DONE, "resume", "con")
    ask("status", DIFFERENCES, "status", "--check")
    must("ip", "link", "del", "con0")


def failures():
    """Changes that fail, and changes that are skipped since they need one that failed."""
    write(failing=FAILING, web=WEB)
    applied = ask("apply", SOME_FAILED, "apply")
    expect([each["kind"] for each in applied["failed"]] == ["sysctl"], "the sysctl failed")
    expect(one_state("failing") == "degraded", "failing is degraded")

    # A root that does not exist: PID 1 is skipped.
    write(failing=MACHINE.replace(str(TREE), "/srv/nowhere").replace("lightvm", "failing"))
    applied = ask("apply", SOME_FAILED, "apply")
    expect(applied["skipped"] != [], "what needs it is skipped")

    # A process where on_remove refuses.
    write(failing='[partition.failing]\non_remove = "refuse"\n')
    ask("apply", DONE, "apply")
    group = group_of("failing") / "inner"
    group.mkdir()
    with process("sleep", "60") as sleeping:
        (group / "cgroup.procs").write_text(str(sleeping.pid))
        drop("failing")
        expect(ask("diff", DIFFERENCES, "diff")["changes"] != [], "it is to be removed")
        applied = ask("apply", REFUSED, "apply")
        expect(None in [each["file"] for each in applied["failed"]], "a removal has no file")
        expect(ask("status", DONE, "status")["in_the_way"] != [], "status names the process")
        ask("status", DONE, "status", "failing")
    ask("apply", DONE, "apply")


def invalid():
    """Files that are wrong, alone and among right ones."""
    write(web=WEB)
    ask("apply", DONE, "apply")
    write(web=WEB + "zebra = 1\n", bad=BAD)
    (CONFIG / "other.tmol").write_text("")
    checked = ask("check", INVALID, "check")
    expect(len(checked["errors"]) == 2 and len(checked["overlooked"]) == 1, "check has all errors")
    write(first="[partition.twice]\n", second="[partition.twice]\n")
    doubled = [each for each in ask("check", INVALID, "check")["errors"] if each["related"]]
    places = {(each["file"], each["related"]["file"]) for each in doubled}
    expect(places == {tuple(str(CONFIG / f"{name}.toml") for name in ("second", "first"))}, f"both places: {doubled}")
    drop("first", "second")
    for arguments in (("diff",), ("diff", "web"), ("apply",), ("apply", "web")):
        errors(*arguments)
    expect(one_state("web") == "invalid", "web is invalid")
    for verb in ("status", "list", "ns", "tree", "metrics", "history"):
        ask(verb, DONE, verb)
    ask("doctor", DIFFERENCES, "doctor")
    ask("status", DIFFERENCES, "status", "--check")
    ask("show", DONE, "show", "web")
    applied = ask("apply", INVALID, "apply", "--keep-going")
    expect(len(applied["errors"]) == 2, "apply --keep-going says what it left out")
    errors("apply", "-f", "/nowhere.toml")
    errors("diff", "-f", "/nowhere.toml")
    ask("check", INVALID, "check", "/nowhere.toml")
    (CONFIG / "other.tmol").unlink()


def gone_back_to_nothing():
    """The files were rolled back, and nobody knows any more to what: no verb can tell what is declared."""
    write(web=WEB)
    ask("apply", DONE, "apply")
    write(web=WEB.replace("8080", "8081"))
    ask("apply", DONE, "apply")
    back = ask("rollback", DONE, "rollback")
    expect(back["generation"] == 3, "a rollback is a generation")
    ask("history", DONE, "history")
    ask("diff", DONE, "diff", "--generation", "1")
    ask("diff", DIFFERENCES, "diff", "--generation", "2")
    shutil.rmtree("/var/lib/partd/history")
    pathlib.Path("/run/partd/accepted").unlink()
    for verb in ("status", "list", "ns", "tree", "metrics", "doctor", "check"):
        errors(verb)
    for verb in ("show", "resume", "pause"):
        errors(verb, "web")
    result = ask("status-layers", INVALID, "status", "--layers")
    expect("errors" in result, "status --layers says what is wrong")
    ask("apply", DONE, "apply")


def no_history():
    """Requests that fail before there is anything to print."""
    history = pathlib.Path("/var/lib/partd/history")
    history.parent.mkdir()
    history.touch()
    expect(stopped("failed", SOME_FAILED, "history")["errno"] == "ENOTDIR", "the kernel's error is named")
    stopped("failed", SOME_FAILED, "rollback")
    write(web=WEB)
    applied = ask("apply", DONE, "apply")
    expect(applied["generation"] is None, "no generation could be recorded")
    history.unlink()


def delete_limit():
    """More removals than the limit allows."""
    names = [f"p{number}" for number in range(4)]
    write(**{name: f"[partition.{name}]\n" for name in names})
    ask("apply", DONE, "apply")
    drop(*names)
    expect(ask("diff", DIFFERENCES, "diff")["refused"] is not None, "diff says that apply refuses it")
    expect(": that takes --allow-delete" in run("diff").stderr, "diff says what it takes")
    for arguments in (("apply",), ("rollback", "0")):
        refused = ask(arguments[0], REFUSED, *arguments)
        expect(refused["refused"] is not None and refused["done"] == 0, "nothing was done")
    ask("apply", DONE, "apply", "--allow-delete")
    ask("rollback", DONE, "rollback", "1")
    ask("rollback", DONE, "rollback", "--allow-delete")


def warnings():
    """Declarations that are right and probably mistakes; a host that is in the way."""
    odd = WEB.replace("10.1.1.2/24", "10.2.2.2/24")
    write(web=odd)
    (CONFIG / "other.toml.bak").write_text("")
    for verb in ("check", "apply"):
        warned = ask(verb, DONE, verb)["warnings"]
        expect([each["partition"] for each in warned] == ["web"] and warned[0]["related"], f"{verb} warns: {warned}")
    write(machine=MACHINE.replace(str(TREE), "/srv/nowhere"))
    expect(None in [each["partition"] for each in ask("check", DONE, "check")["warnings"]], "check misses the root")
    drop("machine")
    with socket.create_server(("0.0.0.0", 8080)):
        found = ask("doctor", DIFFERENCES, "doctor")["findings"]
        expect({each["severity"] for each in found} >= {"warning", "note", "ok"}, "doctor warns")
        expect(("web", str(CONFIG / "web.toml")) in [(each["partition"], each["file"]) for each in found], "of web")
        expect(ask("status", DONE, "status")["partitions"][0]["warnings"] != [], "status warns")
        ask("status", DONE, "status", "web")
    (CONFIG / "other.toml.bak").unlink()


def layers():
    """Layers in all states, and what purge says of them."""
    (TREE / "bin").mkdir(parents=True)
    TREE.parent.chmod(0o700)
    shutil.copy("/bin/busybox", TREE / "bin")
    (TREE / "bin/sh").symlink_to("busybox")
    for name in ("kept", "half", "declared"):
        (LAYERS / name / "upper").mkdir(parents=True)
        (LAYERS / name / "work").mkdir()
    (LAYERS / "kept/upper/notes").write_text("precious")
    (LAYERS / "half").rename(LAYERS / ".gone-half")
    write(lightvm=MACHINE)
    ask("apply", DONE, "apply")
    write(declared=MACHINE.replace("lightvm", "declared"))
    listed = {each["name"]: each for each in ask("status-layers", DONE, "status", "--layers")["layers"]}
    states = {name: each["state"] for name, each in listed.items()}
    expect(states == {"lightvm": "in-use", "declared": "declared", "kept": "kept", "half": "half-purged"}, str(states))
    ask("ns", DONE, "ns")
    ask("doctor", DIFFERENCES, "doctor")
    stopped("in-use", REFUSED, "purge", "lightvm", "--yes")
    stopped("usage", USAGE, "purge", "kept")
    ours, theirs = pty.openpty()
    os.write(ours, b"no\n")
    stopped("declined", REFUSED, "purge", "kept", stdin=theirs)
    stopped("in-use", REFUSED, "purge", "lightvm", stdin=theirs)
    os.close(ours)
    os.close(theirs)
    ask("purge", DONE, "purge", "kept", "--check")
    ask("purge", DONE, "purge", "half", "--check")
    ask("purge", DONE, "purge", "half", "--yes")
    expect(ask("purge", DONE, "purge", "kept", "--yes")["files"] == 1, "purge counts the file")
    drop("declared", "lightvm")
    ask("apply", DONE, "apply")


def every_namespace():
    """A partition with all of them, one that shares with it, and a PID 1 that ends."""
    write(guest='[partition.guest]\nshare = { partition = "machine", namespaces = ["ipc"] }\n', machine=EVERYTHING)
    ask("apply", DONE, "apply")
    ask("tree", DONE, "tree")
    expect(ask("status", DONE, "status", "machine")["init"]["pid"] is not None, "PID 1 lives")
    ask("done", DONE, "kill", "machine", "KILL")
    until(lambda: ask("status", DONE, "status", "machine")["init"]["pid"] is None)
    drop("guest", "machine")
    ask("apply", DONE, "apply")


def with_partd():
    """The same verbs over the bus, and everything that only partd says."""
    write(settings='[daemon]\nsettle = "0ms"\nsettle_removal = "10ms"\n', web=WEB)
    with daemon(), events() as heard:
        until(lambda: states_of().get("web") == "active")
        look_everywhere()
        ask("show", DONE, "show", "web")
        ask("apply", DONE, "apply")
        stopped("unknown-name", USAGE, "show", "nobody")
        watch_twice()

        write(web=WEB.replace("8080", "8081"))
        until(lambda: heard("changed"))
        must("ip", "link", "set", "web0", "down")
        until(lambda: heard("repaired"))
        write(failing=FAILING)
        until(lambda: heard("failed"))
        write(failing=BAD)
        until(lambda: heard("files"))
        errors("diff")
        ask("check", INVALID, "check")
        ask("history", DONE, "history")
        drop("failing")

        names = [f"p{number}" for number in range(4)]
        write(**{name: f"[partition.{name}]\n" for name in names})
        until(lambda: set(names) <= set(states_of()) and run("diff").returncode == DONE)
        drop(*names)
        until(lambda: heard("refused"))
        ask("apply", REFUSED, "apply")
        ask("apply", DONE, "apply", "--allow-delete")

        write(settings='[daemon]\nsettle = "20s"\n')
        ask("apply", DONE, "apply")
        write(web=WEB)
        expect(ask("apply", DONE, "apply", "--confirm", "2s")["waits"] == 2, "apply waits two seconds")
        for arguments in (("status",), ("status", "web")):
            expect(ask("status", DONE, *arguments)["waits"] in (1, 2), "status tells that it waits")
        stopped("waiting", REFUSED, "apply")
        until(lambda: heard("rolled-back"))
        ask("apply", DONE, "apply", "--confirm", "20s")
        ask("done", DONE, "confirm")
        ask("rollback", DONE, "rollback")

        end = time.monotonic() + TIMEOUT
        while not heard("contested") and time.monotonic() < end:
            subprocess.run(["ip", "link", "set", "web0", "down"], check=False)
            time.sleep(0.02)
        until(lambda: states_of()["web"] == "contested")
        ask("metrics", DONE, "metrics")


@contextlib.contextmanager
def events():
    """Within, partctl events --json listens; yields a function that tells whether such an event was heard."""
    path = SCRATCH / "events"
    with open(path, "w") as file:
        listening = subprocess.Popen(["partctl", "events", "--json"], stdout=file, stderr=subprocess.DEVNULL)
    judged = 0

    def heard(word):
        nonlocal judged
        lines = path.read_text().split("\n")[:-1]
        for line in lines[judged:]:
            judge("events", line, "partctl --json events")
        judged = len(lines)
        return any(json.loads(line)["event"] == word for line in lines)

    try:
        yield heard
        heard("")
    finally:
        listening.terminate()
        listening.wait(timeout=TIMEOUT)


def watch_twice():
    """`status --watch` prints an object, and the next one when something has happened."""
    path = SCRATCH / "watched"
    with open(path, "w") as file:
        watching = subprocess.Popen(["partctl", "--json", "status", "--watch"], stdout=file)

    def documents():
        text, found = path.read_text(), []
        while text:
            try:
                document, end = json.JSONDecoder().raw_decode(text)
            except json.JSONDecodeError:
                break
            found.append(document)
            text = text[end:].lstrip()
        return found

    try:
        until(lambda: len(documents()) >= 1)
        must("ip", "link", "set", "web0", "down")
        until(lambda: len(documents()) >= 2)
        for document in documents():
            judge("status", json.dumps(document), "partctl --json status --watch")
    finally:
        watching.terminate()
        watching.wait(timeout=TIMEOUT)


@contextlib.contextmanager
def process(*program):
    started = subprocess.Popen(program)
    try:
        yield started
    finally:
        started.kill()
        started.wait(timeout=TIMEOUT)


def look_at_schemas():
    for each in SCHEMAS.faults_of_schemas():
        fault(each)
    document = {"schema": 1, "objects": [], "later": 1}
    expect(SCHEMAS.takes("list", document), "a published schema refuses a member that it does not know")
    expect(bool(SCHEMAS.faults("list", document)), "a closed schema takes a member that it does not know")


def page():
    """The examples of docs/json.md: their commands are run in their order, and print what stands there."""
    text = PAGE.read_text()
    (LAYERS / "lab/upper").mkdir(parents=True)
    (LAYERS / "lab/work").mkdir()
    (LAYERS / "lab/upper/notes").write_text("precious")
    shown = set()
    below = text.partition("## Examples")[2]
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", below, re.MULTILINE | re.DOTALL):
        if language == "toml":
            write(web=block)
            continue
        commands = re.findall(r"^# (.*)", block, re.MULTILINE)
        for command in commands[:-1]:
            must("sh", "-c", command)
        shown.add(example_of(commands[-1], block[block.index("{") :]))
    missing = set(SCHEMAS.published) - shown - {"common"}
    expect(not missing, f"{PAGE.name} has no example of {', '.join(sorted(missing))}")
    for name in SCHEMAS.published:
        expect(f"{name}{schemas.SUFFIX}" in text, f"{PAGE.name} does not name {name}{schemas.SUFFIX}")


def example_of(command, printed):
    """Judges what the page shows of a command; returns the name of the schema that it is an example of."""
    words = command.split()[1:]
    name = "status-layers" if "--layers" in words else words[0] if words[0] in SCHEMAS.published else "done"
    said = f"{PAGE.name}: {command}"
    document = judge(name, printed, said)
    if name not in ("events", "doctor"):  # they depend on what happens, and on the host
        now = subprocess.run(command.split(), capture_output=True, text=True, timeout=TIMEOUT, check=False).stdout
        expect(has(json.loads(now), document), f"{said} prints {now[:2000]}")
    return "errors" if {"error", "errors"} & document.keys() and name != "check" else name


def has(found, shown):
    """True if the document found is the one that is shown, which may lack entries of lists. Members that differ by
    nature are not compared."""
    if isinstance(shown, dict):
        same = isinstance(found, dict) and found.keys() == shown.keys()
        return same and all(key in VARYING or has(found[key], value) for key, value in shown.items())
    if isinstance(shown, list):
        return isinstance(found, list) and all(any(has(each, one) for each in found) for one in shown)
    if isinstance(shown, str) and shown.startswith("# HELP"):
        return found.startswith(shown)
    return found == shown


# The examples leave the table of nftables behind, on purpose.
STATES = (
    nothing, help_of_verbs, example, drift_that_stays, conflict, failures, invalid, gone_back_to_nothing, no_history, delete_limit,
    warnings, layers, every_namespace, with_partd, page, examples,
)  # fmt: skip


def look_at_coverage():
    places = SCHEMAS.places()
    listed = set(UNSEEN) | set(MAYBE_SEEN)
    for place in sorted(places - SCHEMAS.seen - listed):
        fault(f"never seen: {place}")
    for place in sorted(set(UNSEEN) & SCHEMAS.seen):
        fault(f"UNSEEN names what was seen: {place}")
    for place in sorted(listed - places):
        fault(f"no schema has what is listed as unseen: {place}")
    for name in sorted(set(SCHEMAS.published) - SCHEMAS.used - {"common", "errors"}):
        fault(f"no output was judged by {name}{schemas.SUFFIX}")
    print(f"{len(runs)} runs, {len(places & SCHEMAS.seen)} of {len(places)} places seen")


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    os.umask(0o022)
    # Linux 6.18 numbers mount namespaces by processor, and lets one be pinned only by those with a lower number.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    host.enter(sys.argv)
    must("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/srv")
    programs = SCRATCH / "programs"  # the user nobody can run them there
    programs.mkdir(parents=True)
    for name in ("partctl", "partd", "partd-init"):
        shutil.copy(pathlib.Path(arguments[0]).resolve().parent / name, programs)
    os.environ.update(PATH=f"{programs}:{os.environ['PATH']}", LC_ALL="C.UTF-8")
    look_at_schemas()
    with own_cgroups():
        for state in STATES:
            if arguments[1:] and state.__name__ not in arguments[1:]:
                continue
            started = time.monotonic()
            try:
                state()
            except (AssertionError, LookupError, TypeError, OSError) as error:
                fault(f"{state.__name__}: {type(error).__name__}: {error}")
            finally:
                host.reset()
            print(f"{state.__name__}: {time.monotonic() - started:.1f} s", flush=True)
    if not arguments[1:]:
        look_at_coverage()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
