"""Writes golden model files: one of each estimator, family and precision, and beside each the numbers it must give.

Run it once for each new schema version, with the code that introduces it: ``python tests/golden/write_golden.py``.
Files that are there are left as they are: what is tested is that later code still reads them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from mixturelab import BayesianGaussianMixture, GaussianMixture, Prior, load_dataset, save
from mixturelab.persistence.header import SCHEMA_VERSION

HERE = Path(__file__).parent
FAMILIES = ("full", "tied", "diag", "spherical")
ROWS = [[1.8, 54.0], [3.0, 66.0], [4.4, 80.0], [4.9, 95.0], [0.0, 200.0]]


PRIOR_TYPES = {"process": "dirichlet_process", "distribution": "dirichlet_distribution"}


def models():
    """Name and fitted model of each file to be."""
    frame = load_dataset("old_faithful").frame
    single = torch.from_numpy(frame.to_numpy(np.float32))
    for family in FAMILIES:
        settings = {"covariance_type": family, "random_state": 7}
        yield f"gaussian_{family}_float64", GaussianMixture(3, **settings).fit(frame)
        yield f"gaussian_{family}_float32", GaussianMixture(3, **settings).fit(single)
        for name, kind in PRIOR_TYPES.items():
            model = BayesianGaussianMixture(3, weight_concentration_prior_type=kind, max_iter=300, **settings)
            yield f"bayesian_{name}_{family}_float64", clone(model).fit(frame)
            yield f"bayesian_{name}_{family}_float32", clone(model).fit(single)
    start = {"means_init": [[2.0, 54.0], [4.3, 80.0]], "reg_covar": 1e-4, "max_iter": 0}
    yield "gaussian_started_float64", GaussianMixture(2, random_state=7, **start).fit(frame)
    prior = Prior(mean=[3.5, 71.0], covariance=[[1.0, 0.0], [0.0, 90.0]])
    yield (
        "gaussian_prior_float64",
        GaussianMixture(3, prior=prior, learning_decay=0.7, random_state=7).fit(frame),
    )


def numbers(model):
    """What a model says of the rows, as JSON."""
    is_single = isinstance(model.means_, torch.Tensor)
    rows = torch.tensor(ROWS) if is_single else np.array(ROWS)
    if hasattr(model, "feature_names_in_"):
        rows = pd.DataFrame(rows, columns=model.feature_names_in_)
    methods = ("predict", "predict_proba", "score_samples")
    methods += ("log_predictive",) if isinstance(model, BayesianGaussianMixture) else ()
    found = {name: getattr(model, name)(rows) for name in methods}
    found |= {f"{name}_": getattr(model, f"{name}_") for name in ("weights", "means", "covariances")}
    found["sample"] = model.sample(4)[0]
    plain = {name: np.asarray(value).tolist() for name, value in found.items()}
    if isinstance(model, BayesianGaussianMixture):
        plain["elbo"] = model.elbo(rows)
    settings = {k: v for k, v in model.get_params().items() if isinstance(v, (str, int, float, type(None)))}
    plain["lower_bound_"], plain["reason"] = model.lower_bound_, model.history_.reason
    return plain | {
        "settings": settings,
        "feature_names": list(getattr(model, "feature_names_in_", [])) or None,
    }


def main():
    """Write what is missing."""
    for name, model in models():
        path = HERE / f"v{SCHEMA_VERSION}_{name}.safetensors"
        if path.exists():
            continue
        frame = load_dataset("old_faithful").frame
        save(model, path, training_data=frame, metrics={"bound": model.lower_bound_}, source="old_faithful")
        path.with_suffix(".json").write_text(json.dumps(numbers(model), indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
