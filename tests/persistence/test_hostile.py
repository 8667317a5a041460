"""Model files of someone who knows the format: what a header or a tensor cannot be, with a checksum that fits."""

import re
from pathlib import Path

import numpy as np
import pytest
from persistence.forging import encoded, fitted, forged, packed, put, refused

from mixturelab.persistence import load
from mixturelab.persistence.header import CHECKSUM


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ------------------------------------------------------------------------------------- headers that do not hold
def rewritten(path: Path, change=None, tensors=None, table=None) -> Path:
    """A model file that someone has edited, and who has made the checksum fit."""
    path.write_bytes(forged(change, tensors, table))
    return path


def test_rewriting_without_a_change_gives_a_valid_file(path):
    np.testing.assert_array_equal(load(rewritten(path)).means_, fitted().means_)


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (
            ["schema"],
            "other.thing",
            "has schema 'other.thing' in its header; wanted 'mixturelab.gaussian_mixture'",
        ),
        (["schema_version"], 3, "schema version 3; this mixturelab reads up to 2: upgrade"),
        (["schema_version"], 0, "has schema_version 0"),
        (["schema_version"], True, "has schema_version True"),
        (["schema_version"], "1", "has schema_version '1'"),
        (["estimator"], "os.system", "has estimator 'os.system'"),
        (["covariance_type"], "banded", "has covariance_type 'banded' in its header; wanted one of"),
        (["covariance_type"], ["full"], "has covariance_type"),
        (["covariance_type"], "tied", "holds covariances of shape [2, 2, 2]; its header says [2, 2]"),
        (["n_components"], 3, "holds weights of shape [2]; its header says [3]"),
        (["n_components"], 10**9, "has n_components 1000000000 in its header; wanted 1 to 100000"),
        (["n_features"], 2.0, "has n_features 2.0"),
        (["feature_names"], ["a"], "has 1 feature_names; wanted n_features = 2"),
        (["feature_names"], "ab", "has feature_names 'ab'"),
        (["feature_names"], ["a", "a"], "has the feature name 'a' twice; wanted each once"),
        (["dtypes"], {"weights": "float64"}, "has dtypes"),
        (["dtypes", "means"], "float32", "holds means as 'F64'; its header says float32"),
        (["dtypes", "means"], "object", "has dtypes"),
        (["dtypes", "means"], ["float64"], "has dtypes"),
        (["arrays"], "pickle", "has arrays 'pickle'"),
        (["arrays"], [], "has arrays"),
        (["settings"], {"__class__": 1}, "has settings"),
        (["settings"], [], "has settings"),
        (["settings", "tol"], "small", "has tol 'small' in its header; wanted a finite number"),
        (["settings", "reg_covar"], 10**400, "has reg_covar 1000"),
        (["settings", "tol"], None, "has tol None"),
        (["settings", "random_state"], 10**400, "has random_state 1000"),
        (["schema_version"], 10**400, "schema version 1000"),
        (["settings", "init_params"], "mine", "init_params is 'mine'"),
        (["settings", "n_init"], -4, "n_init is -4"),
        (["settings", "means_init"], 5, "has means_init 5"),
        (["settings", "random_state"], "os", "has random_state 'os'"),
        (["settings", "verbose"], "loud", "has verbose 'loud'"),
        (["fit"], None, "has fit None"),
        (["fit", "status"], "fine", "has status 'fine'"),
        (["fit", "status"], ["converged"], "has status"),
        (["fit", "n_iter"], -1, "has n_iter -1"),
        (["fit", "converged"], "yes", "has converged 'yes'"),
        (["fit", "lower_bound"], float("nan"), "has a damaged header: it is not JSON"),
        (["fit", "lower_bound"], 10**400, "has lower_bound 1000"),
        (["fit", "lower_bound"], -(10**400), "has lower_bound -1000"),
        (["fit", "lower_bound"], "infinity", "has lower_bound 'infinity'"),
        (["fit", "log_likelihood"], [10**400], "has log_likelihood [1000"),
        (["provenance", "bic"], float("inf"), "has a damaged header: it is not JSON"),
        (["fit", "log_likelihood"], [1.0, "x"], "has log_likelihood"),
        (["fit", "reason"], 5, "has reason 5"),
        (["fit", "spurious"], "no", "has spurious 'no'"),
        (["provenance"], [], "has provenance"),
    ],
)
def test_a_header_that_cannot_be_is_refused(path, keys, value, match):
    refused(rewritten(path, put(value, *keys)), re.escape(match))


