"""One command from a table to a mixture: `python demo.py [CSV]` writes everything it finds under artifacts/."""

import argparse
import sys
from pathlib import Path

from mixturelab.cli import one_line_errors

DATA = Path(__file__).resolve().parent / "data" / "dataset.csv"


def main() -> None:
    """Choose K and the family by BIC, fit, write, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="?", type=Path, default=_relative(DATA), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("artifacts"), help="default: %(default)s")
    options = parser.parse_args()

    from mixturelab import pipeline  # after the arguments: --help does not wait for torch

    table = pipeline.read_table(options.csv)
    pipeline.check_folder(options.out)
    outcome = pipeline.select_table(table, progress=sys.stderr.isatty())
    print(pipeline.report(outcome, pipeline.write_artifacts(outcome, options.out)))


def _relative(path: Path) -> Path:
    """The path as a person in this folder would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    one_line_errors(main)
