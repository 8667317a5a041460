"""The stream of digits: real rows, the incidents when they are said to be, the same images for the same seed."""

import numpy as np
import pytest

from mixturelab.datasets import load_dataset, stream_digits
from mixturelab.exceptions import DataError


@pytest.fixture(scope="module")
def batches():
    return list(stream_digits())


def test_shapes_steps_and_range(batches):
    assert [batch.step for batch in batches] == list(range(300))
    for batch in batches:
        assert batch.data.shape == (64, 64)
        assert batch.labels.shape == (64,)
        assert batch.data.min() >= 0
        assert batch.data.max() <= 1


def test_undisturbed_rows_are_rows_of_the_table_with_their_labels(batches):
    table = load_dataset("digits")
    known = {row.tobytes(): label for row, label in zip(table.data / 16, table.target, strict=True)}
    for batch in (batches[0], batches[100], batches[169]):
        assert [known[row.tobytes()] for row in batch.data] == batch.labels.tolist()


def test_the_incidents_are_when_they_are_said_to_be(batches):
    zeros, angle, stuck = (
        np.array([getattr(b, name) for b in batches]) for name in ("zeros", "angle", "stuck")
    )
    assert np.flatnonzero(zeros > 0.1 + 1e-9).tolist() == list(range(80, 140))
    assert np.flatnonzero(angle > 0)[0] == 171
    assert (angle[220:] == 40).all()
    assert np.flatnonzero(stuck > 0)[0] == 256
    assert (stuck[280:] == 1).all()


def test_the_shares_of_the_classes_are_those_that_were_planned(batches):
    for first, last, wanted in [(0, 80, 0.1), (80, 140, 0.5), (140, 300, 0.1)]:
        labels = np.concatenate([batch.labels for batch in batches[first:last]])
        margin = 4 * np.sqrt(wanted * (1 - wanted) / len(labels))
        assert abs((labels == 0).mean() - wanted) < margin


def test_a_tilted_image_is_turned_anticlockwise_and_a_stuck_camera_sends_one_image(batches):
    rows, columns = np.mgrid[:8, :8] - 3.5
    x, y = columns.ravel(), -rows.ravel()

    def lean(data):
        """Covariance of x and y in the mean image: negative if it leans to the left."""
        mass = data.mean(axis=0) / data.mean(axis=0).sum()
        return mass @ (x * y) - (mass @ x) * (mass @ y)

    assert lean(batches[250].data) < lean(batches[160].data) - 0.5
    assert (batches[299].data == batches[299].data[0]).all()
    assert len({batch.data.tobytes() for batch in batches[280:]}) == 1


def test_the_same_seed_gives_the_same_images_and_another_one_others(batches):
    again, other = next(stream_digits(1)), next(stream_digits(1, random_state=1))
    np.testing.assert_array_equal(again.data, batches[0].data)
    assert not np.array_equal(other.data, batches[0].data)


@pytest.mark.parametrize("sizes", [(0, 64), (10, 0), (1.5, 64), (True, 64), (10, "64")])
def test_a_size_that_is_none_is_refused_at_once(sizes):
    with pytest.raises(DataError, match="must be a whole number of at least 1; got"):
        stream_digits(*sizes)
