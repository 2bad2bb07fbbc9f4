from __future__ import annotations

from pathlib import Path

import pytest

from retina_domains.cli import main
from retina_domains.errors import ConfigError
from retina_domains.plugin.config_file import execute_config

OWN = 'custom_imports = dict(imports=["{module}"])\nmodel = dict(type="RetinaNet")\n'


def test_a_module_of_ones_own_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_part_here.py").write_text("seen = 5\n")
    config = tmp_path / "config.py"
    config.write_text(OWN.format(module="own_part_here"))
    monkeypatch.syspath_prepend(tmp_path)
    assert execute_config(config).model.type == "RetinaNet"
    import own_part_here

    assert own_part_here.seen == 5


def test_one_that_is_not_found_is_told_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.py"
    config.write_text(OWN.format(module="own_part_nowhere"))
    assert main(["train", str(config), "--work-dir", str(tmp_path / "work")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "config.py: No module named 'own_part_nowhere': install it or" in told
    assert "PYTHONPATH=." in told


def test_one_that_fails_inside_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_part_broken.py").write_text("from math import cosine\n")
    config = tmp_path / "config.py"
    config.write_text(OWN.format(module="own_part_broken"))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot import name 'cosine' from 'math'.*mend the module"):
        execute_config(config)


@pytest.mark.parametrize("text", ["a = = 1\n", "a = b\n", "a = {}['b']\n", "a = 1 + '1'\n"])
def test_a_file_that_cannot_be_executed_is_told(text: str, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"config\.py: cannot be loaded as a config \(.+\): mend the file"):
        execute_config(config)
