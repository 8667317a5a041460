"""The network: shapes for every image it is made for, textbook parts, and that all of it learns."""

import pytest
import torch
from torch import nn

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.simclr.encoder import SimCLRNet
from mixturelab.simclr.ntxent import nt_xent


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [8, 12, 16, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size, channels):
    h, z = SimCLRNet(channels, size)(torch.rand(5, channels, size, size))
    assert h.shape == (5, 64)
    assert z.shape == (5, 32)


def test_widths_are_what_was_asked_for():
    h, z = SimCLRNet(width=4, embedding=10, projection=6)(torch.rand(5, 1, 8, 11))
    assert h.shape == (5, 10)
    assert z.shape == (5, 6)


def test_the_parts_are_three_convolutions_and_a_projector_with_one_hidden_layer():
    net = SimCLRNet()
    assert sum(isinstance(part, nn.Conv2d) for part in net.encoder) == 3
    assert [type(part) for part in net.projector] == [nn.Linear, nn.ReLU, nn.Linear]
    assert sum(p.numel() for p in net.parameters()) == 62_144


def test_z_is_the_projection_of_h_and_is_not_normalised():
    net = SimCLRNet().eval()
    h, z = net(torch.rand(5, 1, 8, 8))
    assert torch.equal(net.projector(h), z)
    assert not torch.allclose(z.norm(dim=1), torch.ones(5), atol=0.01)


def test_in_eval_mode_an_image_is_embedded_by_itself():
    net = SimCLRNet().eval()
    images = torch.rand(6, 1, 8, 8)
    torch.testing.assert_close(net(images)[1][2:3], net(images[2:3])[1], rtol=1e-4, atol=1e-6)


def test_every_parameter_gets_a_gradient():
    net = SimCLRNet()
    z1, z2 = (net(torch.rand(16, 1, 8, 8))[1] for _ in range(2))
    nt_xent(z1, z2).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("name", ["in_channels", "image_size", "width", "embedding", "projection"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "8"])
def test_sizes_that_cannot_be(name, value):
    with pytest.raises(ArgumentError, match=f"{name} is {value!r}; wanted a whole number ≥"):
        SimCLRNet(**{name: value})


@pytest.mark.parametrize("shape", [(5, 3, 8, 8), (5, 8, 8), (5, 64)])
def test_images_it_is_not_made_for(shape):
    with pytest.raises(DataError, match=r"images has shape .*; wanted \[N, 1, H, W\]"):
        SimCLRNet()(torch.zeros(shape))
