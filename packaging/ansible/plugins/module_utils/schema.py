# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""Values that templating made strings of, in the types that the JSON Schema of partctl asks for."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re

INTEGER = re.compile(r'^-?(0|[1-9][0-9]*)$')
BOOLEANS = {'true': True, 'True': True, 'false': False, 'False': False}


def alternatives(schemas):
    """The schemas with those in their anyOf, oneOf and allOf."""
    found = []
    for schema in schemas:
        if isinstance(schema, dict):
            found.append(schema)
            for word in ('anyOf', 'oneOf', 'allOf'):
                found += alternatives(schema.get(word) or [])
    return found


def members(schemas, name):
    """The schemas of one member of an object."""
    found = []
    for schema in schemas:
        if name in schema.get('properties', {}):
            found.append(schema['properties'][name])
        else:
            patterns = schema.get('patternProperties', {})
            found += [patterns[pattern] for pattern in patterns if re.search(pattern, name)]
            if isinstance(schema.get('additionalProperties'), dict):
                found.append(schema['additionalProperties'])
    return found


def types(schemas):
    """The JSON types that the schemas take; None where one of them takes anything."""
    found = set()
    for schema in schemas:
        kind = schema.get('type')
        if kind is not None:
            found.update(kind if isinstance(kind, list) else [kind])
        elif 'enum' in schema or 'const' in schema:
            for value in schema.get('enum', [schema.get('const')]):
                found.add('boolean' if isinstance(value, bool) else 'integer' if isinstance(value, int) else 'string')
        elif not any(word in schema for word in ('anyOf', 'oneOf', 'allOf')):
            return None
    return found


def typed(value, schemas):
    """The value, with strings turned into numbers and booleans where the schemas take no string."""
    schemas = alternatives(schemas)
    if isinstance(value, dict):
        return dict((name, typed(each, members(schemas, str(name)))) for name, each in value.items())
    if isinstance(value, list):
        return [typed(each, [schema['items'] for schema in schemas if 'items' in schema]) for each in value]
    if isinstance(value, str) and schemas:
        allowed = types(schemas)
        if allowed and 'string' not in allowed:
            if INTEGER.match(value) and allowed & set(['integer', 'number']):
                return int(value)
            if value in BOOLEANS and 'boolean' in allowed:
                return BOOLEANS[value]
    return value
