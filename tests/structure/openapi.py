#!/usr/bin/env python3
"""openapi.py PRINT: whether what the program PRINT prints is a valid OpenAPI 3.1 document whose
examples keep to its own schemas.

The rules are those of the specification that a document like ours could break; each schema is held
against the meta-schema of JSON Schema 2020-12. If openapi-spec-validator is installed, it must
agree.
"""

import json
import re
import subprocess
import sys

from jsonschema import Draft202012Validator

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
STATUS = r"[1-5]\d\d|default"


def resolve(document, node):
    while "$ref" in node:
        target = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def contents(where, node):
    """Schema and examples of each media type."""
    for media, content in node["content"].items():
        schema = content["schema"]
        Draft202012Validator.check_schema(schema)
        examples = [value["value"] for value in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        for example in examples:
            for error in Draft202012Validator(schema).iter_errors(example):
                yield f"{where} {media}: example {example}: {error.message}"
        if media != "text/html" and not examples:
            yield f"{where} {media}: no example"


def parameters(where, path, operation):
    declared = operation.get("parameters", [])
    names = [(parameter["name"], parameter["in"]) for parameter in declared]
    if len(set(names)) != len(names):
        yield f"{where}: a parameter twice"
    in_path = {name for name, place in names if place == "path"}
    if in_path != set(re.findall(r"{(\w+)}", path)):
        yield f"{where}: its path has other parameters than {in_path}"
    for parameter in declared:
        Draft202012Validator.check_schema(parameter["schema"])
        if parameter["in"] not in ("path", "query", "header", "cookie"):
            yield f"{where}: parameter in {parameter['in']}"
        if parameter["in"] == "path" and parameter.get("required") is not True:
            yield f"{where}: {parameter['name']} is in the path and not required"


def operations(document):
    schemes = document["components"]["securitySchemes"]
    seen = set()
    for path, item in document["paths"].items():
        if not path.startswith("/"):
            yield f"{path}: begins with no slash"
        for method, operation in item.items():
            where = f"{method} {path}"
            if method not in METHODS:
                yield f"{where}: no method"
            if operation["operationId"] in seen:
                yield f"{where}: {operation['operationId']} is another's"
            seen.add(operation["operationId"])
            yield from parameters(where, path, operation)
            for needed in operation["security"]:
                if not set(needed) <= set(schemes):
                    yield f"{where}: unknown security scheme in {needed}"
            if "requestBody" in operation:
                if method in ("get", "head", "delete"):
                    yield f"{where}: a body"
                yield from contents(where, operation["requestBody"])
            for status, response in operation["responses"].items():
                if not re.fullmatch(STATUS, status):
                    yield f"{where}: status {status}"
                response = resolve(document, response)
                if not response["description"]:
                    yield f"{where} {status}: no description"
                yield from contents(f"{where} {status}", response)


def second_opinion(document):
    try:
        from openapi_spec_validator import validate
    except ImportError:
        print("openapi-spec-validator is not installed: its opinion is missing")
        return
    validate(document)


def main():
    printed = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    document = json.loads(printed)
    complaints = list(operations(document))
    if not re.fullmatch(r"3\.1\.\d+", document["openapi"]):
        complaints.append(f"version {document['openapi']}")
    complaints += [f"info has no {name}" for name in ("title", "version")
                   if not document["info"].get(name)]
    second_opinion(document)
    print("\n".join(complaints) if complaints else f"{len(document['paths'])} paths, all in order")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
