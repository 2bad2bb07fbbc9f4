"""Fit what a model's scores mean on labelled images; the same as ``retina-domains calibrate``."""

import sys

from retina_domains.cli import main

if __name__ == "__main__":
    sys.exit(main(["calibrate", *sys.argv[1:]]))
