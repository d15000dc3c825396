"""The OpenAPI document of what may be read, made of the table and of the views' own types. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from controller.api.viewing.reads import READS, STREAM, Parameter, Read
from controller.names import own_version
from controller.protocol.messages import Problem

PATH = "/v1/openapi.json"
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "the token in http_token_file, where that is set"},
    "password": {"type": "http", "scheme": "basic", "description": "any user, and that token as password"},
}
_CODES = {
    "400": "a parameter is wrong",
    "401": "a token is asked for (http_token_file), and this is not it",
    "404": "there is no such volume, or the controller that acts is older than this one and knows no such question",
    "503": "no controller acts, or a part could not be read",
}


def document() -> Mapping[str, Any]:
    types = (*(each.answer for each in READS), Problem)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    problem = schemas[-1]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reberth, read-only",
            "version": own_version(),
            "description": "What `reberth status`, `explain`, `history` and `doctor` say. Nothing can be changed here.",
        },
        "paths": {
            read.path: {"get": _operation(read, schema, problem)} for read, schema in zip(READS, schemas, strict=False)
        },
        "components": {"schemas": components, "securitySchemes": _SCHEMES},
        "security": [{}, {"bearer": []}, {"password": []}],
    }


def _operation(read: Read, schema: Mapping[str, Any], problem: Mapping[str, Any]) -> Mapping[str, Any]:
    stream = {STREAM: {"schema": {"type": "string"}}} if read.streams else {}
    good = {"description": read.about, "content": {**_json(schema), **stream}}
    bad = {code: {"description": why, "content": _json(problem)} for code, why in _CODES.items()}
    return {
        "summary": read.about,
        "parameters": [_parameter(read, each) for each in read.parameters],
        "responses": {"200": good, **bad},
    }


def _parameter(read: Read, parameter: Parameter) -> Mapping[str, Any]:
    inside = f"{{{parameter.name}}}" in read.path
    return {
        "name": parameter.name,
        "in": "path" if inside else "query",
        "required": inside,
        "description": parameter.about,
        "schema": {"type": parameter.kind},
    }


def _json(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"application/json": {"schema": schema}}
