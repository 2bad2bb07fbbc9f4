"""The command's frame: which sub-command runs, and what its errors become."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from retina_domains import __version__, cli
from retina_domains.errors import DeviceMemoryError, InputFileError


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A sub-command ``stub WORD`` whose ``run`` a test may replace."""
    module = ModuleType("stub_command", "Say one word.\n\nA longer word.")

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("word")

    module.add_arguments = add_arguments  # type: ignore[attr-defined]
    module.run = lambda args: len(args.word)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stub_command", module)
    monkeypatch.setitem(cli.COMMANDS, "stub", cli.Command("stub_command", "say one word"))
    return module


def failing(error: BaseException) -> object:
    """A ``run`` that raises ``error``."""

    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_status_of_the_sub_command_is_returned(stub: ModuleType) -> None:
    assert cli.main(["stub", "abc"]) == 3


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (InputFileError("no file x.tif:\n  expected a raster"), 2, "no file x.tif: expected a raster"),
        (DeviceMemoryError("the device is full"), 1, "the device is full"),
        (KeyError("lost"), 1, "unexpected KeyError: 'lost'"),
    ],
)
def test_errors_become_one_line_and_a_status(
    stub: ModuleType, capsys: pytest.CaptureFixture[str], error: Exception, status: int, told: str
) -> None:
    stub.run = failing(error)  # type: ignore[attr-defined]
    assert cli.main(["stub", "abc"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"retina-domains stub: error: {told}")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(stub: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    stub.run = failing(InputFileError("no file x.tif"))  # type: ignore[attr-defined]
    assert cli.main(["stub", "abc", "--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):")
    assert err.endswith("retina-domains stub: error: no file x.tif\n")


def test_a_missing_dependency_of_the_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "needy_command.py").write_text(
        "from retina_domains.errors import MissingDependencyError\n"
        "raise MissingDependencyError('needs OpenMMLab')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "needy", cli.Command("needy_command", "cannot be imported"))
    assert cli.main(["needy"]) == 2
    assert capsys.readouterr().err == "retina-domains needy: error: needs OpenMMLab\n"


def test_interruption_is_130(stub: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    stub.run = failing(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert cli.main(["stub", "abc"]) == 130
    assert capsys.readouterr().err == "retina-domains stub: interrupted\n"


def test_a_reader_that_stops_ends_the_command_quietly(tmp_path: Path) -> None:
    """``retina-domains talk | head -1``: more is printed than a pipe holds."""
    (tmp_path / "talk.py").write_text(
        "def add_arguments(parser): pass\n"
        "def run(args):\n"
        "    for _ in range(20_000): print('a line of some length')\n"
        "    return 0\n"
    )
    call = (
        "import sys; from retina_domains import cli; "
        "cli.COMMANDS['talk'] = cli.Command('talk', ''); sys.exit(cli.main(['talk']))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", call],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(cli.__file__).parents[1])]),
        },
    )
    with run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == b"a line of some length\n"
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 141


def test_a_pipe_of_ours_that_breaks_is_our_fault(
    stub: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.run = failing(BrokenPipeError(32, "Broken pipe"))  # type: ignore[attr-defined]
    assert cli.main(["stub", "abc"]) == 1
    assert "Broken pipe: a process of ours ended" in capsys.readouterr().err


def test_system_exit_passes_through(stub: ModuleType) -> None:
    stub.run = failing(SystemExit(5))  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as left:
        cli.main(["stub", "abc"])
    assert left.value.code == 5


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["stub"], ["stub", "abc", "--nonsense"]])
def test_a_wrong_call_is_2(
    stub: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"{name}" in told
        assert command.summary in told


def test_help_of_a_command_is_its_module_docstring(
    stub: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["stub", "--help"])
    told = capsys.readouterr().out
    assert told.startswith("usage: retina-domains stub")
    assert "A longer word." in told


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"retina-domains {__version__}\n"
