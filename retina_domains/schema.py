"""JSON to frozen dataclasses and back, field by field, with nothing left to guess.

Annotations may be ``int``, ``float``, ``bool``, ``str``, ``Literal``, ``tuple``, ``X | None`` and other
dataclasses. A whole number serves as a float; nothing else is converted.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from retina_domains.errors import InvalidValueError

T = TypeVar("T")
Variants = Mapping[Any, Mapping[str, type]]
NAME = "name"


def from_json(cls: type[T], data: object, variants: Variants | None = None) -> T:
    """Build ``cls`` from what ``json.loads`` gave.

    Args:
        cls: a dataclass.
        data: a JSON object with a key for each field; only a field that defaults to None may be left out.
        variants: for an annotation that stands for one of several dataclasses, these by name; the JSON
            object then names its class under ``"name"``.

    Raises:
        InvalidValueError: a field is unknown, missing or of a wrong type, or ``cls`` refuses its value; the
            message starts with the path of the field.
    """
    value: T = _dataclass(cls, data, "", variants or {})
    return value


def from_text(cls: type[T], text: str, name: str) -> T:
    """Build ``cls`` from JSON text by :func:`from_json`; ``name``, of the file, is for messages.

    Raises:
        InvalidValueError: it is not JSON, or a field is unknown, missing or of a wrong type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(f"{name}: not valid JSON ({error})") from error
    try:
        return from_json(cls, data)
    except InvalidValueError as error:
        raise InvalidValueError(f"{name}: {error}") from error


def to_json(value: Any, variants: Variants | None = None) -> dict[str, Any]:
    """A dataclass as ``json.dumps`` takes it; ``from_json`` reads it back.

    Args:
        value: a dataclass.
        variants: as in ``from_json``.
    """
    data = asdict(value)
    for field, hint in get_type_hints(type(value)).items():
        for name, cls in (variants or {}).get(hint, {}).items():
            if type(getattr(value, field)) is cls:
                data[field] = {NAME: name, **data[field]}
    return data


def _dataclass(cls: type, data: object, path: str, variants: Variants) -> Any:
    if not isinstance(data, dict):
        raise _wrong(path, "an object", data)
    hints = get_type_hints(cls)
    own = {f.name: f for f in fields(cls)}
    if unknown := sorted(set(data) - set(own)):
        raise InvalidValueError(
            f"{_join(path, unknown[0])}: unknown field, expected {', '.join(sorted(own))}"
        )
    values = {}
    for name, field in own.items():
        if name in data:
            values[name] = _value(hints[name], data[name], _join(path, name), variants)
        elif field.default is MISSING or field.default is not None:
            raise InvalidValueError(f"{_join(path, name)}: missing field")
    try:
        return cls(**values)
    except InvalidValueError as error:
        raise InvalidValueError(f"{path}: {error}" if path else str(error)) from error


def _value(hint: Any, data: object, path: str, variants: Variants) -> Any:
    if hint in variants:
        return _variant(variants[hint], data, path, variants)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _optional(args, data, path, variants)
    if origin is Literal:
        # Type too: 1 == True == 1.0.
        if not any(data == a and type(data) is type(a) for a in args):
            raise _wrong(path, f"one of {', '.join(repr(a) for a in args)}", data)
        return data
    if origin is tuple:
        return _tuple(args, data, path, variants)
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, data, path, variants)
    if hint is float and type(data) in (int, float) and math.isfinite(data):  # type: ignore[arg-type]
        return float(data)  # type: ignore[arg-type]
    if hint in (int, bool, str) and type(data) is hint:
        return data
    if hint in (int, float, bool, str):
        raise _wrong(
            path, {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[hint], data
        )
    raise TypeError(f"{path}: the schema cannot hold {hint!r}")


def _variant(classes: Mapping[str, type], data: object, path: str, variants: Variants) -> Any:
    if not isinstance(data, dict):
        raise _wrong(path, "an object", data)
    name = data.get(NAME)
    if not isinstance(name, str) or name not in classes:
        raise _wrong(_join(path, NAME), f"one of {', '.join(classes)}", name)
    return _dataclass(classes[name], {k: v for k, v in data.items() if k != NAME}, path, variants)


def _optional(args: tuple[Any, ...], data: object, path: str, variants: Variants) -> Any:
    inner = [a for a in args if a is not type(None)]
    if len(inner) != 1 or len(inner) == len(args):
        raise TypeError(f"{path}: the schema knows unions with None alone")
    return None if data is None else _value(inner[0], data, path, variants)


def _tuple(args: tuple[Any, ...], data: object, path: str, variants: Variants) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _wrong(path, "a list", data)
    hints = [args[0]] * len(data) if args[1:] == (Ellipsis,) else list(args)
    if len(hints) != len(data):
        raise _wrong(path, f"a list of {len(hints)}", data)
    return tuple(
        _value(h, d, f"{path}[{i}]", variants) for i, (h, d) in enumerate(zip(hints, data, strict=True))
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _wrong(path: str, expected: str, found: object) -> InvalidValueError:
    text = repr(found)
    return InvalidValueError(
        f"{path or 'top'}: expected {expected}, found {text[:60]}{'...' * (len(text) > 60)}"
    )
