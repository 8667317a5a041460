"""Draw the README's picture, docs/images/old_faithful.png: `python scripts/render_readme_picture.py`."""

import sys
from pathlib import Path

from mixturelab import GaussianMixture, load_dataset, plot
from mixturelab.persistence import write_atomically

PATH = Path(__file__).resolve().parent.parent / "docs" / "images" / "old_faithful.png"


def main() -> None:
    """The mixture that BIC chooses for Old Faithful, and the words that go with it."""
    faithful = load_dataset("old_faithful")
    # A start near the end keeps the components in order, from short eruptions to long ones.
    start = [[2.0, 54.0], [3.8, 77.0], [4.5, 81.0]]
    model = GaussianMixture(
        3, covariance_type="tied", means_init=start, tol=1e-6, max_iter=1000, random_state=0
    )
    figure = plot.soft_assignments(
        model.fit(faithful.frame), faithful, title="Old Faithful: three groups of eruptions, softly assigned"
    )
    PATH.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(PATH, plot.png(figure, dpi=130))
    sys.stdout.write(f"{PATH.name}: {plot.alt_text(figure)}\n")


if __name__ == "__main__":
    main()
