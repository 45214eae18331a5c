# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Strings become numbers only where a schema takes nothing but numbers."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import unittest

from ansible_collections.partd.host.plugins.module_utils.schema import typed

LINK = {'type': 'object', 'properties': {
    'mtu': {'type': 'integer'},
    'up': {'type': 'boolean'},
    'alias': {'type': 'string'},
    'size': {'type': ['integer', 'string']},
    'either': {'anyOf': [{'type': 'integer'}, {'type': 'string'}]},
    'one': {'enum': [1, 2]},
    'any': {},
    'ids': {'type': 'array', 'items': {'type': 'integer'}},
}}
SCHEMA = {'properties': {'link': {'patternProperties': {'^[a-z]+[0-9]$': {'oneOf': [LINK, {'properties': {'mtu': {'const': 5}}}]}}}}}


class Typed(unittest.TestCase):
    def check(self, before, after):
        self.assertEqual(typed({'link': {'eth0': before}}, [SCHEMA]), {'link': {'eth0': after}})

    def test_numbers(self):
        self.check({'mtu': '1500', 'ids': ['1', 2], 'one': '2'}, {'mtu': 1500, 'ids': [1, 2], 'one': 2})

    def test_booleans(self):
        self.check({'up': 'True'}, {'up': True})

    def test_left_alone(self):
        for value in (
            {'alias': '1'}, {'size': '1'}, {'either': '1'}, {'any': '1'}, {'unknown': '1'}, {'mtu': '1G'}, {'mtu': '01'},
            {'mtu': ''}, {'mtu': 'true'}, {'mtu': ' 1'}, {'mtu': None}, {'ids': '1'}, {'up': 'yes'},
        ):
            self.check(value, value)
        self.assertEqual(typed({'link': {'ETH': {'mtu': '1'}}}, [SCHEMA]), {'link': {'ETH': {'mtu': '1'}}})


if __name__ == '__main__':
    unittest.main()
