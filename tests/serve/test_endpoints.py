"""The endpoints say what the model itself says, for every family, by position and by name."""

import numpy as np
import pandas as pd
import pytest
from serve.clients import FAMILIES, GEYSER, Client, client_of
from sklearn.mixture import GaussianMixture as Theirs

from mixturelab import GaussianMixture
from mixturelab.exceptions import ModelFileError
from mixturelab.persistence import read_header, save_joblib
from mixturelab.scoring import Scorer
from mixturelab.serve.app import create_app

KINDS = (*FAMILIES, "no names", "float32", "tensors", "one feature", "one component", "bayes")
ROWS = GEYSER.iloc[:50]


def columns(kind: str):
    return ROWS[["eruptions"]] if kind == "one feature" else ROWS


def bodies(kind: str, model) -> list[dict]:
    rows = columns(kind)
    by_position = {"rows": rows.to_numpy().tolist()}
    named = {"rows": rows[rows.columns[::-1]].to_dict("records")}  # in another order
    return [by_position, named] if hasattr(model, "feature_names_in_") else [by_position]


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_the_models_own(models, kind):
    model = models[kind]
    client, x = client_of(model), columns(kind)
    x = x if hasattr(model, "feature_names_in_") else x.to_numpy()
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if kind == "float32" else {"rtol": 1e-10, "atol": 1e-12}
    for body in bodies(kind, model):
        gamma = np.array(client.post("/responsibilities", body).json()["responsibilities"])
        np.testing.assert_allclose(gamma, model.predict_proba(x), **tolerance)
        predicted = client.post("/predict", body).json()
        assert predicted["component"] == list(model.predict(x))
        np.testing.assert_allclose(predicted["uncertainty"], 1 - gamma.max(axis=1), **tolerance)
        scored = client.post("/score", body).json()
        np.testing.assert_allclose(scored["log_density"], model.score_samples(x), **tolerance)
        assert scored["mean"] == pytest.approx(float(np.mean(scored["log_density"])), rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_numbers_are_scikit_learns(family):
    """Somebody else's density of the same parameters."""
    theirs = Theirs(3, covariance_type=family, random_state=0).fit(GEYSER.to_numpy())
    ours = GaussianMixture.from_parameters(theirs.weights_, theirs.means_, theirs.covariances_, family)
    client, x = client_of(ours), ROWS.to_numpy()
    answered = client.post("/responsibilities", {"rows": x.tolist()}).json()["responsibilities"]
    np.testing.assert_allclose(answered, theirs.predict_proba(x), atol=1e-9)
    answered = client.post("/score", {"rows": x.tolist()}).json()["log_density"]
    np.testing.assert_allclose(answered, theirs.score_samples(x), rtol=1e-9)


def test_every_digit_arrives(client, geyser):
    x = np.array([[np.nextafter(4.0, 5), 80.1]])
    answered = client.post("/score", {"rows": x.tolist()}).json()["log_density"]
    assert answered == Scorer(geyser)(x).log_density.tolist()


@pytest.mark.parametrize("n", [1, 255, 256, 257, 20_000])
def test_many_rows_are_scored_as_few_are(client, geyser, n):
    """A request is computed at once or in a thread, whole or in parts: each row has the same numbers."""
    x = np.random.default_rng(n).normal(size=(n, 2)) * [1, 10] + [3, 70]
    answered = client.post("/responsibilities", {"rows": x.tolist()}).json()["responsibilities"]
    expected = geyser.predict_proba(pd.DataFrame(x, columns=GEYSER.columns))
    np.testing.assert_allclose(answered, expected, rtol=1e-9, atol=1e-12)


def test_integers_and_signed_zeros_are_numbers(client):
    answer = client.post("/score", b'{"rows": [[4, 80], [4.0, 8e1], [-0.0, 0]]}').json()["log_density"]
    assert answer[0] == answer[1]
    assert np.isfinite(answer).all()


# ---------------------------------------------------------------------------------------------------- /sample
def test_equal_seeds_draw_equal_rows_and_the_models_own(client, geyser):
    first, second, other = (client.post("/sample", {"n": 20, "seed": seed}).json() for seed in (3, 3, 4))
    assert first == second
    assert first["rows"] != other["rows"]
    assert first["feature_names"] == ["eruptions", "waiting"]
    rows, component = GaussianMixture.from_parameters(
        geyser.weights_, geyser.means_, geyser.covariances_, random_state=3
    ).sample(20)
    np.testing.assert_allclose(first["rows"], rows)
    assert first["component"] == component.tolist()


def test_without_a_seed_rows_differ(client):
    assert client.post("/sample", {"n": 5}).json()["rows"] != client.post("/sample", {"n": 5}).json()["rows"]
    assert client.post("/sample", {"n": 5, "seed": None}).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_rows_of_the_mixture(models, kind):
    model = models[kind]
    answer = client_of(model).post("/sample", {"n": 2000, "seed": 0}).json()
    rows = np.array(answer["rows"])
    assert rows.shape == (2000, np.shape(model.means_)[1])
    mean = np.asarray(model.weights_, dtype=float) @ np.asarray(model.means_, dtype=float)
    spread = rows.std(axis=0) / np.sqrt(len(rows))
    assert (abs(rows.mean(axis=0) - mean) < 6 * spread).all()


def test_sampling_leaves_the_model_as_it_was(geyser):
    before = geyser.get_params()
    client_of(geyser).post("/sample", {"n": 5, "seed": 99})
    assert geyser.get_params() == before


# ----------------------------------------------------------------------------------------------------- /model
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_described(models, kind):
    model = models[kind]
    said = client_of(model).get("/model").json()
    k, d = np.shape(model.means_)
    assert (said["covariance_type"], said["n_components"], said["n_features"]) == (
        model.covariance_type,
        k,
        d,
    )
    names = getattr(model, "feature_names_in_", None)
    assert said["feature_names"] == (None if names is None else list(names))
    np.testing.assert_allclose(said["weights"], model.weights_, rtol=1e-6)
    np.testing.assert_allclose(said["means"], model.means_, rtol=1e-6)
    np.testing.assert_allclose(said["covariances"], dense(model), rtol=1e-5)
    assert set(said["limits"]) == {"rows", "json_rows", "bytes", "samples", "seconds"}


def dense(model) -> np.ndarray:
    """Σ_k as full matrices, written out family by family."""
    k, d = np.shape(model.means_)
    sigma = np.asarray(model.covariances_, dtype=float)
    return {
        "full": lambda: sigma,
        "tied": lambda: np.stack([sigma] * k),
        "diag": lambda: np.stack([np.diag(variances) for variances in sigma]),
        "spherical": lambda: np.stack([variance * np.eye(d) for variance in sigma]),
    }[model.covariance_type]()


def test_a_large_model_is_described_without_its_covariances():
    k, d = 5, 500
    model = GaussianMixture.from_parameters(np.full(k, 1 / k), np.zeros((k, d)), np.ones(k), "spherical")
    assert client_of(model).get("/model").json()["covariances"] is None


def test_the_header_is_the_files(geyser, geyser_file):
    assert client_of(geyser_file).get("/model").json()["header"] == read_header(geyser_file)
    assert client_of(str(geyser_file)).get("/model").json()["feature_names"] == ["eruptions", "waiting"]


def test_a_joblib_file_is_served_only_if_trusted(geyser, tmp_path):
    path = save_joblib(geyser, tmp_path / "model.joblib")
    with pytest.raises(ModelFileError, match="trust"):
        create_app(path)
    said = Client(create_app(path, trust=True)).get("/model").json()
    assert said["header"] is None
    assert said["n_components"] == 2


# -------------------------------------------------------------------------------------------- what is not asked
@pytest.mark.parametrize(
    ("path", "method", "allow"), [("/score", "GET", "POST"), ("/model", "POST", "GET, HEAD")]
)
def test_another_method_is_405(client, path, method, allow):
    answer = client.ask(method, path)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, set(allow.split(", ")))
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/nothing", "/docs", "/redoc", "/page/..%2fapp.py", "/model/", "/%00"])
def test_another_address_is_404(client, path):
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code in (404, 307)
    if answer.status_code == 404:
        assert answer.json()["error"]["message"]


def test_head_has_no_body(client):
    answer = client.ask("HEAD", "/model")
    assert (answer.status_code, answer.content) == (200, b"")


def test_every_answer_has_the_headers_that_keep_it_safe(client):
    answers = [client.get("/health"), client.post("/score", b"["), client.get("/nothing"), client.get("/")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_the_page_runs_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'; img-src 'self' data:" in policy
    assert "unsafe" not in policy


def test_the_description_has_an_example_of_each_body(client):
    description = client.get("/openapi.json").json()
    for path, operations in description["paths"].items():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            examples = [entry["value"] for entry in content.get("examples", {}).values()] or [
                content["example"]
            ]
            assert examples
            for example in examples:
                assert client.post(path, example).status_code == 200
