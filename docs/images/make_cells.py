"""Makes the pictures of ``docs/cells.md``: simulated smears counted by the shipped model, in a browser.

``python docs/images/make_cells.py`` needs Chromium on the path and takes some minutes. Pictures of real
fields belong to who took them, so none is shown; the commands are the same.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WIDTH = 1200  # of the browser's window, px
SHOWN = 900  # of the pictures
FIELDS = (
    "datasets/prepare_simulated_smears.py {folder}/smear --kind thin --fields 4 --fields-per-smear 4 "
    "--val-share 0 --seed 5 --size 960x1280 --mpp 0.0975"
)
COUNT_FIELDS = "tools/count_cells.py {folder}/smear/images --model blood-thin --mpp 0.0975 --overlays"
SLIDE = "datasets/simulate_slide.py {folder}/slide.tiff --size 3000x4000 --cells 900 --seed 4 --jobs 1"
COUNT_SLIDE = "tools/count_cells.py {folder}/slide.tiff --model blood-thin"
# Of which page, from which row to which, px of the window.
PARTS = {
    "numbers": ("smear-count", 0, 1580),
    "doubtful": ("smear-count", 1580, 2360),
    "fields": ("smear-count", 3790, 4700),
    "slide": ("slide-count", 0, 1130),
}


def run(line: str, folder: Path, *more: str) -> None:
    """A script of the checkout with its arguments."""
    script, *rest = line.format(folder=folder).split()
    subprocess.run([sys.executable, ROOT / script, *rest, *more], check=True, cwd=ROOT)


def picture_of(page: Path, folder: Path) -> Image.Image:
    """A page from top to bottom, as Chromium draws it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("chromium: not on the path; install it to draw the pages")
    shot = folder / f"{page.parent.name}.png"
    size = f"--window-size={WIDTH},5200"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    subprocess.run(
        [browser, *options, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True
    )
    return Image.open(shot).convert("RGB")


def save(picture: Image.Image, name: str) -> None:
    """As WebP of the shown width."""
    height = round(picture.height * SHOWN / picture.width)
    path = HERE / f"cells-{name}.webp"
    picture.resize((SHOWN, height), Image.Resampling.LANCZOS).save(path, quality=70, method=6)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")


def main() -> None:
    """Simulate, count, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="for what is simulated and counted; kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) if args.folder is None else args.folder.absolute()
        for name, simulate, count in (
            ("smear-count", FIELDS, COUNT_FIELDS),
            ("slide-count", SLIDE, COUNT_SLIDE),
        ):
            if not (folder / name).is_dir():
                run(simulate, folder)
                run(count, folder, "--out", str(folder / name), "--quiet")
        pages = {
            name: picture_of(folder / name / "report.html", folder) for name in ("smear-count", "slide-count")
        }
        for name, (page, top, bottom) in PARTS.items():
            save(pages[page].crop((0, top, WIDTH, bottom)), name)
        overlay = next((folder / "smear-count" / "overlays").glob("*000003*"))
        save(Image.open(overlay).convert("RGB"), "overlay")


if __name__ == "__main__":
    main()