@pytest.mark.parametrize(
    "name",
    ["schema", "schema_version", "covariance_type", "n_components", "dtypes", "fit", "provenance", CHECKSUM],
)
def test_a_header_without_an_entry_is_refused(path, name):
    refused(rewritten(path, lambda header: header.pop(name)), f"has {name} 'missing' in its header; wanted")


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        ({"weights": np.array([0.5, 0.6])}, "weights sum to 1.1"),
        ({"weights": np.array([1.5, -0.5])}, "smallest -0.5"),
        ({"weights": np.array([np.nan, 0.5])}, "NaN or an infinity"),
        ({"weights": np.array([1.0])}, "holds weights of shape [1]; its header says [2]"),
        ({"means": np.zeros((3, 2))}, "holds means of shape [3, 2]; its header says [2, 2]"),
        ({"means": np.full((2, 2), np.inf)}, "NaN or an infinity"),
        ({"means": np.zeros((2, 2), np.float32)}, "holds means as 'F32'; its header says float64"),
        ({"means": np.zeros((2, 2), np.int64)}, "holds means as 'I64'"),
        ({"covariances": np.zeros((2, 2))}, "holds covariances of shape [2, 2]; its header says [2, 2, 2]"),
        (
            {"covariances": np.stack([np.eye(2), -np.eye(2)])},
            "holds covariances that are not positive definite",
        ),
        ({"covariances": np.stack([np.eye(2), np.ones((2, 2))])}, "ill-defined"),
        ({"covariances": np.stack([np.eye(2), [[1, 0.5], [0, 1]]])}, "not symmetric"),
        ({"covariances": None}, "holds the tensors ['means', 'precisions_cholesky', 'weights']"),
        (
            {"extra": np.zeros(1)},
            "holds the tensors ['covariances', 'extra', 'means', 'precisions_cholesky', 'w",
        ),
        ({"covariances": np.stack([np.eye(2), np.eye(2)])}, "do not belong to its covariances"),
        ({"precisions_cholesky": np.zeros((2, 2, 2))}, "that are not positive definite"),
        ({"precisions_cholesky": -fitted().precisions_cholesky_}, "that are not positive definite"),
        ({"precisions_cholesky": np.full((2, 2, 2), np.nan)}, "wanted finite numbers"),
        ({"precisions_cholesky": np.eye(2)}, "holds precisions_cholesky of shape [2, 2]"),
    ],
)
def test_parameters_that_are_no_mixture_are_refused(path, tensors, match):
    refused(rewritten(path, tensors=tensors), re.escape(match))


# ------------------------------------------------------------------------------------------ arrays of settings
OLD = (Path(__file__).parents[1] / "golden" / "v1_gaussian_started_float64.safetensors").read_bytes()
STARTED = encoded(means_init=((2, 54), (4.3, 80)))


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ([[10**400, 1], [1, 1]], "has a means_init in its header that is no array of numbers"),
        (["a", [1]], "has a means_init in its header that is no array of numbers"),
        ({"tensor": "settings.means_init"}, "wanted an array or null"),
        (5, "wanted an array or null"),
    ],
)
def test_arrays_of_the_first_schema_are_checked(path, value, match):
    path.write_bytes(forged(put(value, "settings", "means_init"), of=OLD))
    refused(path, match)


@pytest.mark.parametrize(
    ("change", "tensors", "match"),
    [
        (put({"tensor": "means"}, "settings", "means_init"), {}, "has means_init {'tensor': 'means'}"),
        (
            put(None, "settings", "means_init"),
            {},
            "holds the tensors ['covariances', 'means', 'precisions_chol",
        ),
        (put(1.0, "settings", "means_init"), {"settings.means_init": None}, "holds the tensors|has dtypes"),
        (None, {"settings.means_init": np.zeros((3, 2))}, r"holds settings\.means_init of shape \[3, 2\]"),
        (None, {"settings.means_init": np.full((2, 2), np.nan)}, "holds settings.means_init with a NaN"),
        (None, {"settings.means_init": None}, "holds the tensors"),
        (put({"tensor": "settings.weights_init"}, "settings", "weights_init"), {}, "holds the tensors"),
    ],
)
def test_arrays_of_settings_are_what_the_header_says(path, change, tensors, match):
    path.write_bytes(forged(change, tensors, of=STARTED))
    refused(path, match if "\\" in match or "|" in match else re.escape(match))


