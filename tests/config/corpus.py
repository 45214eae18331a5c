# SPDX-License-Identifier: Apache-2.0
"""What the tests of the configuration share: where the corpus lies, and how `partctl` is run and its errors are read."""

import dataclasses
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
BAD = sorted((HERE / "bad").glob("*.toml"))
GOOD = sorted((HERE / "good").glob("*.toml"))
EXAMPLES = sorted((HERE.parent.parent / "config-examples").glob("*.toml"))
TIMEOUT = 20  # seconds; a run that takes longer has hung

CONTROL_CHARACTER = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
DIAGNOSTIC = re.compile(r"^\s*(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<kind>error|note): (?P<text>.*)$")
EXPECTATION = re.compile(r"^# (?P<kind>expect|note): (?P<line>\d+|\*):(?P<column>\d+|\*):(?: (?P<text>.*))?$")
VERDICT = re.compile(r"^# schema: (?P<verdict>rejects|accepts|not-toml)$")


@dataclasses.dataclass(frozen=True)
class Diagnostic:
    """One line that partctl printed about a file."""

    file: str
    line: int
    column: int
    kind: str
    text: str

    def __str__(self):
        return f"{self.file}:{self.line}:{self.column}: {self.kind}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Expectation:
    """One line of a bad file's head. `*` is any line or column, `…` in the text anything between."""

    kind: str
    line: str
    column: str
    text: str

    def meets(self, found):
        pattern = ".*".join(re.escape(part.strip()) for part in self.text.split("…"))
        return (
            found.kind == self.kind
            and self.line in ("*", str(found.line))
            and self.column in ("*", str(found.column))
            and re.search(pattern, found.text) is not None
        )

    def __str__(self):
        return f"{self.line}:{self.column}: {self.kind}: {self.text}"


def expectations(path):
    """The expected diagnostics and the schema's verdict, from the comments that a bad file begins with."""
    expected, verdict = [], None
    for line in path.read_text().splitlines():
        if match := EXPECTATION.match(line):
            kind = "error" if match["kind"] == "expect" else "note"
            expected.append(Expectation(kind, match["line"], match["column"], match["text"] or ""))
        elif match := VERDICT.match(line):
            verdict = match["verdict"]
        else:
            break
    if verdict is None or not any(e.kind == "error" for e in expected):
        raise ValueError(f"{path.name} does not begin with `# expect:` and `# schema:`")
    return expected, verdict


def run(*arguments, **options):
    """Runs a program to its end; bytes that are no UTF-8 stay visible as escapes."""
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=options.pop("timeout", TIMEOUT),
        check=False,
        **options,
    )


def diagnostics(stderr):
    """The errors and notes among the lines of stderr."""
    return [
        Diagnostic(m["file"], int(m["line"]), int(m["column"]), m["kind"], m["text"])
        for m in map(DIAGNOSTIC.match, stderr.split("\n"))
        if m
    ]


class Report:
    """Counts what was looked at and keeps what was wrong with it."""

    def __init__(self):
        self.looked_at = 0
        self.wrong = []

    def check(self, name, faults):
        self.looked_at += 1
        if faults:
            self.wrong.append(name)
            print(f"{name}:")
            for fault in faults:
                print(f"    {fault}")

    def finish(self):
        """The summary; returns the exit code. Nothing looked at is a failure too."""
        print(f"{self.looked_at} looked at, {len(self.wrong)} wrong")
        return 1 if self.wrong or self.looked_at == 0 else 0
