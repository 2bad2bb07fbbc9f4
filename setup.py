"""Package metadata; tool settings are in ``pyproject.toml``, exact versions in ``requirements.lock``.

``pip install .`` brings no OpenMMLab: its two lines install the same import names, and pip would put one over
the other, or ``mmcv-lite`` over a compiled ``mmcv``, without a word. The user picks one by an extra.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

CORE = [
    "numpy>=2.0",
    "scipy>=1.14",
    "rasterio>=1.4",
    "shapely>=2.0",
    "pyproj>=3.6",
    "pyogrio>=0.10",
    "scikit-image>=0.24",
    "pillow>=10.4",
    "safetensors>=0.4.5",
    "torch>=2.6",
    "torchvision>=0.21",
]
ONEDL = ["onedl-mmdetection==3.5.1", "onedl-mmengine==0.10.12", "onedl-mmcv==2.3.6"]
OPENMMLAB = ["mmdet==3.3.0", "mmengine==0.10.7", "mmcv-lite==2.1.0"]
PARQUET = ["pyarrow>=18"]
# The second brings the library itself, so that no compiler or system package is needed.
SLIDES = ["openslide-python>=1.4", "openslide-bin>=4.0.0.6"]
TIMM = ["timm>=1.0.9"]
DEV = [
    "codespell>=2.4",
    "faster-coco-eval>=1.6",
    "hypothesis>=6.100",
    "import-linter>=2.1",
    "mypy>=1.13",
    "pre-commit>=4.0",
    "pycocotools>=2.0.8",
    "pytest>=8.3",
    "pytest-xdist>=3.6",
    "ruff>=0.14",
    "types-shapely>=2.0",
    "uv>=0.9",
]
BUNDLE_FILES = ("json", "safetensors", "md", "svg")


def read_version() -> str:
    """The version, from the one place that states it."""
    source = (ROOT / "retina_domains" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', source, re.MULTILINE)
    if found is None:
        raise RuntimeError('retina_domains/__init__.py states no __version__ = "..."')
    return found.group(1)


setup(
    name="retina-domains",
    version=read_version(),
    description="Finds every small object in rasters and slides too large for memory.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The RetinaDomains contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.14",
    install_requires=CORE,
    extras_require={
        "onedl": ONEDL,
        "openmmlab": OPENMMLAB,
        "parquet": PARQUET,
        "slides": SLIDES,
        "timm": TIMM,
        "dev": DEV,
    },
    # The config tree lies beside the package in a checkout, and inside it once installed:
    # retina_domains.resources.config_path finds it in either place.
    packages=[*find_packages(include=["retina_domains", "retina_domains.*"]), "retina_domains.configs"],
    package_dir={"retina_domains.configs": "configs"},
    package_data={
        "retina_domains": ["py.typed", *(f"bundles/*/*.{end}" for end in BUNDLE_FILES)],
        "retina_domains.configs": ["**/*.py", "**/*.md", "**/*.yml"],
    },
    include_package_data=False,
    entry_points={"console_scripts": ["retina-domains = retina_domains.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: GIS",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
)
