"""A config file executed, with what goes wrong in it told in one line."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from retina_domains.errors import ConfigError
from retina_domains.resources import config_path


def execute_config(name: str | Path) -> Config:
    """A config file, by path or by a name of ours.

    Configs are executed Python: load only your own or those you trust.

    Raises:
        InputFileError: no such file.
        ConfigError: it cannot be executed, or what it imports cannot.
    """
    path = config_path(name)
    try:
        return Config.fromfile(path)
    except ImportError as error:
        raise ConfigError(f"config {path}: {_told(error)}") from error
    except (SyntaxError, KeyError, TypeError, NameError, OSError) as error:
        raise ConfigError(f"config {path}: cannot be loaded as a config ({error}): mend the file") from error


def _told(error: ImportError) -> str:
    """What failed to be imported, and what to do. mmengine wraps the error of a custom import twice."""
    wrapped = error.__cause__
    first = wrapped.__context__ if wrapped is not None and wrapped.__context__ is not None else error
    reason = " ".join(str(first).split())
    if isinstance(first, ModuleNotFoundError):
        return (
            f"{reason}: install it or, where it is a file of your own, have its folder on PYTHONPATH "
            "(PYTHONPATH=. for the present one)"
        )
    return f"cannot import what it names ({reason}): mend the module"
