#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Follows a recipe on a throw-away host and compares what its commands print. In the end the host has to be as before.

usage: recipe_test.py PARTCTL PAGE [--show]

--show prints what the commands print and compares nothing: for authors of recipes.
"""

import os
import pathlib
import subprocess
import sys

import page
import sandbox

HERE = pathlib.Path(__file__).resolve().parent


def environment(programs):
    return {
        "PATH": f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(sandbox.SCRATCH), "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash",
        "LC_ALL": "C.UTF-8", "COLUMNS": "80",
    }  # fmt: skip


def run(command, variables, typed="", machine=None):
    """What the command prints. It may leave processes behind that have its output open."""
    prefix = sandbox.on(machine) if machine else ()
    written = pathlib.Path("/run/output")
    written.unlink(missing_ok=True)
    with written.open("wb") as output:
        result = subprocess.run(
            [*prefix, "bash", "-c", command], input=typed.encode(), stdout=output, stderr=subprocess.STDOUT,
            cwd=sandbox.SCRATCH, env=variables, timeout=60 * sandbox.PATIENCE, check=False,
        )  # fmt: skip
    return result.returncode, written.read_text(errors="replace")


def write(path, text):
    path = sandbox.SCRATCH / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def follow(path, variables, show):
    """Takes each step of the page, where a checkout of the project is; returns what is wrong."""
    (sandbox.SCRATCH / "packaging").symlink_to(HERE.parent.parent / "packaging")
    before = sandbox.remains()
    for step in page.steps(path.read_text()):
        place = f"{path}:{step.line}"
        if isinstance(step, page.File):
            write(step.path, step.text)
        elif isinstance(step, page.Host):
            known = {*sandbox.remains()}
            code, output = run(str(HERE / "hosts" / step.name), variables)
            if code != 0:
                return f"{place}: hosts/{step.name}: {output}"
            before = sorted({*before} | ({*sandbox.remains()} - known))
        elif isinstance(step, page.Fragment):
            code, output = run("partctl check -", variables, step.document())
            if code != 0:
                return f"{place}: {step.text}{output}"
        else:
            _, output = run(step.text, variables, step.typed, step.machine)
            if show:
                prompt = f"{step.machine}$" if step.machine else "#"
                print(f"{prompt} {step.text}\n{output}", end="", flush=True)
            elif difference := step.difference(output):
                return f"{place}: {step.text}\n{difference}"
    after = sandbox.remains()
    left = [f"left behind: {each}\n" for each in after if each not in before]
    gone = [f"gone: {each}\n" for each in before if each not in after]
    return "".join(left + gone)


def main(partctl, path, *options):
    programs = pathlib.Path(partctl).resolve().parent
    path = pathlib.Path(path).resolve()

    def work():
        wrong = follow(path, environment(programs), "--show" in options)
        print(wrong, end="")
        return 1 if wrong else 0

    return sandbox.inside(work)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if os.geteuid() != 0:
        sys.exit("recipes are followed by root")
    sys.exit(main(*sys.argv[1:]))
