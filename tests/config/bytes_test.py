#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Foreign bytes in a configuration file: sizes, depths, encodings, control characters.

usage: bytes_test.py PARTCTL [TEST…]
"""

import os
import sys

from throwaway_root import MIB, VALID, FilesTest, main


class Bytes(FilesTest):
    """Foreign bytes end in an error with a place, soon and without a crash."""

    def refuse(self, text, words=".", line=None, within=2):
        path = self.etc / "x.toml"
        path.write_bytes(text)
        return self.assert_refused("x.toml", words, line, within)

    def take(self, text):
        (self.etc / "x.toml").write_bytes(text)
        self.assert_valid()

    def test_size(self):
        line = b"# " + b"x" * 61 + b"\n"
        self.take(line * (MIB // len(line)))
        self.refuse(line * (MIB // len(line)) + b"\n", "MiB|large|big|size|bytes")
        self.refuse(line * (2 * MIB // len(line)), "MiB|large|big|size|bytes")

    def test_sparse_file_of_100_megabytes(self):
        path = self.etc / "x.toml"
        path.write_bytes(VALID)
        os.truncate(path, 100 * MIB)
        self.assert_refused("x.toml", "MiB|large|big|size|bytes", within=2)

    def test_dotted_keys(self):
        for segments in (20_000, 150_000):
            bombs = {
                "key": b".".join([b"a"] * segments) + b" = 1\n",
                "header": b"[" + b".".join([b"a"] * segments) + b"]\n",
                "list header": b"[[" + b".".join([b"a"] * segments) + b"]]\n",
                "blanks": b" . ".join([b"a"] * segments) + b" = 1\n",
                "quotes": b".".join([b'"a"'] * segments) + b" = 1\n",
                "literal quotes": b".".join([b"'a'"] * segments) + b" = 1\n",
                "empty keys": b".".join([b'""'] * segments) + b" = 1\n",
                "inline": b"x = { " + b".".join([b"a"] * segments) + b" = 1 }\n",
                "in a list": b"x = [ { " + b".".join([b"a"] * segments) + b" = 1 } ]\n",
                "no value": b".".join([b"a"] * segments),
                "dots": b"a" + b"." * segments,
                "digits": b".".join([b"1"] * segments) + b" = 1\n",
            }
            for name, bomb in bombs.items():
                with self.subTest(name, segments=segments):
                    self.refuse(bomb)

    def test_dotted_keys_behind_strings_that_look_unfinished(self):
        bomb = b".".join([b"a"] * 150_000) + b" = 1\n"
        fronts = (
            b'x = "\\""\n', b"x = '\\'\n", b'x = "#"\n', b"x = '#'\n", b'x = ""\n', b"x = ''\n", b'x = """\n"\n"""\n', b'x = """a""""\n',
            b'x = """a"""""\n', b"x = '''a''''\n", b"x = '''\n'\n'''\n", b'x = """\\""""\n', b'x = """"a"""\n', b"x = '\"'\n",
            b'x = "\'"\n', b'"\\"" = 1\n', b"'\"' = 1\n", b"# \"\n", b"# '''\n", b"# \\\n", b'x = "\\\\"\n', b'x = """\\\\"""\n',
            b"x = [\n'''\n''',\n]\n", b'x = { y = "}" }\n', b"\xef\xbb\xbf", b"\r\n",
        )  # fmt: skip
        for front in fronts:
            with self.subTest(front):
                self.refuse(front + bomb)

    def test_nesting(self):
        for depth in (1_000, 100_000):
            bombs = {
                "lists": b"x = " + b"[" * depth + b"]" * depth + b"\n",
                "open lists": b"x = " + b"[" * depth,
                "tables": b"x = " + b"{a=" * depth + b"1" + b"}" * depth + b"\n",
                "open tables": b"x = " + b"{a=" * depth,
                "both": b"x = " + b"[{a=" * depth,
                "open headers": b"[" * depth,
            }
            for name, bomb in bombs.items():
                with self.subTest(name, depth=depth):
                    self.refuse(bomb)

    def test_many_keys(self):
        keys = b"".join(b"k%d = 1\n" % number for number in range(50_000))
        self.refuse(b"[partition.web]\n" + keys, "unknown key", within=20)

    def test_invalid_utf8(self):
        cases = {
            "lone byte": b"\xff", "cut short": b"\xc3", "overlong": b"\xc0\xaf", "surrogate": b"\xed\xa0\x80",
            "beyond the last": b"\xf4\x90\x80\x80", "continuation": b"\x80", "five bytes": b"\xf8\x88\x80\x80\x80", "latin-1": b"b\xe4r",
        }  # fmt: skip
        for name, text in cases.items():
            with self.subTest(name):
                self.refuse(b'[partition.web]\ndescription = "' + text + b'"\n', line=2)
                self.refuse(b"[partition.web]\n# " + text + b"\n", line=2)
                self.refuse(b"[partition.web]\na" + text + b" = 1\n", line=2)

    def test_byte_order_marks(self):
        self.take(b"\xef\xbb\xbf" + VALID)
        for text in (
            b"\xef\xbb\xbb/", b"\xef\xbb", b"\xef", b"\xef\xbb\xbf\xef\xbb\xbf" + VALID, b"\xfe\xff", b"\xff\xfe", b"\xff\xfe\x00\x00",
            b"\x00\x00\xfe\xff", VALID.decode().encode("utf-16"), VALID.decode().encode("utf-32"), b"\xef\xbb\xbb" + VALID,
        ):  # fmt: skip
            with self.subTest(text[:8]):
                self.refuse(text)

    def test_short_and_broken(self):
        for text in (
            b"[\n", b"[", b"[[", b"]", b"=", b".", b"a", b"a.", b"a=", b'"', b"'", b'"""', b"'''", b"{", b"x = {", b"x = [", b"x = +",
            b"x = 0x", b"x = 1e", b"x = 2026-", b"x = \\", b"\x00", b"\r", b"[a\n]", b"[]", b"[[]]", b"x = 1 = 2", b'"\\u', b'x = "\\u00',
        ):  # fmt: skip
            with self.subTest(text):
                self.refuse(text)

    def test_control_characters(self):
        for text in (b"\x00", b"\x1b", b"\x7f", b"\x08", b"\r"):
            with self.subTest("raw", text=text):
                self.refuse(b'[partition.web]\ndescription = "a' + text + b'b"\n', line=2)
        for text in (b"\\u0000", b"\\u001b", b"\\b", b"\\u007f", b"\\u009b"):
            with self.subTest("escaped", text=text):
                self.refuse(b'[partition.web]\ndescription = "a' + text + b'b"\n', "control character", line=2)

    def test_numbers_that_are_none(self):
        for number in (b"inf", b"-inf", b"+inf", b"nan", b"-nan", b"1e400", b"-0.0"):
            with self.subTest(number):
                self.refuse(b"[partition.web.cgroup]\npids.max = " + number + b"\n", line=2)
                self.refuse(b"[partition.web.link.eth0]\nmtu = " + number + b"\n", line=2)


if __name__ == "__main__":
    main(sys.argv)
