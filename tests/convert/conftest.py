"""A labelled set of a few images."""

from __future__ import annotations

from pathlib import Path

import pytest
from set_cases import labelled, put_images

from retina_domains.labelled import ImageLabels


@pytest.fixture
def images(tmp_path: Path) -> list[ImageLabels]:
    return labelled(put_images(tmp_path / "in" / "images", 12))
