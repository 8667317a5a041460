"""Golden files: what earlier versions wrote is read, and gives the numbers that were seen when it was written."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden.write_golden import FAMILIES, PRIOR_TYPES, numbers

from mixturelab.persistence import load, read_header
from mixturelab.persistence.header import SCHEMA_VERSION
from mixturelab.persistence.rules import SETTINGS

FOLDER = Path(__file__).parents[1] / "golden"
EXACT = (
    "settings",
    "feature_names",
    "reason",
    "lower_bound_",
    "predict",
    "weights_",
    "means_",
    "covariances_",
)
FILES = sorted(FOLDER.glob("v*.safetensors"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_file_gives_its_numbers(path):
    wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    found = json.loads(json.dumps(numbers(load(path))))
    assert read_header(path)["schema_version"] == int(path.name[1 : path.name.index("_")])
    for name in EXACT:
        # An argument that came later has its default.
        kept = {key: found[name][key] for key in wanted[name]} if name == "settings" else found[name]
        assert kept == wanted[name], name
    rounding = 1e-5 if "float32" in path.name else 1e-12  # of another machine's arithmetic
    for name in set(wanted) & {"predict_proba", "score_samples", "log_predictive", "sample", "elbo"}:
        np.testing.assert_allclose(
            found[name], wanted[name], rtol=rounding, atol=rounding * 1e-3, err_msg=name
        )


@pytest.mark.parametrize(("version", "estimator"), SETTINGS)
def test_each_schema_version_has_golden_files_of_each_family_and_precision(version, estimator):
    """Who raises SCHEMA_VERSION runs tests/golden/write_golden.py."""
    kinds = [f"bayesian_{name}" for name in PRIOR_TYPES] if "Bayesian" in estimator else ["gaussian"]
    names = {f"v{version}_{k}_{f}_{p}" for k in kinds for f in FAMILIES for p in ("float32", "float64")}
    assert names <= {path.stem for path in FILES}


def test_the_present_schema_version_has_golden_files():
    assert max(version for version, _ in SETTINGS) == SCHEMA_VERSION
    assert any(path.name.startswith(f"v{SCHEMA_VERSION}_") for path in FILES)


def test_golden_files_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 400_000
