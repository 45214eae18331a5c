# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Data as TOML 1.0, and the two operations on data that partd_config needs. Nothing here reads or writes a file."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import math
import re

BARE = re.compile(r'^[A-Za-z0-9_-]+$')
ESCAPES = {
    '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '"': '\\"', '\\': '\\\\',
}


class NotToml(ValueError):
    """A value that TOML has no form for; says where."""


def place(path):
    return '.'.join(key(part) for part in path) or 'the document'


def string(value, path=()):
    """A basic string: control characters are escaped, everything else stands as it is."""
    out = []
    for letter in value:
        code = ord(letter)
        if 0xD800 <= code <= 0xDFFF:
            raise NotToml('%s: the string is not Unicode' % place(path))
        if letter in ESCAPES:
            out.append(ESCAPES[letter])
        elif code < 0x20 or code == 0x7F:
            out.append('\\u%04X' % code)
        else:
            out.append(letter)
    return '"%s"' % ''.join(out)


def key(name):
    return name if BARE.match(name) else string(name)


def number(value):
    if math.isnan(value):
        return 'nan'
    if math.isinf(value):
        return 'inf' if value > 0 else '-inf'
    text = repr(value)
    # TOML wants a digit on both sides of the point, and repr() gives "1e+16".
    return text if '.' in text or 'e' not in text else text.replace('e', '.0e', 1)


def inline(value, path=()):
    """A value on one line."""
    if isinstance(value, bool):  # before int, which it is as well
        return 'true' if value else 'false'
    if isinstance(value, int):
        if not -2**63 <= value < 2**63:
            raise NotToml('%s: %d does not fit into 64 bits' % (place(path), value))
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return string(value, path)
    if isinstance(value, (list, tuple)):
        return '[%s]' % ', '.join(inline(each, path) for each in value)
    if isinstance(value, dict):
        members = ['%s = %s' % (key(name), inline(each, tuple(path) + (name,))) for name, each in items(value, path)]
        return '{ %s }' % ', '.join(members) if members else '{}'
    if value is None:
        raise NotToml('%s: null has no form in TOML' % place(path))
    raise NotToml('%s: a %s has no form in TOML' % (place(path), type(value).__name__))


def items(table, path):
    """The members that are not null, as (name, value)."""
    found = []
    for name, value in table.items():
        if isinstance(name, (bool, int)):
            name = str(name).lower()  # YAML reads the key `10` as a number
        if not isinstance(name, str):
            raise NotToml('%s: a key is a string, not a %s' % (place(path), type(name).__name__))
        if value is not None:
            found.append((name, value))
    return found


def is_tables(value):
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(each, dict) for each in value)


def flat(table, path, prefix=()):
    """The members of a table and of the tables in it, as (dotted key, value)."""
    found = []
    for name, value in items(table, path):
        if isinstance(value, dict) and value:
            found += flat(value, tuple(path) + (name,), tuple(prefix) + (name,))
        else:
            found.append(('.'.join(key(part) for part in tuple(prefix) + (name,)), value))
    return found


def dumps(document, is_dotted=lambda path: False):
    """The document as TOML. Below a path for which is_dotted is true, tables are written as dotted keys."""
    blocks = []
    write_table(document, (), None, is_dotted, blocks)
    return '\n'.join(blocks)


def write_table(table, path, header, is_dotted, blocks):
    lines, later = [], []
    if is_dotted(path):
        lines = ['%s = %s' % (name, inline(value, path)) for name, value in flat(table, path)]
    else:
        for name, value in items(table, path):
            if isinstance(value, dict) or is_tables(value):
                later.append((name, value))
            else:
                lines.append('%s = %s' % (key(name), inline(value, tuple(path) + (name,))))
    # A table that has only tables in it is declared by theirs.
    if header and (lines or not later or header.startswith('[[')):
        lines.insert(0, header)
    if lines:
        blocks.append('\n'.join(lines) + '\n')
    for name, value in later:
        inner = tuple(path) + (name,)
        title = '.'.join(key(part) for part in inner)
        if isinstance(value, dict):
            write_table(value, inner, '[%s]' % title, is_dotted, blocks)
        else:
            for each in value:
                write_table(each, inner, '[[%s]]' % title, is_dotted, blocks)


def merge(base, other):
    """`base` with the keys of `other`: tables are merged, anything else is replaced, null takes the key away."""
    merged = dict(base)
    for name, value in other.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def unfold(table, is_dotted, path=()):
    """Keys such as "memory.max" as tables, where is_dotted says that a dot stands between two keys."""
    if not isinstance(table, dict):
        return table
    found = {}
    for name, value in table.items():
        inner = tuple(path) + (str(name),)
        if isinstance(value, dict):
            value = unfold(value, is_dotted, inner)
        if any(is_dotted(path[:depth]) for depth in range(len(path) + 1)) and isinstance(name, str):
            parts = name.split('.')
            if len(parts) > 1 and all(BARE.match(part) for part in parts):
                for part in reversed(parts[1:]):
                    value = {part: value}
                name = parts[0]
        # Both {"memory": {"low": …}, "memory.max": …} are of one table.
        found = merge_keeping_null(found, {name: value})
    return found


def merge_keeping_null(base, other):
    merged = dict(base)
    for name, value in other.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = merge_keeping_null(merged[name], value) if both else value
    return merged
