"""scikit-learn's `check_estimator` for the Bayesian mixture: every check, for every family and both weight priors."""

import pytest
from oracles import FAMILIES
from sklearn.utils.estimator_checks import parametrize_with_checks

from mixturelab.bayes import BayesianGaussianMixture

ESTIMATORS = [
    *(BayesianGaussianMixture(covariance_type=family) for family in FAMILIES),
    BayesianGaussianMixture(
        2, weight_concentration_prior_type="dirichlet_distribution", init_params="random"
    ),
]


@pytest.mark.filterwarnings("ignore::mixturelab.exceptions.DegenerateFitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_check_estimator(estimator, check):
    check(estimator)
