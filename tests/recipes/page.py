# SPDX-License-Identifier: Apache-2.0
"""A recipe as steps: its fenced blocks, from top to bottom.

- ```toml, ```sh, ```yaml and so on, whose first line is a comment with a path: the file is written.
- ```console: a line "# COMMAND" is run by bash as root of the host, "client$ COMMAND" in the network of the machine
  client; a line that ends in a backslash goes on in the next. The other lines are the expected output, of both standard
  output and error. Lines "~ # COMMAND" are typed into the command before them.
- Other blocks (```text) are not run.
- In a table, a cell that begins with a `[table]` of TOML: partctl check accepts its lines.
- <!-- host: NAME --> runs the script hosts/NAME: it makes the host the one that the recipe is about.

"…" in the expected output is any text; a line of it alone is any number of lines.
"""

import dataclasses
import pathlib
import re

FENCE = re.compile(r"^```(\w*)$")
PATH = re.compile(r"^# (\S*[./]\S*)$")
CELL = re.compile(r"^ *(`\[+[a-z].*`) *$")
SPAN = re.compile(r"`([^`]*)`")
HOST = re.compile(r"^<!-- host: (\S+) -->$")
PROMPT = re.compile(r"^(?:# |(\w+)\$ )(.*)$")
TYPED = "~ # "


@dataclasses.dataclass
class File:
    line: int
    path: pathlib.Path
    text: str


@dataclasses.dataclass
class Host:
    line: int
    name: str


@dataclasses.dataclass
class Fragment:
    line: int
    text: str

    def document(self):
        """The lines in a file of their own, with what lines about a partition need."""
        link = '[partition.web.link.eth0]\naddress = ["10.1.1.1/24"]\npeer = { address = ["10.1.1.2/24"] }\n'
        return self.text + ("" if ".link.eth0]" in self.text else link) + "[partition.db]\n"


@dataclasses.dataclass
class Command:
    line: int
    text: str
    machine: str | None
    typed: str = ""
    expected: list = dataclasses.field(default_factory=list)

    def difference(self, output):
        """None when the output is as expected, else both side by side."""
        pattern = "".join(expression(line) for line in self.expected)
        found = "".join(f"{line.rstrip()}\n" for line in output.splitlines())
        if re.fullmatch(pattern, found):
            return None
        expected = "".join(f"    {line}\n" for line in self.expected)
        return f"  expected:\n{expected}  found:\n" + "".join(f"    {line}\n" for line in found.splitlines())


def expression(line):
    if line == "…":
        return r"(?:.*\n)*?"
    return ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"\n"


def blocks(text):
    """(number of its first line, language, lines) of each fenced block. A comment for the test counts as a block of the
    language "host", a cell with lines of TOML as one of the language "cell"."""
    language, first, lines = None, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if language is None:
            if fence:
                language, first, lines = fence[1], number + 1, []
            elif comment := HOST.match(line):
                yield number, "host", [comment[1]]
            elif line.startswith("|"):
                for cell in filter(CELL.match, line.split("|")):
                    yield number, "cell", SPAN.findall(cell)
        elif line == "```":
            yield first, language, lines
            language = None
        else:
            lines.append(line)
    if language is not None:
        raise ValueError(f"line {first - 1}: a block without an end")


def steps(text):
    for first, language, lines in blocks(text):
        if language == "host":
            yield Host(first, lines[0])
        elif language == "cell":
            yield Fragment(first, "".join(f"{line}\n" for line in lines))
        elif language == "console":
            yield from commands(first, lines)
        elif language != "text":
            path = PATH.match(lines[0])
            if not path:
                raise ValueError(f"line {first}: a block to be run as a file does not begin with its path in a comment")
            yield File(first, pathlib.Path(path[1]), "".join(f"{line}\n" for line in lines))


def commands(first, lines):
    command, goes_on = None, False
    for number, line in enumerate(lines, start=first):
        prompt = PROMPT.match(line)
        if goes_on:
            command.text += "\n" + line
        elif prompt:
            if command:
                yield command
            command = Command(number, prompt[2], prompt[1])
        elif command is None:
            raise ValueError(f"line {number}: output before a command")
        elif line.startswith(TYPED):
            command.typed += line[len(TYPED):] + "\n"
        else:
            command.expected.append(line)
        goes_on = line.endswith("\\") and (goes_on or prompt is not None)
    if command:
        yield command