# --------------------------------------------------------------------------------------------------- the table
def entry(**changes):
    return lambda table: table["means"].update(changes)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (entry(data_offsets=[0, 32]), "is damaged"),
        (entry(data_offsets=[64, 128]), "is damaged: means is at [64, 128]; wanted 32 bytes"),
        (entry(data_offsets=[32, 64]), "is damaged"),
        (entry(data_offsets=[-8, 24]), "is damaged: means is at [-8, 24]"),
        (entry(data_offsets=[10**30, 10**30 + 32]), "is damaged"),
        (entry(data_offsets=[64.0, 96.0]), "is damaged: means is at"),
        (entry(data_offsets=[96, 64]), "is damaged: means is at"),
        (entry(data_offsets=[64]), "is damaged: means is at"),
        (entry(data_offsets=[]), "is damaged: means is at"),
        (entry(data_offsets=None), "is damaged: means is at None"),
        (entry(shape=[4]), "holds means of shape [4]"),
        (entry(shape=[2, -2]), "holds means of shape [2, -2]"),
        (entry(shape=[2, True]), "holds means of shape [2, True]"),
        (entry(shape=[2**63, 2]), "holds means of shape [9223372036854775808, 2]"),
        (entry(shape="22"), "holds means of shape '22'"),
        (entry(dtype="F16"), "holds means as 'F16'"),
        (entry(dtype=["F64"]), "holds means as ['F64']"),
        (entry(more=1), "its table does not say where means is"),
        (lambda table: table.update(means=3), "its table does not say where means is"),
        (lambda table: table.pop("means"), "holds the tensors"),
        (lambda table: table.update(more=table["means"]), "holds the tensors"),
        (lambda table: table["weights"].update(data_offsets=[0, 16]), "is damaged"),
    ],
)
def test_a_table_that_cannot_be_is_refused(path, table, match):
    refused(rewritten(path, table=table), re.escape(match))


# ------------------------------------------------------------------------------------------------------- text
def test_a_key_that_is_there_twice_is_refused(path):
    content = encoded()
    for old, new in [
        (rb"{\"arrays\":", rb"{\"arrays\": \"numpy\", \"arrays\":"),
        (b'{"__metadata__":', b'{"means": {}, "__metadata__":'),
    ]:
        raw = content[8 : 8 + int.from_bytes(content[:8], "little")].replace(old, new, 1)
        path.write_bytes(packed(raw, content[8 + int.from_bytes(content[:8], "little") :]))
        refused(path, "is there twice")


@pytest.mark.parametrize("depth", [40, 500, 990, 5000, 100_000])
def test_nesting_is_refused_at_any_depth(path, depth):
    deep = "[" * depth + "]" * depth
    path.write_bytes(packed(f'{{"__metadata__": {deep}}}'.encode()))
    refused(path, "damaged header")
    path.write_bytes(packed({"__metadata__": {"mixturelab": f'{{"provenance": {deep}}}'}}))
    refused(path, "damaged header")


def test_half_a_character_is_refused(path):
    refused(rewritten(path, put(["\ud800", "b"], "feature_names")), "holds text that is not Unicode")


@pytest.mark.parametrize("name", ["\x1b[2J\x1b]0;owned\x07", "a\nb", "‮abc"])
def test_names_that_would_move_a_terminal_are_shown_as_escapes(path, name):
    from mixturelab.pipeline import describe_file

    rewritten(path, put([name, "b" * 5000], "feature_names"))
    shown = describe_file(path)
    assert all(character == "\n" or character.isprintable() for character in shown)
    assert len(shown) < 4000


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(path, value):
    refused(rewritten(path, put(value, "provenance", "bic")), "damaged header: it is not JSON")


