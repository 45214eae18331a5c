#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The collection without a host: ansible-doc has every option and every result of every module, and the collection's own
unit tests pass.

usage: collection_test.py [TEST…]
"""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

COLLECTION = pathlib.Path(__file__).resolve().parents[2] / "packaging/ansible"
PLACE = "ansible_collections.partd.host.plugins.modules"
MODULES = sorted(path.stem for path in (COLLECTION / "plugins/modules").glob("*.py"))


class Stopped(Exception):
    """Raised where a module has told its arguments."""


def argument_spec(name):
    module = importlib.import_module(f"{PLACE}.{name}")
    with mock.patch.object(module, "AnsibleModule", side_effect=Stopped) as made:
        try:
            module.main()
        except Stopped:
            pass
    return made.call_args.kwargs


class Documented(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        listed = subprocess.run(
            ["ansible-doc", "--json", *(f"partd.host.{name}" for name in MODULES)],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        cls.documented = json.loads(listed.stdout)

    def test_every_module(self):
        self.assertEqual(sorted(self.documented), [f"partd.host.{name}" for name in MODULES])

    def compare(self, documented, spec, where):
        self.assertEqual(sorted(documented), sorted(spec), where)
        for name, option in spec.items():
            said = documented[name]
            with self.subTest(f"{where}.{name}"):
                self.assertTrue(said["description"])
                for key in ("type", "elements", "choices", "required", "default"):
                    # Both leave out what is false or null.
                    self.assertEqual(said.get(key) or None, option.get(key) or None, key)
                self.compare(said.get("suboptions") or {}, option.get("options") or {}, f"{where}.{name}")

    def test_every_option(self):
        for name in MODULES:
            said = self.documented[f"partd.host.{name}"]
            self.compare(said["doc"]["options"], argument_spec(name)["argument_spec"], name)

    def test_check_mode(self):
        for name in MODULES:
            self.assertTrue(argument_spec(name)["supports_check_mode"], name)

    def test_examples_and_results(self):
        for name, said in self.documented.items():
            with self.subTest(name):
                self.assertIn(f"{name}:", said["examples"])
                for member, result in said["return"].items():
                    self.assertTrue(result.get("description") and result.get("type") and result.get("returned"), member)

    def test_role(self):
        shown = subprocess.run(
            ["ansible-doc", "--type", "role", "--json", "partd.host.partd"], capture_output=True, text=True, timeout=60, check=True
        )
        import yaml

        options = json.loads(shown.stdout)["partd.host.partd"]["entry_points"]["main"]["options"]
        defaults = yaml.safe_load((COLLECTION / "roles/partd/defaults/main.yml").read_text())
        self.assertEqual({name: option["default"] for name, option in options.items()}, defaults)
        self.assertTrue(all(option["description"] for option in options.values()))
        table = (COLLECTION / "roles/partd/README.md").read_text()
        for name in defaults:
            self.assertIn(f"`{name}`", table)


class Whole(unittest.TestCase):
    def test_units(self):
        for path in sorted(COLLECTION.glob("tests/unit/**/test_*.py")):
            ran = subprocess.run([sys.executable, "-B", path], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_it_is_installed(self):
        place = pathlib.Path(os.environ["HOME"], "installed")
        installed = subprocess.run(
            ["ansible-galaxy", "collection", "install", "--offline", "--collections-path", place, COLLECTION],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertEqual(installed.returncode, 0, installed.stdout + installed.stderr)
        self.assertTrue((place / "ansible_collections/partd/host/plugins/modules/partd_config.py").exists())


def main(arguments):
    with tempfile.TemporaryDirectory(prefix="partd-ansible-") as home:
        place = pathlib.Path(home, "collections/ansible_collections/partd")
        place.mkdir(parents=True)
        shutil.copytree(COLLECTION, place / "host", ignore=shutil.ignore_patterns("__pycache__"))
        collections = str(pathlib.Path(home, "collections"))
        sys.path.insert(0, collections)
        os.environ.update(HOME=home, ANSIBLE_COLLECTIONS_PATH=collections, PYTHONPATH=collections, LC_ALL="C.UTF-8")
        finished = unittest.main(argv=arguments, exit=False)
    sys.exit(not finished.result.wasSuccessful())


if __name__ == "__main__":
    main(sys.argv)
