"""What is said of degenerate components, beyond what the estimators' tests see: sizes that only a form can bear."""

import pytest
import torch

from mixturelab.inference.degenerate import diagnose
from mixturelab.model.params import make_parameters

FAMILIES = ("full", "tied", "diag", "spherical")


@pytest.mark.parametrize("family", ["diag", "spherical"])
def test_many_features_need_no_matrices(family):
    """20,000 of them would be 3.2 GB for each component as a matrix."""
    d = 20_000
    variances = torch.linspace(1, 2, 2 * d).reshape(2, d) if family == "diag" else torch.tensor([1.0, 2.0])
    weights, means = torch.full((2,), 0.5, dtype=torch.float64), torch.zeros(2, d, dtype=torch.float64)
    parameters = make_parameters(weights, means, variances.double(), family)
    assert diagnose(parameters, torch.tensor([3e4, 3e4]), 1e-6) == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_smallest_relative_variance_is_that_of_the_matrices(family):
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    full = root @ root.mT + torch.eye(4)
    diagonal = full.diagonal(dim1=-2, dim2=-1)
    stored = {"full": full, "tied": full[0], "diag": diagonal, "spherical": diagonal[:, 0]}[family]
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    parameters = make_parameters(weights, torch.randn(3, 4, generator=generator).double(), stored, family)
    total = torch.tensor([1.0, 4.0, 0.5, 9.0], dtype=torch.float64)
    scaled = parameters.dense_covariances() / torch.outer(total, total).sqrt()
    found = parameters.family.form.smallest_relative(stored, total, 3)
    torch.testing.assert_close(found, torch.linalg.eigvalsh(scaled)[:, 0])
