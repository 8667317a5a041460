"""The widgets: the numbers behind them against a slow oracle, their frames, their words and their static twins."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import multivariate_normal

from mixturelab.datasets import load_dataset
from mixturelab.estimators import GaussianMixture
from mixturelab.plot.widgets import EMStepper, caption, em_path

GEYSER = load_dataset("old_faithful")


def bad_start():
    wide = np.diag(GEYSER.data.var(axis=0))
    return GaussianMixture.from_parameters([0.5, 0.5], [[2.0, 95.0], [5.0, 45.0]], [wide, wide])


@pytest.fixture(scope="module")
def states():
    return em_path(bad_start(), GEYSER.data, 12)


@pytest.fixture(scope="module")
def stepper():
    return EMStepper(bad_start(), GEYSER, 4)


def slow_joint(model):
    pairs = zip(model.weights_, model.means_, model.covariances_, strict=True)
    return np.stack([w * multivariate_normal(m, c).pdf(GEYSER.data) for w, m, c in pairs], axis=1)


def test_a_path_alternates_its_half_steps(states):
    assert [state.phase for state in states] == ["start"] + ["E", "M"] * 12
    assert [state.iteration for state in states] == [0, *np.repeat(np.arange(1, 13), 2)]
    assert states[0].responsibilities is None


def test_each_half_step_is_the_formula(states):
    for before, e_step, m_step in zip(states[0::2], states[1::2], states[2::2], strict=False):
        joint = slow_joint(before.model)
        assert e_step.model is before.model
        np.testing.assert_allclose(
            e_step.responsibilities, joint / joint.sum(axis=1, keepdims=True), rtol=1e-8
        )
        shares = m_step.responsibilities
        assert shares is e_step.responsibilities
        counts = shares.sum(axis=0)
        means = shares.T @ GEYSER.data / counts[:, None]
        np.testing.assert_allclose(m_step.model.weights_, counts / len(shares), rtol=1e-9)
        np.testing.assert_allclose(m_step.model.means_, means, rtol=1e-9)
        for k in range(2):
            away = GEYSER.data - means[k]
            covariance = (shares[:, k, None] * away).T @ away / counts[k]
            np.testing.assert_allclose(m_step.model.covariances_[k], covariance + 1e-6 * np.eye(2), rtol=1e-7)


def test_the_log_likelihood_is_right_and_never_falls(states):
    levels = [state.log_likelihood for state in states]
    slow = [np.log(slow_joint(state.model).sum(axis=1)).mean() for state in states]
    np.testing.assert_allclose(levels, slow, rtol=1e-9)
    assert (np.diff(levels) >= 0).all()


def test_the_path_of_another_family_stays_in_it():
    start = GaussianMixture.from_parameters([0.5, 0.5], [[2.0, 60.0], [4.0, 75.0]], [1.0, 1.0], "spherical")
    last = em_path(start, GEYSER.data, 2)[-1].model
    assert last.covariance_type == "spherical"
    assert last.covariances_.shape == (2,)


def test_captions_say_what_happened(states):
    assert caption(states, 0) == "Start. No row belongs to anyone yet. Mean log-likelihood −7.835."
    assert caption(states, 1).startswith("Iteration 1, E-step: every row is shared out anew.")
    assert caption(states, 2).endswith("Mean log-likelihood −4.726, up by 3.1091.")


def test_frames_are_small_pictures_of_one_size_and_all_different(stepper):
    pictures = [Image.open(io.BytesIO(frame)) for frame in stepper.frames]
    assert len(pictures) == 9
    assert len({picture.size for picture in pictures}) == 1
    assert all(picture.mode == "P" for picture in pictures)
    assert len(set(stepper.frames)) == 9
    assert max(map(len, stepper.frames)) < 60_000


def test_slider_and_buttons_flip_the_frames_and_the_words(stepper):
    restart, back, forward = stepper.children[0].children[:3]
    seen = []
    for button in [restart, forward, forward, back, forward, restart, back]:
        button.click()
        assert stepper.image.value == stepper.frames[stepper.slider.value]
        assert caption(stepper.states, stepper.slider.value)[:12] in stepper.words.value
        seen.append(stepper.slider.value)
    assert seen == [0, 1, 2, 1, 2, 0, 0]
    stepper.go(99)
    assert stepper.slider.value == 8
    assert stepper.image.value == stepper.frames[8]


def test_the_output_carries_the_widget_and_its_twin(stepper):
    data, metadata = stepper._repr_mimebundle_(include=None, exclude=None)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["image/png"]
    words = metadata["image/png"]["alt"]
    assert data["text/plain"] == repr(stepper) == f"EMStepper: {words}"
    assert "0x" not in words
    for part in ["Start: means at (2.0, 95) and (5.0, 45)", "Iteration 4, M-step", "90 %"]:
        assert part in words


def test_the_twin_shows_the_chosen_moments():
    words = EMStepper(bad_start(), GEYSER, 3, moments=(0, 4, 6), mass=0.5).still.alt_text
    assert "EM in 3 pictures" in words
    assert "Iteration 2, M-step" in words
    assert "Iteration 1" not in words
    assert "50 %" in words


def test_rows_without_names_do_too():
    assert "EM in" in repr(EMStepper(bad_start(), GEYSER.data, 2))
