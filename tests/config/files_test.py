#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules on the files of the configuration directories: which are read, which are refused, and what that changes.

usage: files_test.py PARTCTL [TEST…]
"""

import os
import pathlib
import socket
import stat
import sys
import tempfile

import corpus
from throwaway_root import AS_NOBODY, INVALID, MIB, NOBODY, VALID, FilesTest, main


class KindsOfFiles(FilesTest):
    """Only a plain file, root's own and writable by root alone, is read."""

    def test_plain_file(self):
        (self.etc / "x.toml").write_bytes(VALID)
        self.assert_valid()

    def test_read_only_file(self):
        (self.etc / "x.toml").write_bytes(VALID)
        (self.etc / "x.toml").chmod(0o400)
        self.assert_valid()

    def test_symbolic_link(self):
        (self.root / "elsewhere").write_bytes(VALID)
        (self.etc / "x.toml").symlink_to(self.root / "elsewhere")
        self.assert_refused("x.toml", "link")

    def test_symbolic_link_within_the_directory(self):
        (self.etc / "real.toml").write_bytes(VALID)
        (self.etc / "x.toml").symlink_to("real.toml")
        self.assert_refused("x.toml", "link")

    def test_dangling_symbolic_link(self):
        (self.etc / "x.toml").symlink_to("nowhere")
        self.assert_refused("x.toml", "link")

    def test_symbolic_link_to_itself(self):
        (self.etc / "x.toml").symlink_to("x.toml")
        self.assert_refused("x.toml", "link")

    def test_hard_link(self):
        (self.root / "elsewhere").write_bytes(VALID)
        (self.etc / "x.toml").hardlink_to(self.root / "elsewhere")
        self.assert_refused("x.toml", "link")

    def test_fifo(self):
        os.mkfifo(self.etc / "x.toml", 0o644)
        self.assert_refused("x.toml", "regular file|FIFO", within=2)

    def test_directory(self):
        (self.etc / "x.toml").mkdir()
        self.assert_refused("x.toml", "regular file|directory")

    def test_socket(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.etc / "x.toml"))
            (self.etc / "x.toml").chmod(0o644)
            self.assert_refused("x.toml", "regular file|socket")

    def test_device(self):
        os.mknod(self.etc / "x.toml", stat.S_IFCHR | 0o644, os.makedev(1, 5))
        self.assert_refused("x.toml", "regular file|device", within=2)

    def test_writable_by_all(self):
        (self.etc / "x.toml").write_bytes(VALID)
        (self.etc / "x.toml").chmod(0o646)
        self.assert_refused("x.toml", "writ")

    def test_writable_by_group(self):
        (self.etc / "x.toml").write_bytes(VALID)
        (self.etc / "x.toml").chmod(0o664)
        self.assert_refused("x.toml", "writ")

    def test_owner(self):
        (self.etc / "x.toml").write_bytes(VALID)
        os.chown(self.etc / "x.toml", NOBODY, 0)
        self.assert_refused("x.toml", "own|root")

    def test_group_that_may_only_read(self):
        (self.etc / "x.toml").write_bytes(VALID)
        os.chown(self.etc / "x.toml", 0, NOBODY)
        (self.etc / "x.toml").chmod(0o640)
        self.assert_valid()

    def test_named_file_may_belong_to_anybody(self):
        mine = self.root / "mine.toml"
        mine.write_bytes(VALID)
        os.chown(mine, NOBODY, NOBODY)
        mine.chmod(0o666)
        self.assert_valid(mine)

    def test_named_file_that_is_missing(self):
        result = self.call("check", self.root / "nowhere.toml")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("nowhere.toml", result.stderr)

    def test_named_file_that_is_too_large(self):
        large = self.root / "large.toml"
        large.write_bytes(b"# x\n" * (MIB // 4) + b"\n")
        result = self.call("check", large)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"large\.toml:1:1: error: .*(MiB|large|big|size|bytes)")

    def test_standard_input(self):
        self.assertEqual(self.check_input(VALID).returncode, 0)
        result = self.check_input(INVALID)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, ":2:1: error: unknown key")

    def check_input(self, text):
        with tempfile.TemporaryFile() as stdin:
            stdin.write(text)
            stdin.seek(0)
            return corpus.subprocess.run(
                [self.partctl, "--color", "never", "check", "-"],
                stdin=stdin, capture_output=True, text=True, timeout=corpus.TIMEOUT, check=False,
            )


