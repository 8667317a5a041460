"""Views: what each strength does, where randomness comes from, and that no strength means no change."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from mixturelab.exceptions import ArgumentError
from mixturelab.simclr.augment import Augmentation, views

NAMES = tuple(asdict(Augmentation()))
SPATIAL = ("rotation", "scale", "shift", "shear", "warp")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def only(**strengths):
    return replace(Augmentation.none(), **strengths)


def blob(n=200, size=33, x=0.0, y=0.0, dtype=torch.float64):
    """A smooth spot at (x, y), in coordinates from -1 to 1, on black."""
    axis = (2 * torch.arange(size, dtype=dtype) + 1) / size - 1
    spot = torch.exp(-((axis[:, None] - y) ** 2 + (axis - x) ** 2) / (2 * 0.1**2))
    return spot.expand(n, 1, size, size)


def centre(images):
    """[N, 2]: the centre of mass (x, y) of each image, each axis from -1 to 1."""
    y, x = ((2 * torch.arange(size, dtype=images.dtype) + 1) / size - 1 for size in images.shape[2:])
    mass = images.sum((1, 2, 3))
    return torch.stack([(images.sum((1, 2)) @ x) / mass, (images.sum((1, 3)) @ y) / mass], dim=1)


@pytest.fixture(scope="module")
def images():
    return torch.rand(12, 3, 8, 9, generator=seeded(9))


class TestIdentity:
    def test_none_is_the_image_bit_for_bit(self, images):
        assert torch.equal(views(images, Augmentation.none(), seeded()), images)

    def test_none_leaves_the_generator_where_it_was(self, images):
        generator = seeded()
        views(images, Augmentation.none(), generator)
        assert torch.equal(generator.get_state(), seeded().get_state())

    @pytest.mark.parametrize("name", NAMES)
    def test_each_strength_alone_changes_every_image(self, images, name):
        changed = views(images, only(**{name: 0.3}), seeded())
        assert (changed != images).flatten(1).any(1).all()

    def test_images_are_left_alone_and_views_lie_in_the_unit_range(self, images):
        before = images.clone()
        strong = Augmentation(**dict.fromkeys(NAMES, 0.9))
        view = views(images, strong, seeded())
        assert torch.equal(images, before)
        assert view.shape == images.shape
        assert view.min() >= 0
        assert view.max() <= 1


class TestRandomness:
    def test_the_same_seed_gives_the_same_views(self, images):
        assert torch.equal(views(images, Augmentation(), seeded(3)), views(images, Augmentation(), seeded(3)))

    def test_the_next_call_gives_other_views(self, images):
        generator = seeded()
        first, second = (views(images, Augmentation(), generator) for _ in range(2))
        assert (first != second).flatten(1).any(1).all()

    @pytest.mark.parametrize("name", NAMES)
    def test_equal_images_get_different_views(self, name):
        view = views(blob(8, dtype=torch.float32, x=0.2) * 0.5 + 0.2, only(**{name: 0.2}), seeded())
        assert len({tuple(v.flatten().tolist()) for v in view}) == 8

    def test_the_global_state_is_untouched(self, images):
        before = torch.get_rng_state()
        views(images, Augmentation(), seeded())
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.gpu
    def test_a_cpu_generator_gives_the_same_views_on_another_device(self, images):
        view = views(images.cuda(), Augmentation(), seeded())
        assert view.is_cuda
        torch.testing.assert_close(view.cpu(), views(images, Augmentation(), seeded()), rtol=0, atol=1e-4)

    @pytest.mark.gpu
    def test_a_generator_of_the_device_works_too(self, images):
        view = views(images.cuda(), Augmentation(), torch.Generator("cuda").manual_seed(0))
        assert view.is_cuda


class TestWhatEachStrengthDoes:
    def test_shift_moves_by_up_to_its_fraction_of_the_side_evenly(self):
        moved = centre(views(blob(2000), only(shift=0.2), seeded())) / 2  # the side is 2 long
        assert moved.abs().max() <= 0.2 + 1e-3
        np.testing.assert_allclose(moved.std(0), 0.2 / math.sqrt(3), rtol=0.06)
        np.testing.assert_allclose(moved.mean(0), 0, atol=0.01)

    def test_rotation_keeps_the_distance_to_the_middle_and_spans_its_angles(self):
        x, y = centre(views(blob(1000, x=0.5), only(rotation=30), seeded())).T
        np.testing.assert_allclose(torch.hypot(x, y), 0.5, atol=2e-3)
        angle = torch.rad2deg(torch.atan2(y, x))
        assert 29 < angle.max() <= 30.2
        assert -30.2 <= angle.min() < -29

    def test_rotation_turns_a_wide_image_without_distorting_it(self):
        wide = torch.nn.functional.pad(blob(500, size=65, x=0.4), (64, 64))  # 65 by 193
        pixels = centre(views(wide, only(rotation=30), seeded())) * torch.tensor([193, 65])
        np.testing.assert_allclose(pixels.norm(dim=1), 0.4 * 65, rtol=2e-3)

    def test_scale_lies_between_its_factor_and_the_inverse(self):
        x, y = centre(views(blob(1000, x=0.5), only(scale=0.25), seeded())).T
        np.testing.assert_allclose(y, 0, atol=1e-6)
        assert 0.5 * 1.24 < x.max() < 0.5 * 1.251
        assert 0.5 / 1.251 < x.min() < 0.5 / 1.24

    def test_shear_moves_rows_in_proportion_to_their_height(self):
        x, y = centre(views(blob(1000, y=0.5), only(shear=0.3), seeded())).T
        np.testing.assert_allclose(y, 0.5, atol=1e-3)
        assert 0.14 < x.max() <= 0.151
        assert -0.151 <= x.min() < -0.14

    def test_warp_is_smooth_and_bounded(self):
        moved = centre(views(blob(1000), only(warp=0.1), seeded())) / 2
        assert 0.08 < moved.abs().max() <= 0.11
        flat = views(torch.ones(4, 1, 33, 33), only(warp=0.1), seeded())[:, :, 5:-5, 5:-5]
        np.testing.assert_allclose(flat, 1, rtol=1e-6)  # no folds, no holes

    def test_contrast_stretches_about_the_mean(self):
        image = 0.4 + 0.2 * blob(500, x=0.1)
        view = views(image, only(contrast=0.5), seeded())
        np.testing.assert_allclose(view.mean((1, 2, 3)), image.mean((1, 2, 3)), rtol=1e-9)
        factor = (view.std((1, 2, 3)) / image.std((1, 2, 3))).numpy()
        assert 0.5 <= factor.min() < 0.52
        assert 1.48 < factor.max() <= 1.5

    def test_brightness_adds_one_number_to_an_image(self):
        added = views(torch.full((500, 1, 4, 4), 0.5), only(brightness=0.2), seeded()) - 0.5
        assert added.flatten(1).std(1).max() < 1e-6
        assert added.min() < -0.19
        assert added.max() > 0.19
        assert added.abs().max() <= 0.2 + 1e-6

    def test_noise_has_up_to_its_standard_deviation(self):
        spread = (views(torch.full((500, 1, 32, 32), 0.5), only(noise=0.1), seeded()) - 0.5).std((1, 2, 3))
        assert 0.095 < spread.max() < 0.108
        assert spread.min() < 0.01

    def test_the_border_comes_in_black(self):
        view = views(torch.ones(50, 1, 8, 8), only(shift=0.5), seeded())
        assert (view == 0).flatten(1).any(1).float().mean() > 0.5


def test_autocast_changes_nothing(images):
    plain = views(images, Augmentation(), seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(views(images, Augmentation(), seeded()), plain)


class TestBadInput:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "0.1", None, True])
    def test_strength(self, name, value):
        with pytest.raises(ArgumentError, match=f"{name} is {value!r}; wanted a finite number ≥ 0"):
            Augmentation(**{name: value})

    @pytest.mark.parametrize("bad", [torch.zeros(3, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8)])
    def test_images(self, bad):
        with pytest.raises(ArgumentError, match=r"images is .*; wanted float32 \[N, C, H, W\]"):
            views(bad, Augmentation(), seeded())
