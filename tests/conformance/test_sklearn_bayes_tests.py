"""scikit-learn's own tests of BayesianGaussianMixture, with the class replaced by ours as they are loaded.

The installed scikit-learn brings the tests; nothing of them is copied. Left out is only what calls private functions.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sklearn.mixture
from numpy.testing import assert_allclose

from mixturelab.bayes import BayesianGaussianMixture

PRIVATE = {
    "test_log_dirichlet_norm": "private function",
    "test_log_wishart_norm": "private function",
    "test_compare_covar_type": "calls the private _initialize_parameters; its claim is tested below by max_iter=0",
}


def _load(name: str, what: str) -> ModuleType:
    """Their test module with our class under their name."""
    path = Path(sklearn.mixture.__file__).parent / "tests" / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    ours = source.replace(
        f"from sklearn.mixture import {what}",
        "from mixturelab import GaussianMixture\nfrom mixturelab.bayes import BayesianGaussianMixture",
    )
    assert ours != source, "scikit-learn's test file imports the class in another way"
    spec = importlib.util.spec_from_loader(f"sklearn_{name}_bayes", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(ours, str(path), "exec"), module.__dict__)
    return module


_modules = [
    _load("test_bayesian_mixture", "BayesianGaussianMixture"),
    _load("test_mixture", "BayesianGaussianMixture, GaussianMixture"),
]
for _module in _modules:
    for _name, _value in vars(_module).items():
        if _name.startswith("test_") and _name not in PRIVATE:
            globals()[_name] = _value

# Their suite runs with warnings shown, not raised.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_is_left_out_still_exists():
    """A name that is no longer there hides nothing."""
    assert set(PRIVATE) <= set(vars(_modules[0]))


def test_the_class_under_test_is_ours():
    assert all(m.BayesianGaussianMixture.__module__ == "mixturelab.bayes" for m in _modules)


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
def test_after_one_m_step_the_families_are_means_of_one_another(kind):
    """The claim of their test that needs private methods: the scales of tied, diag and spherical from those of full."""
    x = np.random.default_rng(0).normal(size=(200, 3)) @ [[1.0, 0.5, 0], [0, 1, 0.3], [0, 0, 2]]
    settings = {"weight_concentration_prior_type": kind, "max_iter": 0, "random_state": 0}

    def scale(family):
        model = BayesianGaussianMixture(4, covariance_type=family, **settings).fit(x)
        return model.covariances_, np.asarray(model.degrees_of_freedom_)

    full, nu = scale("full")
    full = full * nu[:, None, None]
    tied, diag, spherical = (scale(family) for family in ("tied", "diag", "spherical"))
    assert_allclose(tied[0] * tied[1], full.mean(0))
    assert_allclose(diag[0] * diag[1][:, None], full.diagonal(axis1=1, axis2=2))
    assert_allclose(spherical[0] * spherical[1], full.diagonal(axis1=1, axis2=2).mean(1))
