#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The reader of recipes, and the form of the pages in docs/recipes."""

import pathlib
import re
import unittest

import page

RECIPES = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/recipes"
PAGES = sorted(path for path in RECIPES.glob("*.md") if path.name != "README.md")

EXAMPLE = """
| `command` | `[partition.web]` `hostname = "web"` |

<!-- host: docker -->
```toml
# /etc/partd/web.toml
[partition.web]
```
```text
# not run
```
```console
# one \\
    goes on
first

third
client$ two
# shell
~ # typed
~ # more
```
"""


class Reader(unittest.TestCase):
    def test_steps(self):
        self.assertEqual(list(page.steps(EXAMPLE)), [
            page.Fragment(2, '[partition.web]\nhostname = "web"\n'),
            page.Host(4, "docker"),
            page.File(6, pathlib.Path("/etc/partd/web.toml"), "# /etc/partd/web.toml\n[partition.web]\n"),
            page.Command(13, "one \\\n    goes on", None, "", ["first", "", "third"]),
            page.Command(18, "two", "client", "", []),
            page.Command(19, "shell", None, "typed\nmore\n", []),
        ])  # fmt: skip

    def test_blocks_that_nobody_can_follow(self):
        for text in ("```toml\n[partition.web]\n```", "```console\noutput first\n```", "```console\n# open\n"):
            with self.assertRaises(ValueError):
                list(page.steps(text))

    def test_expected_output(self):
        def fits(expected, found):
            return page.Command(1, "", None, "", expected).difference(found) is None

        for expected, found in (
            ([], ""),
            (["one", "two"], "one\ntwo\n"),
            (["o…e  a.b"], "one  a.b  \n"),
            (["…"], ""),
            (["…", "last"], "first\nlast\n"),
            (["first", "…", "last"], "first\nlast\n"),
        ):
            self.assertTrue(fits(expected, found), (expected, found))
        for expected, found in (
            ([], "one\n"),
            (["one"], ""),
            (["one"], "one\ntwo\n"),
            (["one", "two"], "two\none\n"),
            (["a.b"], "aXb\n"),
            (["o…e"], "o\ne\n"),
            (["…", "last"], "last\nfirst\n"),
        ):
            self.assertFalse(fits(expected, found), (expected, found))


class Pages(unittest.TestCase):
    def test_index(self):
        index = (RECIPES / "README.md").read_text()
        named = re.findall(r"^\| \[(\S+)\]\(\1\) \|", index, re.MULTILINE)
        self.assertEqual(sorted(named), [path.name for path in PAGES])

    def test_form(self):
        """A goal first, the way back last; what is not run is the exception."""
        for path in PAGES:
            text = path.read_text()
            self.assertRegex(text, r"\A# .+\n\nGoal: ", path)
            self.assertIn("\n## Undo\n", text, path)
            commands = [step for step in page.steps(text) if isinstance(step, page.Command)]
            self.assertTrue(any("partctl " in step.text for step in commands), path)
            self.assertLessEqual(text.count("```text"), 1, path)


if __name__ == "__main__":
    unittest.main()