class Directories(FilesTest):
    """Which files are read, and which of the same name wins."""

    def test_directory_writable_by_all(self):
        (self.etc / "x.toml").write_bytes(VALID)
        self.etc.chmod(0o777)
        self.assert_directory_refused("writ")

    def test_directory_writable_by_all_but_sticky(self):
        (self.etc / "x.toml").write_bytes(VALID)
        self.etc.chmod(0o1777)
        self.assert_directory_refused("writ")

    def test_directory_writable_by_group(self):
        (self.etc / "x.toml").write_bytes(VALID)
        self.etc.chmod(0o775)
        self.assert_directory_refused("writ")

    def test_directory_of_another_owner(self):
        (self.etc / "x.toml").write_bytes(VALID)
        os.chown(self.etc, NOBODY, 0)
        self.assert_directory_refused("own|root")

    def assert_directory_refused(self, words):
        result = self.call("check")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("etc/partd", result.stderr)
        self.assertRegex(result.stderr, words)

    def test_later_directories_win(self):
        order = (self.usr, self.run_dir, self.etc)
        for earlier in range(3):
            for later in range(earlier + 1, 3):
                with self.subTest(earlier=order[earlier].name, later=order[later].name):
                    (order[earlier] / "x.toml").write_bytes(INVALID)
                    (order[later] / "x.toml").write_bytes(VALID)
                    self.assert_valid()
                    (order[earlier] / "x.toml").write_bytes(VALID)
                    (order[later] / "x.toml").write_bytes(INVALID)
                    self.assert_refused((order[later] / "x.toml").relative_to(self.root), "zebra")
                    (order[earlier] / "x.toml").unlink()
                    (order[later] / "x.toml").unlink()

    def test_every_directory_is_read(self):
        for directory in (self.usr, self.run_dir, self.etc):
            with self.subTest(directory=directory):
                (directory / "x.toml").write_bytes(INVALID)
                self.assert_refused((directory / "x.toml").relative_to(self.root), "zebra")
                (directory / "x.toml").unlink()

    def test_missing_directories(self):
        for directory in (self.usr, self.run_dir):
            directory.rmdir()
        (self.etc / "x.toml").write_bytes(VALID)
        self.assert_valid()

    def test_empty_file_is_refused(self):
        for text in b"", b"\n", b" \t\r\n":
            (self.etc / "x.toml").write_bytes(text)
            self.assert_refused("etc/partd/x.toml", "is empty")
        (self.etc / "x.toml").write_bytes(b"# none\n")
        self.assert_valid()

    def test_link_to_dev_null_masks(self):
        (self.usr / "x.toml").write_bytes(INVALID)
        (self.etc / "x.toml").symlink_to("/dev/null")
        self.assert_valid()

    def test_mask_can_be_replaced(self):
        (self.usr / "x.toml").symlink_to("/dev/null")
        (self.etc / "x.toml").write_bytes(INVALID)
        self.assert_refused("etc/partd/x.toml", "zebra")

    def test_other_names_are_not_read(self):
        names = (
            ".x.toml", ".x.toml.swp", ".x.toml.swo", "x.toml~", "#x.toml#", ".#x.toml", "x.toml.bak", "x.toml.dpkg-old",
            "x.toml.rpmsave", "x.toml.tmp", "x.conf", "x.TOML", "xtoml", "toml", ".toml", "README",
        )  # fmt: skip
        for name in names:
            (self.etc / name).write_bytes(INVALID)
        (self.etc / "sub").mkdir()
        (self.etc / "sub/x.toml").write_bytes(INVALID)
        (self.etc / ".#y.toml").symlink_to("user@host.123:456")
        self.assert_valid()

    def test_same_object_in_two_files(self):
        (self.etc / "a.toml").write_bytes(b"# first\n[partition.web]\n")
        (self.run_dir / "b.toml").write_bytes(b"\n\n[partition.web]\n")
        result = self.call("check")
        self.assertEqual(result.returncode, 3, result.stderr)
        places = {(pathlib.Path(d.file).name, d.line) for d in corpus.diagnostics(result.stderr)}
        self.assertEqual(places, {("a.toml", 2), ("b.toml", 3)}, result.stderr)

    def test_objects_of_one_document_know_each_other(self):
        (self.etc / "a.toml").write_bytes(b'[partition.web]\nextends = "tenant"\n')
        (self.usr / "b.toml").write_bytes(b'[template.tenant]\ndescription = "of {name}"\n')
        self.assert_valid()

    def test_every_file_is_reported(self):
        for name in ("a", "b", "c"):
            (self.etc / f"{name}.toml").write_bytes(f"[partition.{name}]\nzebra = 1\n".encode())
        result = self.call("check")
        self.assertEqual(result.returncode, 3)
        found = {pathlib.Path(d.file).name for d in corpus.diagnostics(result.stderr)}
        self.assertEqual(found, {"a.toml", "b.toml", "c.toml"})

    def test_file_name_with_control_characters(self):
        (self.etc / "\x1b[31m.toml").write_bytes(INVALID)
        result = self.call("check")
        self.assertEqual(result.returncode, 3, result.stderr)