# -------------------------------------------------------------------------------------------------- posteriors
def of(family="full", **settings):
    return encoded(family, True, **settings)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        (
            "degrees_of_freedom",
            [-1.0, 5.0],
            "holds degrees_of_freedom with a smallest entry of -1; wanted more than 1",
        ),
        ("degrees_of_freedom", [1.0, 5.0], "wanted more than 1"),
        ("degrees_of_freedom", [np.nan, 5.0], "NaN or an infinity"),
        ("degrees_of_freedom", [np.inf, 5.0], "NaN or an infinity"),
        ("degrees_of_freedom", 5.0, "holds degrees_of_freedom of shape []; its header says [2]"),
        ("mean_precision", [0.0, 1.0], "holds mean_precision with a smallest entry of 0; wanted more than 0"),
        (
            "weight_concentration",
            [[1.0, -1.0], [1.0, 1.0]],
            "holds weight_concentration with a smallest entry of -1",
        ),
        (
            "weight_concentration",
            [[1.0, 1.0], [1.0, 1.0]],
            "holds weights that do not belong to its weight_conc",
        ),
        (
            "weight_concentration",
            [1.0, 1.0],
            "holds weight_concentration of shape [2]; its header says [2, 2]",
        ),
        ("weights", [0.5, 0.5], "holds weights that do not belong to its weight_concentration"),
        ("weight_concentration_prior", 0.0, "holds weight_concentration_prior with a smallest entry of 0"),
        ("mean_precision_prior", -1.0, "holds mean_precision_prior with a smallest entry of -1"),
        ("degrees_of_freedom_prior", 1.0, "holds degrees_of_freedom_prior with a smallest entry of 1"),
        ("mean_prior", [np.nan, 0.0], "NaN or an infinity"),
        ("mean_prior", [0.0], "holds mean_prior of shape [1]"),
        (
            "covariance_prior",
            [[1.0, 2.0], [2.0, 1.0]],
            "of the prior that was used, covariance_prior has a smallest",
        ),
        (
            "covariance_prior",
            [[1.0, 0.5], [0.0, 1.0]],
            "of the prior that was used, covariance_prior is off symmetry",
        ),
        ("covariance_prior", [[-1.0, 0.0], [0.0, 1.0]], "covariance_prior"),
        ("covariances", np.stack([np.eye(2), np.ones((2, 2))]), "ill-defined"),
        ("precisions_cholesky", np.stack([np.eye(2)] * 2), "do not belong to its covariances"),
    ],
)
def test_a_posterior_that_cannot_be_is_refused(path, name, value, match):
    path.write_bytes(forged(tensors={name: np.array(value)}, of=of()))
    refused(path, re.escape(match))


@pytest.mark.parametrize(
    ("keys", "value", "match"),
    [
        (["estimator"], "GaussianMixture", "has settings"),
        (
            ["settings", "weight_concentration_prior_type"],
            "dirichlet_distribution",
            "weight_concentration of shape",
        ),
        (
            ["settings", "weight_concentration_prior_type"],
            "other",
            "has weight_concentration_prior_type 'other'",
        ),
        (["settings", "weight_concentration_prior_type"], [], "has weight_concentration_prior_type []"),
        (["settings", "mean_precision_prior"], -1, "mean_precision_prior is -1"),
        (["settings", "degrees_of_freedom_prior"], 0.5, "degrees_of_freedom_prior"),
        (
            ["settings", "covariance_prior"],
            1.0,
            "has covariance_prior 1.0 in its header; wanted an array of shape",
        ),
        (["settings", "mean_prior"], "x", "has mean_prior 'x'"),
        (["settings", "learning_decay"], 3, "learning_decay is 3"),
        (["schema_version"], 1, "schema version 1 has no such"),
    ],
)
def test_a_bayesian_header_that_cannot_be_is_refused(path, keys, value, match):
    path.write_bytes(forged(put(value, *keys), of=of()))
    refused(path, re.escape(match))


PRIOR = {
    "weight_concentration": 1.0,
    "mean_precision": 0.1,
    "mean": None,
    "degrees_of_freedom": None,
    "covariance": None,
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mean_precision": -1}, "prior.mean_precision is -1"),
        ({"weight_concentration": "x"}, "prior.weight_concentration is 'x'"),
        ({"mean": [1.0]}, "has mean [1.0]"),
        ({"mean": 1.0}, "has prior.mean 1.0 in its header; wanted an array of shape (2,)"),
        ({"covariance": {"tensor": "settings.prior.covariance"}}, "holds the tensors"),
        ({"more": 1}, "has prior {"),
    ],
)
def test_a_prior_that_cannot_be_is_refused(path, change, match):
    refused(rewritten(path, put(PRIOR | change, "settings", "prior")), re.escape(match))
