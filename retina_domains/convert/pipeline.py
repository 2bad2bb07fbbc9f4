"""From what a publisher offers to a training run: read, check, clean, split, write, and tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from retina_domains.convert.cutting import TOO_CLOSE, cut_scenes
from retina_domains.convert.source import DataSource, PrepareOptions
from retina_domains.convert.writing import file_names, write_set
from retina_domains.errors import InputFileError, InvalidValueError, LabelError
from retina_domains.labelled import (
    ClassMap,
    CleanImage,
    ConversionReport,
    Finding,
    ImageLabels,
    Leak,
    SplitSpec,
    clean_objects,
    duplicates,
    find_leaks,
    source_labels,
    split_by_group,
)
from retina_domains.labelled.class_map import require_known
from retina_domains.labelled.cleaning import sized
from retina_domains.labelled.report import leak_line
from retina_domains.readers.pictures import Picture, examine
from retina_domains.types import Window

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Checked:
    """Images that are there and decode, with what was found of them."""

    images: tuple[CleanImage, ...]
    findings: tuple[Finding, ...]
    unlabelled: tuple[str, ...]
    left_out: dict[str, str]
    cut: int = 0
    between: int = 0
    turned: tuple[str, ...] = ()


def prepare(
    source: DataSource,
    root: Path,
    out: Path,
    options: PrepareOptions | None = None,
    *,
    check: bool = False,
    tell: Tell = lambda line: None,
) -> ConversionReport:
    """Bring a data set into our form: ``OUT/SPLIT.json``, ``OUT/report.json`` and ``OUT/report.txt``.

    Args:
        source: what is known of it.
        root: its folder or file.
        out: folder to write to; made if it is not there.
        options: how.
        check: write nothing.
        tell: takes lines of progress.

    Raises:
        InvalidValueError: ``out`` lies in ``root``, or an option does not fit the set.
        InputFileError: a file is missing, or an image does not decode.
        LabelError: labels are malformed, a class is not in the map, the set is empty, or splits leak.
        OutputError: ``out`` cannot be written.
    """
    options = options or PrepareOptions()
    _check_call(source, root, out, options)
    labels = list(source.read(root, options.images))
    labelled = [image for image in labels if image.source]
    if not labelled:
        raise LabelError(f"{root}: no labelled images: expected {source.layout}")
    class_map = _class_map(source, labelled, options)
    tell(f"{len(labelled)} labelled images: decoding them")
    checked = _checked(source, labels, class_map, options, root)
    if not any(image.objects for image in checked.images):
        first = next(iter(checked.findings), None)
        why = "" if first is None else f", the first, in {first.image}, as {first.why}"
        raise LabelError(
            f"{root}: none of {len(checked.images)} images has an object that can be used "
            f"({len(checked.findings)} were left out{why}): check the labels and --class-map"
        )
    splits = _split(source, checked.images, len(class_map.classes), options)
    report = ConversionReport(
        source.name,
        class_map,
        splits,
        checked.findings,
        duplicates(checked.images),
        find_leaks(splits, by_place=options.split == "blocks"),
        checked.unlabelled,
        checked.left_out,
        [*_notes(source, checked, labels, options), *_lacking(splits)],
    )
    _refuse_leaks(report.leaks, root, options)
    if not check:
        tell(f"writing to {out}")
        write_set(source, out, report, options)
    return report


def _check_call(source: DataSource, root: Path, out: Path, options: PrepareOptions) -> None:
    """Raise ``InvalidValueError`` where the call cannot be meant."""
    if (options.gsd if source.unit == "mpp" else options.mpp) is not None:
        raise InvalidValueError(
            f"{source.name}: its images are sampled in {source.unit}: give --{source.unit}"
        )
    if root.is_dir() and out.resolve().is_relative_to(root.resolve()):
        raise InvalidValueError(f"--out {out}: lies in the source, {root}: name a folder outside of it")


def _lacking(splits: Mapping[str, Sequence[CleanImage]]) -> list[str]:
    """A sentence for every split without an object to learn from or to measure with."""
    return [
        f"{name} has no object that counts: give it more with --val-share or --test-share, or another --seed."
        for name, images in splits.items()
        if all(item.object.ignored for image in images for item in image.objects)
    ]


def _notes(
    source: DataSource, checked: Checked, labels: Sequence[ImageLabels], options: PrepareOptions
) -> list[str]:
    notes = list(source.notes)
    if checked.turned:
        notes.append(
            f"{len(checked.turned)} images are to be turned by viewers, as their EXIF says, the first is "
            f"{checked.turned[0]}: pixels are taken as they are stored, so that labels drawn on the turned "
            "image do not fit. Look at them with browse; if they do not, store the images turned."
        )
    if lost := sum(image.unplaced for image in labels):
        notes.append(f"{lost} objects lie on none of the images and are in no split.")
    mode = options.split or source.split
    if mode == "scene" and not any(image.labels.scene for image in checked.images):
        notes.append(
            "No scene, patient or slide is named, so images were split one by one: if several are of one, "
            "say so with --group-by."
        )
    if mode == "blocks":
        notes.append(
            f"{checked.cut} times an edge of a block cut an object, whose part is an ignored region; "
            f"{checked.between} objects lie between blocks and are in no split."
        )
    return notes


def _refuse_leaks(leaks: Sequence[Leak], root: Path, options: PrepareOptions) -> None:
    """Raise ``LabelError`` where splits share something and that was not allowed."""
    if leaks and not options.allow_leaks:
        raise LabelError(
            f"{root}: {len(leaks)} leaks between splits, the first: {leak_line(leaks[0])}: split anew with "
            "--split scene, or accept them with --allow-leaks"
        )


def _class_map(source: DataSource, labelled: Sequence[ImageLabels], options: PrepareOptions) -> ClassMap:
    counts = source_labels(labelled)
    if not counts:
        raise LabelError(f"{labelled[0].source}: no objects in {len(labelled)} images: check the labels")
    base = source.classes or ClassMap.same(counts)
    class_map = base.changed(dict(options.class_changes))
    if unknown := sorted(set(dict(options.class_changes)) - {*counts, *base.targets}):
        raise InvalidValueError(
            f"--class-map names {unknown[0]!r}, which does not occur: the set has {', '.join(counts)}"
        )
    require_known(labelled, class_map)
    return class_map


def _checked(
    source: DataSource,
    labels: Sequence[ImageLabels],
    class_map: ClassMap,
    options: PrepareOptions,
    root: Path,
) -> Checked:
    """Decode every labelled image, clean its objects."""
    labelled = [image for image in labels if image.source]
    unlabelled = tuple(_shown(image.path, root) for image in labels if not image.source)
    with ThreadPoolExecutor(options.jobs) as pool:
        pictures = list(pool.map(lambda image: _examined(image, options), labelled))
    left_out = {i.path.name: p for i, p in zip(labelled, pictures, strict=True) if isinstance(p, str)}
    readable = [(i, p) for i, p in zip(labelled, pictures, strict=True) if isinstance(p, Picture)]
    if not readable:
        raise LabelError(f"{root}: none of {len(labelled)} images decodes: see {labelled[0].path}")
    known = [_with_picture(image, picture, source, options) for image, picture in readable]
    if options.group_by is not None:
        known = [_grouped(image, options.group_by) for image in known]
    elif source.regroup is not None:
        known = list(source.regroup(known))
    whole, findings = [], []
    for image, (_, picture), name in zip(known, readable, file_names([i.path for i in known]), strict=True):
        objects, found = clean_objects(image, (picture.width, picture.height), class_map)
        whole.append(CleanImage(image, objects, picture.sha256, name))
        findings += found
    turned = tuple(image.path.name for image, picture in readable if picture.turned)
    checked = Checked(tuple(whole), tuple(findings), unlabelled, left_out, turned=turned)
    if options.split != "blocks":
        return checked
    return _in_blocks(checked, class_map, options, _split_spec(source, options))


def _in_blocks(checked: Checked, class_map: ClassMap, options: PrepareOptions, spec: SplitSpec) -> Checked:
    """Big scenes cut, chips that lie too close to another split left out."""
    usable = [replace(i.labels, objects=tuple(o.object for o in i.objects)) for i in checked.images]
    images = []
    left_out = dict(checked.left_out)
    parts = cut_scenes(usable, class_map, options, spec)
    for part in parts:
        image = checked.images[part.index]
        if not part.labels.split:
            left_out[image.file_name] = TOO_CLOSE
            continue
        objects, _ = clean_objects(part.labels, (part.labels.width or 0, part.labels.height or 0), class_map)
        cleaned = replace(image, labels=part.labels, objects=objects)
        images.append(cleaned if part.window is None else block_of(cleaned, part.window))
    cut, between = sum(part.cut for part in parts), sum(part.between for part in parts)
    return replace(checked, images=tuple(images), left_out=left_out, cut=cut, between=between)


def block_of(image: CleanImage, window: Window) -> CleanImage:
    """A part of a scene, with a name and a content of its own."""
    name = f"{Path(image.file_name).with_suffix('').as_posix()}_r{window.row}_c{window.col}.vrt"
    return replace(image, file_name=name, sha256=f"{image.sha256} {window.xyxy}", window=window)


def _shown(path: Path, root: Path) -> str:
    """A path as people know it: below the folder of the set, where it lies there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _grouped(image: ImageLabels, pattern: re.Pattern[str]) -> ImageLabels:
    found = pattern.search(image.path.as_posix())
    if found is None:
        raise InvalidValueError(
            f"--group-by {pattern.pattern!r}: does not match {image.path}: it must match every image"
        )
    return replace(image, scene="/".join(group for group in found.groups() if group) or found[0])