class Apply(FilesTest):
    """What an invalid configuration leaves alone."""

    def undo(self):
        for directory in (self.usr, self.run_dir, self.etc):
            directory.mkdir(parents=True, exist_ok=True)
            for path in directory.glob("*.toml"):
                path.unlink()
        result = self.call("apply", "--allow-delete")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_invalid_changes_nothing(self):
        (self.etc / "good.toml").write_bytes(b'[partition.good.link.eth0]\naddress = ["10.1.1.1/24"]\n')
        (self.etc / "bad.toml").write_bytes(b'[partition.bad.link.eth0]\naddress = ["10.1.1.1"]\n')
        before = self.host()
        for arguments in (("apply",), ("apply", "good"), ("diff",), ("--json", "apply")):
            with self.subTest(arguments):
                result = self.call(*arguments)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertRegex(result.stderr, r"bad\.toml:2:12: error: ")
                self.assertEqual(self.host(), before)

    def test_invalid_added_file_changes_nothing(self):
        added = self.root / "added.toml"
        added.write_bytes(INVALID)
        (self.etc / "good.toml").write_bytes(b"[partition.good]\n")
        before = self.host()
        result = self.call("apply", "-f", added)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"added\.toml:2:1: error: ")
        self.assertEqual(self.host(), before)

    def test_keep_going_applies_the_valid_files(self):
        self.addCleanup(self.undo)
        (self.etc / "good.toml").write_bytes(b"[partition.good]\n")
        (self.etc / "bad.toml").write_bytes(b"[partition.bad]\nzebra = 1\n")
        result = self.call("apply", "--keep-going")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertRegex(result.stderr, r"bad\.toml:2:1: error: ")
        self.assertTrue(self.has_netns("good"))
        self.assertFalse(self.has_netns("bad"))

    def test_typing_mistake_removes_nothing(self):
        self.addCleanup(self.undo)
        (self.etc / "web.toml").write_bytes(b"[partition.web]\n")
        self.assertEqual(self.call("apply").returncode, 0)
        for broken in (b"[partition.web]\nzebra = 1\n", b"[partition.web\n", b'[partition."we/b"]\n', b"\xff"):
            with self.subTest(broken):
                (self.etc / "web.toml").write_bytes(broken)
                (self.etc / "db.toml").write_bytes(b"[partition.db]\n")
                self.assertEqual(self.call("apply", "--keep-going").returncode, 3)
                self.assertTrue(self.has_netns("web"))
                self.assertTrue(self.has_netns("db"))

    def test_refused_file_removes_nothing(self):
        self.addCleanup(self.undo)
        (self.etc / "web.toml").write_bytes(b"[partition.web]\n")
        self.assertEqual(self.call("apply").returncode, 0)
        (self.etc / "web.toml").chmod(0o666)
        self.assertEqual(self.call("apply", "--keep-going").returncode, 3)
        self.assertTrue(self.has_netns("web"))

    def test_missing_directory_removes_nothing(self):
        self.addCleanup(self.undo)
        (self.etc / "web.toml").write_bytes(b"[partition.web]\n")
        self.assertEqual(self.call("apply").returncode, 0)
        self.etc.rename(self.root / "moved")
        self.call("apply")
        self.assertTrue(self.has_netns("web"))
        (self.root / "moved").rename(self.etc)


class NoRoot(FilesTest):
    """What a user without rights may do, and what he is told."""

    def nobody(self, *arguments):
        return self.call(*arguments, prefix=AS_NOBODY)

    def test_allowed(self):
        (self.etc / "x.toml").write_bytes(VALID)
        for arguments in (("check",), ("check", self.etc / "x.toml"), ("schema",)):
            with self.subTest(arguments):
                result = self.nobody(*arguments)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_invalid_is_told(self):
        (self.etc / "x.toml").write_bytes(INVALID)
        self.assertEqual(self.nobody("check").returncode, 3)

    def test_not_permitted(self):
        (self.etc / "x.toml").write_bytes(VALID)
        before = self.host()
        for arguments in (("apply",), ("diff",), ("status",)):
            with self.subTest(arguments):
                result = self.nobody(*arguments)
                self.assertEqual(result.returncode, 5, result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(self.host(), before)

    def test_file_that_may_not_be_read(self):
        (self.etc / "x.toml").write_bytes(VALID)
        (self.etc / "x.toml").chmod(0o600)
        result = self.nobody("check")
        self.assertIn(result.returncode, (3, 5), result.stderr)
        self.assertIn("x.toml", result.stderr)

    def test_directory_that_may_not_be_read(self):
        (self.etc / "x.toml").write_bytes(VALID)
        self.etc.chmod(0o700)
        result = self.nobody("check")
        self.assertIn(result.returncode, (3, 5), result.stderr)
        self.assertIn("etc/partd", result.stderr)


if __name__ == "__main__":
    main(sys.argv)
