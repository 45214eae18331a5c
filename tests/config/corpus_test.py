#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`partctl check` on every file of the corpus: bad ones end with 3 and exactly the errors that their heads foretell.

usage: corpus_test.py PARTCTL [NAME…]
"""

import sys

import corpus


def faults_of_any(result):
    if result.returncode < 0:
        yield f"killed by signal {-result.returncode}"
    if found := corpus.CONTROL_CHARACTER.search(result.stderr + result.stdout):
        yield f"prints the control character {found[0]!r}"


def faults_of_bad(path, result):
    expected, _ = corpus.expectations(path)
    found = corpus.diagnostics(result.stderr)
    yield from faults_of_any(result)
    if result.returncode != 3:
        yield f"exit {result.returncode} instead of 3"
    for diagnostic in found:
        if not diagnostic.file.endswith(path.name):
            yield f"names another file: {diagnostic}"
    for expectation in expected:
        meeting = next((d for d in found if expectation.meets(d)), None)
        if meeting is None:
            yield f"missing:    {expectation}"
        else:
            found.remove(meeting)
    for diagnostic in found:
        # A note more than foretold is a help, an error more than there are is not.
        if diagnostic.kind == "error":
            yield f"unexpected: {diagnostic}"


def faults_of_good(result):
    yield from faults_of_any(result)
    if result.returncode != 0:
        yield f"exit {result.returncode} instead of 0"
        yield from result.stderr.splitlines()


def main(partctl, names):
    report = corpus.Report()
    for path in corpus.BAD + corpus.GOOD + corpus.EXAMPLES:
        name = f"{path.parent.name}/{path.name}"
        if names and not any(wanted in name for wanted in names):
            continue
        result = corpus.run(partctl, "--color", "never", "check", path)
        faults = faults_of_bad(path, result) if path in corpus.BAD else faults_of_good(result)
        report.check(name, list(faults))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
