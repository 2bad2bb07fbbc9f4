"""The command ``count`` as it is called: options, result line, exit status, interrupts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from smear_oracle import FieldOracle, draw, grid_of_cells, save

from retina_domains.bundle import read_bundle
from retina_domains.cli import main
from retina_domains.counting import bundle_options
from retina_domains.errors import BundleError


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> FieldOracle:
    """What the command takes for the model that it was asked for."""
    made = FieldOracle([])
    monkeypatch.setattr("retina_domains.commands.count.ModelChoice", lambda *args: made)
    return made


def one_field(folder: Path, oracle: FieldOracle) -> Path:
    cells = grid_of_cells(40)
    pixels = draw(cells)
    oracle.known = [*oracle.known, (pixels, cells)]
    return save(folder / "one.png", pixels)


def test_one_line_tells_the_result_and_that_it_is_for_research(
    tmp_path: Path, oracle: FieldOracle, capsys: pytest.CaptureFixture[str]
) -> None:
    path = one_field(tmp_path, oracle)
    status = main(["count", str(path), "--out", str(tmp_path / "out"), "--quiet", "--mpp", "0.195"])
    line = capsys.readouterr().out
    assert status == 0
    assert line.count("\n") == 1
    assert line.startswith("one.png: Parasitaemia 0.00 % (95 % interval 0.00 to ")
    assert "Red cells counted 40" in line
    assert "research use only" in line
    assert (tmp_path / "out/report.html").is_file()


def test_a_field_that_cannot_be_read_gives_status_3(tmp_path: Path, oracle: FieldOracle) -> None:
    path = one_field(tmp_path / "smear", oracle)
    path.with_name("two.png").write_bytes(b"no picture")
    assert main(["count", str(path.parent), "--out", str(tmp_path / "out"), "--quiet"]) == 3
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert list(summary["unreadable_fields"]) == ["two.png"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--smear", "thick"], "thick"),
        (["--mpp", "0"], "um a pixel"),
        (["--interval-width", "20"], "interval width"),
        (["--wbc-per-ul", "8"], "white cells"),
        (["--exclude-field", "nine.png"], "nine.png"),
        (["--corrections", "missing.json"], "missing.json"),
        (["--positions", "missing.csv"], "missing.csv"),
    ],
)
def test_wrong_calls_end_with_one_line_and_status_2(
    tmp_path: Path,
    oracle: FieldOracle,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    path = one_field(tmp_path, oracle)
    assert main(["count", str(path), "--out", str(tmp_path / "out"), "--quiet", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert word in said
    assert not (tmp_path / "out").exists()


def test_an_interrupt_gives_status_130_and_leaves_the_files_of_before(
    tmp_path: Path, oracle: FieldOracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one_field(tmp_path, oracle)
    call = ["count", str(path), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(call) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir() if file.is_file()}

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("retina_domains.counting.outputs.write_summary", interrupted)
    assert main(call) == 130
    after = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    assert after == before


def test_the_options_of_a_bundle_hold_what_it_knows_of_its_model() -> None:
    options = bundle_options("blood-thin")
    assert options.confusion is not None
    assert options.confusion.classes == read_bundle("blood-thin").manifest.classes
    assert options.stain is not None
    assert options.record is not None
    assert options.record.scores is not None
    assert "IML malaria" in {data.name for data in options.record.training}
    with pytest.raises(BundleError, match=r"blood-thick.*malaria-thick"):
        bundle_options("blood-thick")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_searched(
    tmp_path: Path,
    oracle: FieldOracle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = one_field(tmp_path, oracle)

    def searched(*args: object) -> None:
        raise AssertionError("a field was searched")

    monkeypatch.setattr("retina_domains.counting.job._SmearCount", searched)
    file = tmp_path / "file"
    file.write_text("")
    for out, word in ((file, "is a file"), (file / "below", "is a file")):
        assert main(["count", str(path), "--out", str(out), "--quiet"]) == 2
        assert word in capsys.readouterr().err
    # Root may write anywhere, so that the right is taken away here.
    monkeypatch.setattr("retina_domains.counting.job.os.access", lambda place, mode: False)
    assert main(["count", str(path), "--out", str(tmp_path / "a/b"), "--quiet"]) == 2
    assert f"no right to write in {tmp_path}" in capsys.readouterr().err
