"""The network of SimCLR: an encoder of three convolutions and a projector, for small images."""

from __future__ import annotations

from torch import Tensor, nn

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.simclr.batch_norm import BatchNorm2d

__all__ = ["SimCLRNet"]

_LEAST_SIZE = 8
_LARGE = 16  # from this size on the first convolution halves the image too


class SimCLRNet(nn.Module):
    """Images → h, the representation to use afterwards → z, on which the loss works (Chen et al. 2020).

    Three convolutions of 3x3, each with batch normalisation and ReLU, and the mean over all places make h; an MLP with
    one hidden layer makes z of it. The defaults have 62,144 parameters.

    Parameters
    ----------
    in_channels : int
        1 for grey images, 3 for colour.
    image_size : int
        Side of the images in pixels, at least 8; other sizes go through too, since the mean takes any.
    width : int
        Channels after the first convolution; the second has twice as many.
    embedding : int
        Channels after the third convolution, the length of h.
    projection : int
        Length of z.

    Raises
    ------
    ArgumentError
        An argument is not a whole number, or too small.
    """

    def __init__(
        self,
        in_channels: int = 1,
        image_size: int = 8,
        width: int = 32,
        embedding: int = 64,
        projection: int = 32,
    ) -> None:
        _expect_whole("image_size", image_size, _LEAST_SIZE)
        sizes = dict(in_channels=in_channels, width=width, embedding=embedding, projection=projection)
        for name, value in sizes.items():
            _expect_whole(name, value, 1)
        super().__init__()
        self.in_channels = in_channels
        self.encoder = nn.Sequential(
            *_convolution(in_channels, width, stride=2 if image_size >= _LARGE else 1),
            *_convolution(width, 2 * width, stride=2),
            *_convolution(2 * width, embedding, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(
            nn.Linear(embedding, embedding), nn.ReLU(), nn.Linear(embedding, projection)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] in [0, 1] → h [N, embedding] and z [N, projection], not yet normalised.

        Raises
        ------
        DataError
            The images have another number of axes or of channels.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise DataError(f"images has shape {tuple(images.shape)}; wanted [N, {self.in_channels}, H, W]")
        h = self.encoder(images)
        return h, self.projector(h)


def _convolution(n_in: int, n_out: int, stride: int) -> tuple[nn.Module, ...]:
    # Without a bias: the normalisation that follows would subtract it.
    convolution = nn.Conv2d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=False)
    return convolution, BatchNorm2d(n_out), nn.ReLU()


def _expect_whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ArgumentError(f"{name} is {value!r}; wanted a whole number ≥ {least}")
