"""Models of every kind, and what serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serve.clients import FAMILIES, GEYSER, Client, Server, client_of, serving

from mixturelab import BayesianGaussianMixture, GaussianMixture, save


@pytest.fixture(scope="session")
def geyser() -> GaussianMixture:
    """Two groups of eruptions, with feature names."""
    return GaussianMixture(2, random_state=0).fit(GEYSER)


@pytest.fixture(scope="session")
def models(geyser: GaussianMixture) -> dict[str, Any]:
    """Every family, with and without names, in float32, of tensors, and a Bayesian one."""
    import torch

    found: dict[str, Any] = {
        family: GaussianMixture(3, covariance_type=family, random_state=0).fit(GEYSER) for family in FAMILIES
    }
    found["no names"] = GaussianMixture(2, random_state=0).fit(GEYSER.to_numpy())
    found["float32"] = GaussianMixture(2, dtype="float32", random_state=0).fit(GEYSER)
    found["tensors"] = GaussianMixture(2, random_state=0).fit(torch.tensor(GEYSER.to_numpy()))
    found["one feature"] = GaussianMixture(2, random_state=0).fit(GEYSER[["eruptions"]])
    found["one component"] = GaussianMixture(1).fit(GEYSER)
    found["bayes"] = BayesianGaussianMixture(4, random_state=0, max_iter=500).fit(GEYSER)
    return found


@pytest.fixture(scope="session")
def client(geyser: GaussianMixture) -> Client:
    return client_of(geyser)


@pytest.fixture(scope="session")
def wide() -> GaussianMixture:
    """Sixteen features without names, sixteen components."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(16, 16))
    return GaussianMixture.from_parameters(np.full(16, 1 / 16), centres, np.stack([np.eye(16)] * 16))


@pytest.fixture(scope="session")
def geyser_file(geyser: GaussianMixture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(geyser, tmp_path_factory.mktemp("model") / "geyser.safetensors")


@pytest.fixture(scope="session")
def server(geyser_file: Path) -> Iterator[Server]:
    """One server for the tests that do not end it."""
    with serving(
        geyser_file, {"receive_seconds": 2.0, "max_bytes": 1 << 20, "max_connections": 150}
    ) as running:
        yield running
