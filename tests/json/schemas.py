# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas of partctl's output in packaging/schema: closed for the test, and with a record of what was seen.

A published schema takes members that it does not know, since they may come at any time. The test adds
`additionalProperties: false` to each object, so that a member that no schema describes is a fault.

A place is written as FILE#DEFINITION.MEMBER: "apply#applied.failed[].error", "common#change.file".
"""

import copy
import json

import jsonschema

SUFFIX = ".schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def parts(schema):
    """The schemas directly inside, but for the definitions."""
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", [])
    if "items" in schema:
        yield schema["items"]


def close(schema):
    """Takes no member any more that is not described."""
    if "properties" in schema:
        schema["additionalProperties"] = False
    for part in [*parts(schema), *schema.get("$defs", {}).values()]:
        close(part)


class Schemas:
    def __init__(self, directory):
        paths = directory.glob(f"*{SUFFIX}")
        self.published = {path.name.removesuffix(SUFFIX): json.loads(path.read_text()) for path in paths}
        self.closed = copy.deepcopy(self.published)
        for schema in self.closed.values():
            close(schema)
        self.seen = set()
        self.used = set()

    def target(self, file, reference):
        """(file, definition) that a reference in the file names; definition None: the whole file."""
        path, _, pointer = reference.partition("#")
        return path.removesuffix(SUFFIX) or file, pointer.removeprefix("/$defs/") or None

    def look_up(self, file, definition):
        schema = self.closed[file]
        return schema if definition is None else schema["$defs"][definition]

    def resolve(self, schema, file, place):
        """The schema behind a reference, with what stands beside it, and where that is."""
        while "$ref" in schema:
            file, definition = self.target(file, schema["$ref"])
            place = f"{file}#{definition or ''}"
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.look_up(file, definition), **beside}
        return schema, file, place

    def validator(self, files, root):
        """A validator of the schema `root` of a file, as (file, schema): all files are one document in it."""

        def absolute(file, schema):
            if isinstance(schema, list):
                return [absolute(file, each) for each in schema]
            if not isinstance(schema, dict):
                return schema
            inside = {key: absolute(file, value) for key, value in schema.items() if key != "$schema"}
            if isinstance(inside.get("$ref"), str):
                path, definition = self.target(file, inside["$ref"])
                inside["$ref"] = f"#/$defs/{path}" + (f"/$defs/{definition}" if definition else "")
            return inside

        whole = {name: absolute(name, schema) for name, schema in files.items()}
        return jsonschema.Draft202012Validator({**absolute(*root), "$defs": whole})

    def faults(self, name, document):
        """What is wrong with the output of a verb, as sentences."""
        self.used.add(name)
        validator = self.validator(self.closed, (name, {"$ref": f"{name}{SUFFIX}"}))
        faults = []
        for error in validator.iter_errors(document):
            for leaf in error.context or [error]:
                faults.append(f"{'.'.join(map(str, leaf.absolute_path)) or 'the document'}: {leaf.message[:300]}")
        if not faults:
            self.note(self.closed[name], document, name, f"{name}#")
        return faults

    def takes(self, name, document):
        """True if the published schema takes it."""
        return self.validator(self.published, (name, {"$ref": f"{name}{SUFFIX}"})).is_valid(document)

    def note(self, schema, value, file, place):
        """Records which places of the schema the valid value has."""
        schema, file, place = self.resolve(schema, file, place)
        for branch in schema.get("anyOf", []):
            if self.validator(self.closed, (file, branch)).is_valid(value):
                self.note(branch, value, file, place)
        if isinstance(value, dict):
            for name, member in schema.get("properties", {}).items():
                if name in value:
                    self.seen.update(found_at(self.resolve(member, file, "")[0], value[name], f"{place}.{name}"))
                    self.note(member, value[name], file, f"{place}.{name}")
        elif isinstance(value, list) and "items" in schema:
            for each in value:
                self.note(schema["items"], each, file, f"{place}[]")

    def places(self):
        """Every place that the output of some verb has to have: members, values of enumerations, null and not null."""
        found = set()
        for file, schema in self.closed.items():
            self.add_places(schema, file, f"{file}#", found)
            for name, definition in schema.get("$defs", {}).items():
                self.add_places(definition, file, f"{file}#{name}", found)
        return found

    def add_places(self, schema, file, place, found):
        for name, member in schema.get("properties", {}).items():
            found.update(possible_at(self.resolve(member, file, "")[0], f"{place}.{name}"))
            self.add_places(member, file, f"{place}.{name}", found)
        for branch in schema.get("anyOf", []):
            self.add_places(branch, file, place, found)
        if "items" in schema:
            self.add_places(schema["items"], file, f"{place}[]", found)

    def faults_of_schemas(self):
        """What is wrong with the schemas themselves."""
        for name, schema in sorted(self.published.items()):
            if schema.get("$schema") != DRAFT:
                yield f"{name}: $schema is not {DRAFT}"
            jsonschema.Draft202012Validator.check_schema(schema)
            for definition in [schema, *schema.get("$defs", {}).values()]:
                yield from (f"{name}: {fault}" for fault in self.faults_of_members(definition, name, ""))

    def faults_of_members(self, schema, file, place):
        if "properties" in schema and not set(schema.get("required", [])) <= set(schema["properties"]):
            yield f"{place or 'the object'} requires a member that it does not describe"
        for name, member in schema.get("properties", {}).items():
            whole = self.resolve(member, file, "")[0]
            if not whole.get("description", "").endswith((".", ")")):
                yield f"{place}.{name} has no description"
            if "integer" in whole.get("type", []) and "minimum" not in whole:
                yield f"{place}.{name} has no least value"
            yield from self.faults_of_members(member, file, f"{place}.{name}")
        if "items" in schema:
            yield from self.faults_of_members(schema["items"], file, f"{place}[]")


def possible_at(schema, place):
    """The places of a member: itself, each value of an enumeration, null and not null, an entry of a list."""
    found = {place} | {f"{place} = {value}" for value in schema.get("enum", [])}
    if isinstance(schema.get("type"), list):
        found |= {f"{place} = null", f"{place} not null"}
    if schema.get("type") == "array":
        found.add(f"{place}[]")
    return found


def found_at(schema, value, place):
    """Those of possible_at() that the value has."""
    if value is None:
        exact = f"{place} = null"
    elif isinstance(value, list):
        exact = f"{place}[]" if value else place
    else:
        exact = f"{place} = {value}"
    return possible_at(schema, place) & {place, exact, place if value is None else f"{place} not null"}