def _examined(image: ImageLabels, options: PrepareOptions) -> Picture | str:
    try:
        return examine(image.path)
    except InputFileError as error:
        if not options.skip_unreadable:
            raise
        return str(error)


def _with_picture(
    image: ImageLabels, picture: Picture, source: DataSource, options: PrepareOptions
) -> ImageLabels:
    told = (image.width, image.height)
    if None not in told and told != (picture.width, picture.height):
        raise LabelError(
            f"{image.path}: has {picture.width} x {picture.height} px, {image.source} says {told[0]} x "
            f"{told[1]}: are these the images that were labelled?"
        )
    known = replace(image, width=picture.width, height=picture.height)
    if source.unit == "gsd":
        known = replace(known, gsd=image.gsd or picture.gsd or options.gsd)
    else:
        known = replace(known, mpp=image.mpp or picture.mpp or options.mpp)
    return sized(known, options.point_size_m, options.point_size_px)


def _split(
    source: DataSource, images: Sequence[CleanImage], classes: int, options: PrepareOptions
) -> dict[str, list[CleanImage]]:
    """Images by name of their split."""
    mode = options.split or source.split
    if mode == "none":
        chosen = ["all"] * len(images)
    elif mode in ("source", "blocks"):
        chosen = [image.labels.split for image in images]
        if not all(chosen):
            raise LabelError(
                f"{images[chosen.index('')].labels.source}: tells no split: split by scene with --split scene"
            )
        if mode == "source" and options.val_share and "val" not in chosen:
            chosen = _with_val(images, chosen, classes, options)
    else:
        chosen = split_by_group(images, classes, _split_spec(source, options))
    splits: dict[str, list[CleanImage]] = {}
    for name, image in zip(chosen, images, strict=True):
        splits.setdefault(name, []).append(image)
    order = {"train": 0, "val": 1, "test": 2}
    return dict(sorted(splits.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _with_val(
    images: Sequence[CleanImage], chosen: Sequence[str], classes: int, options: PrepareOptions
) -> list[str]:
    """A published split with a val that is taken from its train, scene by scene."""
    val = options.val_share or 0.0
    train = [k for k, name in enumerate(chosen) if name == "train"]
    spec = SplitSpec({"train": 1 - val, "val": val}, options.seed)
    parted = list(chosen)
    for k, name in zip(train, split_by_group([images[k] for k in train], classes, spec), strict=True):
        parted[k] = name
    return parted


def _split_spec(source: DataSource, options: PrepareOptions) -> SplitSpec:
    val = source.val_share if options.val_share is None else options.val_share
    shares = {"train": 1 - val - options.test_share, "val": val, "test": options.test_share}
    return SplitSpec(shares, options.seed)
