# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The writer of TOML against Python's own reader of it."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import random
import unittest

from ansible_collections.partd.host.plugins.module_utils import toml_writer

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None


def dotted(path):
    return len(path) == 3 and path[2] in ('cgroup', 'sysctl')


def draw(random_, depth=0):
    kinds = ['str', 'int', 'bool', 'float', 'list'] + (['dict', 'tables'] * 2 if depth < 4 else [])
    kind = random_.choice(kinds)
    if kind == 'str':
        letters = [chr(code) for code in range(0x80)] + ['ä', '→', '\u2028', '\U0001F600', '"', '\\', "'"]
        return ''.join(random_.choice(letters) for dummy in range(random_.randrange(9)))
    if kind == 'int':
        return random_.choice([0, -1, 7, 2**63 - 1, -2**63])
    if kind == 'bool':
        return random_.random() < 0.5
    if kind == 'float':
        return random_.choice([0.5, 1e16, -1.5e-9, 1e300, float('inf'), 3.0])
    if kind == 'list':
        return [draw(random_, 4) for dummy in range(random_.randrange(4))]
    if kind == 'tables':
        return [draw_table(random_, depth + 1) for dummy in range(random_.randrange(1, 3))]
    return draw_table(random_, depth + 1)


def draw_table(random_, depth=0):
    names = ['a', 'b-c', 'd_e', 'with space', 'dot.ted', '', 'é', '"', '1', '\n', 'cgroup', 'sysctl']
    return dict((name, draw(random_, depth)) for name in random_.sample(names, random_.randrange(5)))


@unittest.skipIf(tomllib is None, 'tomllib came with Python 3.11')
class Reader(unittest.TestCase):
    """Whatever is written is read back as it was."""

    def assert_same(self, document, is_dotted=lambda path: False):
        text = toml_writer.dumps(document, is_dotted)
        self.assertEqual(tomllib.loads(text), document, text)

    def test_every_escape(self):
        text = ''.join(chr(code) for code in range(0x80)) + '\u0085\ufeff\U0001F600'
        self.assert_same({'text': text, text: 1})

    def test_tables_in_tables(self):
        self.assert_same({'a': {'b': {'c': {}}, 'x': 1}, 'y': 2})

    def test_arrays_of_tables(self):
        self.assert_same({'a': {'route': [{'to': 'default', 'nexthop': [{'via': '::1'}, {}]}, {}], 'x': []}})

    def test_mixed_list(self):
        self.assert_same({'a': [1, {'b': [True, {'c': 'd'}]}, [], [{}]]})

    def test_empty(self):
        self.assert_same({})
        self.assertEqual(toml_writer.dumps({}), '')

    def test_random_documents(self):
        random_ = random.Random(19)
        for dummy in range(2000):
            self.assert_same(draw_table(random_), random_.choice([dotted, lambda path: False]))

    def test_dotted(self):
        document = {'partition': {'web': {'cgroup': {'memory': {'max': '1G'}}, 'sysctl': {'net': {'a.b': {'c': 1}}}}}}
        text = toml_writer.dumps(document, dotted)
        self.assertEqual(tomllib.loads(text), document)
        self.assertIn('\nmemory.max = "1G"\n', text)
        self.assertIn('\nnet."a.b".c = 1\n', text)


class Words(unittest.TestCase):
    """The form of it, and what is refused."""

    def test_layout(self):
        document = {'partition': {'web': {'description': 'w', 'link': {'eth0': {'address': ['10.1.1.1/24'], 'up': True}}}}}
        self.assertEqual(
            toml_writer.dumps(document),
            '[partition.web]\ndescription = "w"\n\n[partition.web.link.eth0]\naddress = ["10.1.1.1/24"]\nup = true\n')

    def test_null_is_left_out(self):
        self.assertEqual(toml_writer.dumps({'a': None, 'b': 1}), 'b = 1\n')

    def test_number_as_key(self):
        self.assertEqual(toml_writer.dumps({10: {'x': 1}}), '[10]\nx = 1\n')

    def test_refused(self):
        for value in (2**63, [None], {'a': [None]}, object(), '\ud800'):
            with self.assertRaises(toml_writer.NotToml) as caught:
                toml_writer.dumps({'here': value})
            self.assertIn('here', str(caught.exception))

    def test_merge(self):
        merged = toml_writer.merge({'a': {'b': 1, 'c': [1, 2]}, 'd': 1}, {'a': {'c': [3], 'e': {'f': None}}, 'd': None})
        self.assertEqual(merged, {'a': {'b': 1, 'c': [3], 'e': {}}})

    def test_unfold(self):
        table = {'partition': {'web': {'cgroup': {'memory.max': 1, 'memory': {'low': 2}}, 'dns': {'a.b': 3}}}}
        self.assertEqual(
            toml_writer.unfold(table, dotted),
            {'partition': {'web': {'cgroup': {'memory': {'max': 1, 'low': 2}}, 'dns': {'a.b': 3}}}})


if __name__ == '__main__':
    unittest.main()
