"""Random views of images: small affine maps, a smooth warp, contrast, brightness and noise, in torch alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from numbers import Real

import torch
from torch import Tensor
from torch.nn import functional

from mixturelab.exceptions import ArgumentError

__all__ = ["Augmentation", "views"]


@dataclass(frozen=True)
class Augmentation:
    """How strongly `views` changes an image: every image draws its own values, evenly from the stated range.

    Attributes
    ----------
    rotation : float
        Largest angle, in degrees, either way.
    scale : float
        Largest relative change of size: 0.1 draws factors from 1/1.1 to 1.1, evenly in their logarithm.
    shift : float
        Largest shift along each axis, as a fraction of the image's side.
    shear : float
        Largest shear: the shift of a row, relative to its distance from the middle row.
    warp : float
        Largest displacement, along each axis, of a random field that varies slowly, as a fraction of the image's side.
    contrast : float
        Largest relative change of contrast about the image's mean.
    brightness : float
        Largest number added to all pixels of an image, either way; pixels lie in [0, 1].
    noise : float
        Largest standard deviation of the Gaussian noise added to each pixel.

    Raises
    ------
    ArgumentError
        A strength is negative or not finite.
    """

    rotation: float = 20.0
    scale: float = 0.2
    shift: float = 0.125
    shear: float = 0.25
    warp: float = 0.08
    contrast: float = 0.4
    brightness: float = 0.2
    noise: float = 0.2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            if not (is_number and 0 <= value < math.inf):
                raise ArgumentError(f"{name} is {value!r}; wanted a finite number ≥ 0")

    @classmethod
    def none(cls) -> Augmentation:
        """No change at all: the view is the image, bit for bit."""
        return cls(rotation=0, scale=0, shift=0, shear=0, warp=0, contrast=0, brightness=0, noise=0)


def views(
    images: Tensor,
    augmentation: Augmentation,
    generator: torch.Generator,
    among: tuple[int, int] | None = None,
) -> Tensor:
    """One random view of each image.

    Parameters
    ----------
    images : Tensor [N, C, H, W]
        float32 or float64, in [0, 1], on any device.
    augmentation : Augmentation
        The strengths.
    generator : torch.Generator
        Where all randomness comes from. Numbers are drawn on its own device, so that one CPU generator gives
        the same views on every device.
    among : (int, int), optional
        (first, n): the images are numbers first, first + 1, … of a batch of n, whose others are elsewhere. Numbers
        are drawn for all n, so that each image gets the view that it gets when the whole batch is given; what is
        done to pixels is done to these images alone.

    Returns
    -------
    Tensor [N, C, H, W]
        In [0, 1]; the images themselves where every strength is 0.

    Raises
    ------
    ArgumentError
        `images` is not float32 or float64, or has not four axes.
    """
    if images.ndim != 4 or images.dtype not in (torch.float32, torch.float64):
        raise ArgumentError(f"images is {images.dtype} {tuple(images.shape)}; wanted float32 [N, C, H, W]")
    first, n_drawn = (0, len(images)) if among is None else among
    draw = _Draw(generator, n_drawn, slice(first, first + len(images)), images.device, images.dtype)
    # Half precision is too coarse for coordinates, so autocast ends here.
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        return _photometric(_geometric(images, augmentation, draw), augmentation, draw)


@dataclass(frozen=True)
class _Draw:
    """Draws on the generator's device, delivered where the images are."""

    generator: torch.Generator
    n_images: int
    rows: slice  # the images that are here
    device: torch.device
    dtype: torch.dtype

    def uniform(self, bound: float, *shape: int) -> Tensor:
        """Evenly from [-bound, bound], for each image."""
        source = self.generator.device
        unit = torch.rand(self.n_images, *shape, generator=self.generator, device=source)
        return ((2 * unit[self.rows] - 1) * bound).to(self.device, self.dtype)

    def normal(self, shape: torch.Size) -> Tensor:
        shape = torch.Size([self.n_images, *shape[1:]])
        unit = torch.randn(shape, generator=self.generator, device=self.generator.device)
        return unit[self.rows].to(self.device, self.dtype)


def _geometric(images: Tensor, strengths: Augmentation, draw: _Draw) -> Tensor:
    if not any((strengths.rotation, strengths.scale, strengths.shift, strengths.shear, strengths.warp)):
        return images  # resampling would round, even at the identity
    height, width = images.shape[2:]
    grid = functional.affine_grid(
        _affine(strengths, draw, height / width), list(images.shape), align_corners=False
    )
    if strengths.warp:
        grid = grid + _warp(strengths.warp, draw, images.shape)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _affine(strengths: Augmentation, draw: _Draw, aspect: float) -> Tensor:
    """[N, 2, 3]: where a pixel of the view comes from, R(angle) · size · [[1, shear], [0, 1]] + shift.

    Each axis runs from -1 to 1, so that the parts that mix the axes need the aspect, height by width.
    """
    angle = draw.uniform(math.radians(strengths.rotation))
    size = draw.uniform(math.log1p(strengths.scale)).exp()
    shear = draw.uniform(strengths.shear)
    shift = draw.uniform(2 * strengths.shift, 2)  # the side is 2 long
    cos, sin = angle.cos() * size, angle.sin() * size
    row_x = torch.stack([cos, (cos * shear - sin) * aspect, shift[:, 0]], dim=1)
    row_y = torch.stack([sin / aspect, sin * shear + cos, shift[:, 1]], dim=1)
    return torch.stack([row_x, row_y], dim=1)


def _warp(strength: float, draw: _Draw, shape: torch.Size) -> Tensor:
    """[N, H, W, 2]: random displacements of 3x3 control points, interpolated between them."""
    control = draw.uniform(2 * strength, 2, 3, 3)
    field = functional.interpolate(control, size=shape[2:], mode="bilinear", align_corners=True)
    return field.permute(0, 2, 3, 1)


def _photometric(images: Tensor, strengths: Augmentation, draw: _Draw) -> Tensor:
    if not any((strengths.contrast, strengths.brightness, strengths.noise)):
        return images
    contrast = 1 + draw.uniform(strengths.contrast)[:, None, None, None]
    brightness = draw.uniform(strengths.brightness)[:, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    changed = (images - mean) * contrast + mean + brightness
    if strengths.noise:
        spread = draw.uniform(strengths.noise).abs()[:, None, None, None]
        changed = changed + spread * draw.normal(images.shape)
    return changed.clamp(0, 1)
