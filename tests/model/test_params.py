"""What makes parameters valid, and how the errors name what is not."""

import pytest
import torch

from mixturelab.exceptions import ArgumentError, CollapsedComponentError
from mixturelab.model.params import from_precisions, make_parameters

PI, MU = torch.tensor([0.4, 0.6]).double(), torch.tensor([[0.0, 0.0], [1.0, 2.0]]).double()
SIGMA = torch.eye(2).double().repeat(2, 1, 1)


def test_counts_and_conversions():
    p = make_parameters(PI, MU, SIGMA)
    assert (p.n_components, p.n_features, p.n_parameters) == (2, 2, 11)
    assert p.to(torch.float32).means.dtype is torch.float32
    torch.testing.assert_close(p.log_weights, PI.log())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": torch.tensor([0.4, 0.7])}, r"weights sum to 1\.1, smallest 0\.4; wanted"),
        ({"weights": torch.tensor([-0.5, 1.5])}, r"weights sum to 1, smallest -0\.5"),
        ({"weights": torch.ones(3) / 3}, r"weights has shape \(3,\); wanted \(2,\)"),
        ({"means": torch.zeros(2)}, r"means has shape \(2,\); wanted \[n_components, n_features\]"),
        ({"means": MU * torch.nan}, "means holds a NaN"),
        (
            {"covariances": SIGMA[0]},
            r"covariances has shape \(2, 2\); wanted \(2, 2, 2\) for covariance_type='full'",
        ),
        ({"covariances": SIGMA + torch.tensor([[0, 0.5], [0, 0]])}, "covariances are not symmetric"),
        ({"covariance_type": "banana"}, "covariance_type is 'banana'; wanted one of"),
    ],
)
def test_errors_name_argument_value_and_wish(change, message):
    given = {"weights": PI, "means": MU, "covariances": SIGMA, "covariance_type": "full"} | change
    with pytest.raises(ArgumentError, match=message):
        make_parameters(**given)


def test_a_singular_covariance_is_named():
    singular = SIGMA.clone()
    singular[1] = torch.ones(2, 2)
    with pytest.raises(CollapsedComponentError, match=r"Component\(s\): \[1\]"):
        make_parameters(PI, MU, singular)
    with pytest.raises(CollapsedComponentError, match="shared covariance is singular"):
        make_parameters(PI, MU, torch.ones(2, 2).double(), "tied")


@pytest.mark.parametrize("family", ["full", "tied", "diag", "spherical"])
def test_precisions_and_covariances_are_two_names_of_one_mixture(family):
    sigma = {"full": 2 * SIGMA, "tied": 2 * SIGMA[0], "diag": MU + 1, "spherical": PI}[family]
    p = make_parameters(PI, MU, sigma, family)
    back = from_precisions(PI, MU, p.precisions, p.family)
    torch.testing.assert_close(back.covariances, p.covariances)
