"""Names in a config looked at before anything is built, so that a slip of the pen is one clear line.

The registries of mmengine tell an unknown type as a KeyError and an unknown argument as a TypeError, out of
the middle of a run's start.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from mmdet.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, OPTIMIZERS, TASK_UTILS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import Registry, init_default_scope
from torch import Tensor
from torch.utils.data import DataLoader

from retina_domains.errors import ConfigError

_OURS = "retina_domains."
# mmengine gives it its data set.
_SAMPLER = "sampler"
# By the key under which a type stands, what it is and where it is registered.
_PLACES: Mapping[str, tuple[str, Registry]] = {
    "pipeline": ("transform", TRANSFORMS),
    "transforms": ("transform", TRANSFORMS),
    "dataset": ("data set", DATASETS),
    "datasets": ("data set", DATASETS),
    "sampler": (_SAMPLER, DATA_SAMPLERS),
    "val_evaluator": ("metric", METRICS),
    "test_evaluator": ("metric", METRICS),
    "custom_hooks": ("hook", HOOKS),
    "optimizer": ("optimizer", OPTIMIZERS),
}
# What stands under these keys, wherever they are, where anything does; loaders besides.
_LISTS = frozenset({"pipeline", "custom_hooks", "datasets"})
_DICTS = frozenset({"model", "dataset", "backbone", "neck", "bbox_head", "optim_wrapper", "optimizer"})
# A rate of torch may be a tensor as well, which no config holds.
_PLAIN = {"int": int, "float": float, "bool": bool, "str": str, "None": NoneType, "Tensor": Tensor}
_NUMBERS = {int, float, bool}
# Filled in by whoever builds them.
_GIVEN = frozenset({"self", "train_cfg", "test_cfg", "params"})
# What mmengine takes out of a loader before torch gets the rest.
_OF_LOADERS = {"num_batch_per_epoch"}


def check_names(config: Config) -> None:
    """Raise where a config names a transform, data set, metric, hook, optimizer or argument that is unknown.

    Arguments of models are looked at where the class is ours: MMDetection takes some out of its own configs
    before it builds from them.

    Args:
        config: as it will be built.

    Raises:
        ConfigError: one line that names what, where, and what there is.
    """
    init_default_scope(config.get("default_scope", "mmdet"))
    name = str(config.filename or "config")
    for key, value in config.items():
        _check_shape(key, value, f"{name}: {key}")
        if key.endswith("_dataloader") and value is not None:
            _check_arguments(
                DataLoader, {k: v for k, v in value.items() if k not in _OF_LOADERS}, f"{name}: {key}"
            )
        _walk(value, f"{name}: {key}", _PLACES.get(key), in_model=key == "model")


def _walk(value: Any, at: str, place: tuple[str, Registry] | None, in_model: bool) -> None:
    """Look at a value and all below it; ``place`` is what dicts with a type are, where that is known."""
    if isinstance(value, list | tuple):
        for item in value:
            _walk(item, at, place, in_model)
    if not isinstance(value, Mapping):
        return
    if "type" in value:
        found = _of_model(value) if in_model else None if place is None else _registered(value, at, *place)
        if found is not None:
            complete = not in_model and place is not None and place[0] != _SAMPLER
            _check_arguments(found, value, at, complete=complete)
    for key, inner in value.items():
        _check_shape(key, inner, f"{at}.{key}")
        _walk(inner, f"{at}.{key}", _PLACES.get(key, None), in_model)


def _check_shape(key: str, value: Any, at: str) -> None:
    """Raise where a dict or a list of dicts is wanted and something else stands."""
    if value is None:
        return
    if (key in _DICTS or key.endswith("_dataloader")) and not isinstance(value, Mapping):
        raise ConfigError(f"{at}: {value!r} of type {type(value).__name__}: expected a dict")
    if key not in _LISTS:
        return
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{at}: {value!r} of type {type(value).__name__}: expected a list of dicts")
    for place, item in enumerate(value):
        # A step that is built already may stand there as it is.
        if isinstance(item, str | int | float | list | tuple) or (
            isinstance(item, Mapping) and "type" not in item
        ):
            raise ConfigError(f"{at}[{place}]: {item!r}: expected a dict with a type, dict(type='Dihedral')")


def _registered(value: Mapping[str, Any], at: str, kind: str, registry: Registry) -> Any:
    """The class or function that a dict is built from."""
    told = value["type"]
    if not isinstance(told, str):
        return told
    found = registry.get(told)
    if found is None:
        near = get_close_matches(told, _names(registry), n=1)
        hint = f"did you mean {near[0]}?" if near else "see docs/training_data.md for those there are"
        raise ConfigError(f"{at}: there is no {kind} {told!r}: {hint}")
    return found


def _names(registry: Registry | None) -> list[str]:
    """Names of a registry and of those that it looks in next."""
    names: list[str] = []
    while registry is not None:
        names += registry.module_dict
        registry = registry.parent
    return names


def _of_model(value: Mapping[str, Any]) -> Any:
    """A part of a model, where its class is ours."""
    told = value["type"]
    found = (MODELS.get(told) or TASK_UTILS.get(told)) if isinstance(told, str) else told
    return found if getattr(found, "__module__", "").startswith(_OURS) else None


def _check_arguments(found: Any, value: Mapping[str, Any], at: str, *, complete: bool = False) -> None:
    """Raise where arguments do not fit the signature; with ``complete`` also where one is missing."""
    parameters = inspect.signature(found).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    known = [name for name in parameters if name not in _GIVEN]
    name = getattr(found, "__name__", str(found))
    unknown = sorted(set(value) - {"type", "_scope_", *parameters})
    if unknown:
        raise ConfigError(
            f"{at}: {name} has no argument {unknown[0]!r}: it takes {', '.join(known) or 'none'}"
        )
    missing = [p for p in known if parameters[p].default is inspect.Parameter.empty and p not in value]
    if complete and missing:
        raise ConfigError(f"{at}: {name} needs the argument {missing[0]!r}: it takes {', '.join(known)}")
    _check_kinds(found, parameters, value, at)


def _check_kinds(
    found: Any, parameters: Mapping[str, inspect.Parameter], value: Mapping[str, Any], at: str
) -> None:
    """Raise where a word stands for a number, or the other way round."""
    ours = getattr(found, "__module__", "").startswith(_OURS)
    for argument, kinds in _plain_kinds(parameters).items():
        if not ours and kinds & _NUMBERS:
            # Declared more narrowly, by others, than what works.
            kinds |= _NUMBERS
        if argument not in value or _is_of(given := value[argument], kinds):
            continue
        wanted = "a number" if kinds >= _NUMBERS else " or ".join(sorted(k.__name__ for k in kinds))
        raise ConfigError(
            f"{at}: {getattr(found, '__name__', found)} has {argument}={given!r} of type "
            f"{type(given).__name__}: expected {wanted}"
        )


def _plain_kinds(parameters: Mapping[str, inspect.Parameter]) -> dict[str, set[type]]:
    """Arguments that are declared as numbers, truth values or text, and as nothing else."""
    found = {}
    for name, parameter in parameters.items():
        hint = parameter.annotation
        if isinstance(hint, str):
            members = {_PLAIN.get(word.strip(), object) for word in hint.split("|")}
        else:
            members = set(get_args(hint)) if get_origin(hint) in (Union, UnionType) else {hint}
        plain = members - {Tensor, NoneType}
        if plain and plain <= set(_PLAIN.values()):
            found[name] = plain
    return found


def _is_of(value: Any, kinds: set[type]) -> bool:
    """Whether a value is None or of one of these kinds; a whole number is a float, a truth value no int."""
    if value is None:
        return True
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, tuple(kinds)) or (isinstance(value, int) and float in kinds)
