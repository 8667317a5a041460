"""Normalisation and entropy, which see log-joints alone."""

import math

import numpy as np
import torch

from mixturelab.model import responsibilities as R


def test_normalise_overwrites_and_agrees_with_softmax():
    joint = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 9)) * 50)
    wanted, evidence = torch.softmax(joint, 0), torch.logsumexp(joint, 0)
    gamma, found = R.normalise_(joint)
    torch.testing.assert_close(gamma, wanted)
    torch.testing.assert_close(found, evidence)
    assert gamma.data_ptr() == joint.data_ptr()


def test_normalise_survives_what_underflows():
    gamma, evidence = R.normalise_(torch.tensor([[-1e4, -1e5], [-1e4, -2e5]]).double())
    torch.testing.assert_close(gamma, torch.tensor([[0.5, 1.0], [0.5, 0.0]]).double())
    torch.testing.assert_close(evidence, torch.tensor([-1e4 + math.log(2), -1e5]).double())


def test_entropy_from_none_to_log_k():
    gamma = torch.tensor([[1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]]).double()
    wanted = torch.tensor([0.0, math.log(3), math.log(2)]).double()
    torch.testing.assert_close(R.entropy(gamma), wanted)


def test_a_lost_row_is_uniform():
    gamma = R.from_log_joint(torch.tensor([[-math.inf, -math.inf], [0.0, -math.inf]]).double())
    torch.testing.assert_close(gamma, torch.tensor([[0.5, 0.5], [1.0, 0.0]]).double())
