"""scikit-learn's `check_estimator`: every check, for every family."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixturelab import GaussianMixture

ESTIMATORS = [
    GaussianMixture(),
    GaussianMixture(covariance_type="tied"),
    GaussianMixture(covariance_type="diag"),
    GaussianMixture(covariance_type="spherical"),
    GaussianMixture(n_components=2, n_init=2, init_params="random"),
]


@pytest.mark.filterwarnings("ignore::mixturelab.exceptions.DegenerateFitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_check_estimator(estimator, check):
    check(estimator)
