#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema that `partctl schema` prints, judged by another program: it is a schema of draft 2020-12, takes every
good file and example, and says of each bad file what the file's head foretells.

usage: schema_test.py PARTCTL
"""

import json
import sys
import tomllib

import jsonschema

import corpus

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def load(path):
    """The file as JSON would have it; raises TOMLDecodeError when it is not TOML."""
    return tomllib.loads(path.read_bytes().decode("utf-8-sig"))


def place(error):
    return ".".join(map(str, error.absolute_path)) or "the document"


def faults_of_schema(schema):
    if schema.get("$schema") != DRAFT:
        yield f"$schema is {schema.get('$schema')!r} instead of {DRAFT!r}"
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        yield f"is no JSON Schema: {place(error)}: {error.message}"


def faults_of_good(validator, path):
    for error in validator.iter_errors(load(path)):
        yield f"rejected: {place(error)}: {error.message[:200]}"


def faults_of_bad(validator, path):
    _, verdict = corpus.expectations(path)
    try:
        document = load(path)
    except tomllib.TOMLDecodeError as error:
        if verdict != "not-toml":
            yield f"no TOML, but its head says that the schema {verdict} it: {error}"
        return
    if verdict == "not-toml":
        yield "is TOML, but its head says that it is not"
        return
    errors = list(validator.iter_errors(document))
    if verdict == "accepts":
        for error in errors:
            yield f"rejected: {place(error)}: {error.message[:200]}"
    elif not errors:
        yield "accepted"


def main(partctl):
    result = corpus.run(partctl, "schema")
    if result.returncode != 0:
        print(f"partctl schema ends with {result.returncode}: {result.stderr}")
        return 1
    schema = json.loads(result.stdout)
    report = corpus.Report()
    report.check("partctl schema", list(faults_of_schema(schema)))
    validator = jsonschema.Draft202012Validator(schema)
    for path in corpus.GOOD + corpus.EXAMPLES:
        report.check(f"{path.parent.name}/{path.name}", list(faults_of_good(validator, path)))
    for path in corpus.BAD:
        report.check(f"bad/{path.name}", list(faults_of_bad(validator, path)))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
