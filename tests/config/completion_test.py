#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What bash, zsh and fish complete, by the scripts that partctl prints.

usage: completion_test.py PARTCTL FUNCTIONS [TEST…]
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PARTCTL = FUNCTIONS = None


def run(*program):
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout


class Completion(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        (self.root / "etc/partd").mkdir(parents=True)
        (self.root / "etc/partd/web.toml").write_text("[partition.web]\n[slice.batch]\n")
        self.root.chmod(0o755)

    def script(self, shell):
        text = run(PARTCTL, "completion", shell)
        if shell == "bash":
            text += pathlib.Path(FUNCTIONS).read_text()
        path = self.root / f"partctl.{shell}"
        path.write_text(text)
        run(shell, "-n", str(path))
        return path

    def bash(self, *words):
        """The words that bash offers for the last of these."""
        line = " ".join(f"'{word}'" for word in (PARTCTL, *words))
        return run(
            "bash",
            "-c",
            f"source {self.script('bash')}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _partctl; "
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ).split()

    def test_bash(self):
        self.assertEqual(self.bash("dif"), ["diff"])
        self.assertNotIn("completion", self.bash(""))
        self.assertEqual(self.bash("diff", "--gen"), ["--generation"])
        self.assertIn("--no-legend", self.bash("status", "--"))
        self.assertEqual(self.bash("--root", str(self.root), "status", "w"), ["web"])
        self.assertEqual(self.bash("--root", str(self.root), "show", ""), ["batch", "web"])

    def test_zsh(self):
        text = self.script("zsh").read_text()
        self.assertTrue(text.startswith("#compdef partctl\n"))
        self.assertIn("'diff:Show what apply would do'", text)

    def test_fish(self):
        if os.environ.get("HOME") is None:
            os.environ["HOME"] = str(self.root)
        script = self.script("fish")

        def offered(line):
            told = run("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
            return [word.split("\t")[0] for word in told.splitlines()]

        self.assertEqual(offered("partctl dif"), ["diff"])
        self.assertEqual(offered("partctl diff --gen"), ["--generation"])
        self.assertNotIn("--generation", offered("partctl apply --"))


if __name__ == "__main__":
    PARTCTL, FUNCTIONS = sys.argv[1:3]
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
