"""A run folder by hand, and a view made of random numbers, for tests."""

import numpy as np

from mixturelab.stream.readings import COLUMNS as DIAGNOSTIC_COLUMNS
from mixturelab.stream.writers import COLUMNS, DIAGNOSTICS, MIXTURE
from mixturelab.watch.view import View


def a_view(n=40, k=3, step=5, scale=1.0, **about) -> View:
    """Points, components and responsibilities that fit together in shape."""
    rng = np.random.default_rng(step)
    gamma = rng.random((n, k)) + 0.1
    half = 0.2 * rng.normal(size=(k, 2, 2))
    return View(
        step=step,
        n_steps=about.pop("n_steps", 100),
        points=scale * rng.normal(size=(n, 2)).clip(-0.9, 0.9),
        responsibilities=gamma / gamma.sum(1, keepdims=True),
        weights=np.full(k, 1 / max(k, 1)),
        means=0.5 * rng.normal(size=(k, 2)).clip(-1, 1),
        covariances=half @ half.transpose(0, 2, 1) + 0.01 * np.eye(2),
        axes=np.linalg.qr(rng.normal(size=(8, 2)))[0],
        shares=np.array([0.4, 0.2]),
        **about,
    )


class Writer:
    """A run's tables, written by hand."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.begin()

    def begin(self):
        for name, columns in [
            ("losses.csv", ("loss",)),
            (MIXTURE, COLUMNS),
            (DIAGNOSTICS, DIAGNOSTIC_COLUMNS),
        ]:
            (self.folder / name).write_text(",".join(["step", "epoch", *columns]) + "\n")

    def step(self, number, loss=2.0, alarms="", **changes):
        values = dict.fromkeys((*COLUMNS, *DIAGNOSTIC_COLUMNS), "0.5") | {"alarms": alarms, **changes}
        for name, columns in [(MIXTURE, COLUMNS), (DIAGNOSTICS, DIAGNOSTIC_COLUMNS)]:
            self.add(name, [number, number // 5, *(values[column] for column in columns)])
        self.add("losses.csv", [number, number // 5, loss])

    def add(self, name, cells):
        with (self.folder / name).open("a") as file:
            file.write(",".join(map(str, cells)) + "\n")
