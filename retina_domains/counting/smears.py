"""Which inputs are fields of one smear, and which are smears of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from retina_domains.readers import OpenOptions, SceneSource, expand_inputs
from retina_domains.readers.slide import is_slide


@dataclass(frozen=True, slots=True)
class Smear:
    """Fields that are counted together.

    Args:
        name: unique in the job, and fit for a folder's name.
        fields: the images; ``name`` is unique within the smear.
    """

    name: str
    fields: tuple[SceneSource, ...]


def group_smears(inputs: Sequence[str | os.PathLike[str]]) -> tuple[Smear, ...]:
    """The smears of a job: pictures in one folder are the fields of one, a whole slide is one by itself.

    A smear is named by its folder; a slide, and a picture that is named and alone, by its file.

    Args:
        inputs: pictures, folders, patterns, lists or slides.

    Raises:
        InputFileError: nothing is named, or a folder, pattern or list holds no image.
    """
    named = {os.fspath(item) for item in inputs}
    groups: dict[str, list[SceneSource]] = {}
    met: set[Path] = set()
    for source in expand_inputs(inputs):
        place = Path(source.path)
        if place.resolve() in met:
            # Named in two ways; a field that counts twice would make the interval too short.
            continue
        met.add(place.resolve())
        key = source.path if is_slide(source.path, OpenOptions()) else str(place.absolute().parent)
        groups.setdefault(key, []).append(source)
    smears = []
    for key, sources in groups.items():
        by_itself = key == sources[0].path or (len(sources) == 1 and sources[0].path in named)
        title = sources[0].name if by_itself else _folder_title(key)
        fields = tuple(SceneSource(source.path, Path(source.path).name) for source in sources)
        smears.append((title, fields))
    return tuple(Smear(name, fields) for name, (_, fields) in zip(_unique(smears), smears, strict=True))


def _folder_title(folder: str) -> str:
    return PurePosixPath(folder.replace(os.sep, "/")).name or "smear"


def _unique(smears: Sequence[tuple[str, tuple[SceneSource, ...]]]) -> list[str]:
    """Titles as names of folders; a second one of a name gets a number."""
    names: list[str] = []
    for title, _ in smears:
        plain = title.replace("/", "_")
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names
