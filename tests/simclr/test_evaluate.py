"""The figures of an evaluation against scikit-learn used row by row, and at embeddings whose answer is known."""

from dataclasses import astuple

import numpy as np
import pytest
import torch
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from mixturelab.exceptions import ArgumentError, DataError
from mixturelab.simclr import evaluate as evaluation
from mixturelab.simclr.augment import views
from mixturelab.simclr.data import ImageSet, image_set, load_images
from mixturelab.simclr.encoder import SimCLRNet
from mixturelab.simclr.evaluate import PERTURBATION, embed, evaluate, evaluate_raw, knn_accuracy


@pytest.fixture(scope="module")
def digits():
    whole = load_images("digits")
    return ImageSet(whole.images[:400], whole.labels[:400], "some digits")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SimCLRNet(width=4, embedding=16, projection=8)


class Lookup(nn.Module):
    """Embeds an image by what its first pixel says: a network whose answer is known, moved or not."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, images):
        z = self.table[(images.amax((1, 2, 3)) * 10).round().long()]
        return z.flip(1), z


def ten_greys(n=100):
    """Images that are one grey each, ten classes; moving one does not change its largest pixel."""
    labels = torch.arange(n) % 10
    return image_set((labels / 10)[:, None, None].expand(n, 8, 8).clone(), labels)


class TestEmbed:
    def test_it_is_the_network_in_eval_mode_chunk_by_chunk(self, net, digits, monkeypatch):
        monkeypatch.setattr(evaluation, "_CHUNK", 150)
        net.train()
        net.encoder[1].eval()  # a frozen layer must stay so
        before = {name: value.clone() for name, value in net.state_dict().items()}
        h, z = embed(net, digits.images)
        assert net.training
        assert not net.encoder[1].training
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        with torch.no_grad():
            wanted = net.eval()(digits.images)
        torch.testing.assert_close((h, z), wanted, rtol=1e-5, atol=1e-6)
        assert not z.requires_grad

    def test_the_mode_comes_back_after_an_error(self, net):
        net.train()
        with pytest.raises(DataError):
            embed(net, torch.zeros(2, 3, 8, 8))
        assert net.training

    @pytest.mark.gpu
    def test_a_network_on_another_device(self, digits):
        torch.manual_seed(0)
        net = SimCLRNet(width=4)
        here = embed(net, digits.images)
        there = embed(net.cuda(), digits.images)
        assert not there[0].is_cuda
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-3)


class TestKnownAnswers:
    def test_a_perfect_embedding(self):
        assert astuple(evaluate(Lookup(torch.eye(10)), ten_greys())) == (1, 1, 1, 1)

    def test_only_the_direction_counts(self):
        lengths = torch.logspace(-3, 3, 10)[:, None]
        assert astuple(evaluate(Lookup(torch.eye(10) * lengths), ten_greys())) == (1, 1, 1, 1)

    def test_a_constant_embedding_knows_nothing_and_warns_of_nothing(self):
        got = evaluate(Lookup(torch.ones(10, 10)), ten_greys())
        assert got.kmeans_ari == 0
        assert got.one_shot == pytest.approx(0.1, abs=0.02)
        assert got.knn < 0.3
        assert got.perturbed_knn < 0.3

    def test_two_classes_that_share_a_direction(self):
        table = torch.eye(10)
        table[1] = table[0]
        got = evaluate(Lookup(table), ten_greys(1000))
        assert got.one_shot == pytest.approx(0.9, abs=0.002)  # a tie is one class or the other
        assert 0.8 < got.kmeans_ari < 0.95

    def test_h_can_be_judged_instead(self):
        table = torch.ones(10, 11)
        table[:, :10] += 5 * torch.eye(10)

        class TwoTables(Lookup):
            def forward(self, images):
                return super().forward(images)[1], torch.ones(len(images), 4)

        net = TwoTables(table)
        assert evaluate(net, ten_greys(), layer="h").one_shot == 1
        assert evaluate(net, ten_greys(), layer="z").one_shot < 0.2


class TestAgainstScikitLearn:
    def test_one_shot(self, digits, monkeypatch):
        monkeypatch.setattr(evaluation, "_DRAWS", 3)
        rows, labels = digits.images.flatten(1).double().numpy(), digits.labels.numpy()
        rng, scores = np.random.default_rng(5), []
        for _ in range(3):
            examples = [rng.choice(np.flatnonzero(labels == c)) for c in range(10)]
            model = KNeighborsClassifier(1).fit(rows[examples], labels[examples])
            rest = [n for n in range(len(labels)) if n not in examples]
            scores.append(model.score(rows[rest], labels[rest]))
        assert evaluation._one_shot(rows, labels, 5) == pytest.approx(np.mean(scores), abs=1e-12)

    def test_knn_is_a_vote_of_the_five_nearest_in_the_other_folds(self, digits):
        rows, labels = digits.images.flatten(1).double().numpy()[:60], digits.labels.numpy()[:60]
        query = rows + np.random.default_rng(0).normal(0, 0.3, rows.shape)
        right = []
        for others, fold in KFold(5, shuffle=True, random_state=3).split(rows):
            for n in fold:
                nearest = sorted(others, key=lambda m: ((query[n] - rows[m]) ** 2).sum())[:5]
                right.append(np.bincount(labels[nearest]).argmax() == labels[n])
        assert len(right) == 60
        assert knn_accuracy(rows, query, labels, seed=3) == pytest.approx(np.mean(right), abs=1e-12)

    def test_perturbed_knn_looks_for_moved_images_among_clean_ones(self, digits):
        moved = views(digits.images, PERTURBATION, torch.Generator().manual_seed(2)).flatten(1).numpy()
        clean, labels = digits.images.flatten(1).numpy(), digits.labels.numpy()
        wanted = knn_accuracy(clean, moved, labels, seed=2)
        got = evaluate_raw(digits, seed=2)
        assert got.perturbed_knn == wanted
        assert got.perturbed_knn < got.knn - 0.1


class TestSeeds:
    def test_the_same_seed_gives_the_same_figures_and_another_one_others(self, net, digits):
        torch.rand(3)  # where the global generator stands does not matter
        first = evaluate(net, digits, seed=1)
        torch.rand(3)
        assert evaluate(net, digits, seed=1) == first
        assert evaluate(net, digits, seed=2) != first

    def test_raw_digits_are_what_is_known_of_them(self):
        got = evaluate_raw(load_images("digits"))
        assert got.kmeans_ari == pytest.approx(0.67, abs=0.03)
        assert got.one_shot == pytest.approx(0.64, abs=0.03)
        assert got.perturbed_knn == pytest.approx(0.66, abs=0.03)
        assert got.knn == pytest.approx(0.983, abs=0.01)


class TestBadInput:
    def test_no_labels(self, net):
        unlabelled = image_set(torch.rand(20, 8, 8))
        for attempt in (lambda: evaluate(net, unlabelled), lambda: evaluate_raw(unlabelled)):
            with pytest.raises(DataError, match="the images 'arrays' have no labels"):
                attempt()

    @pytest.mark.parametrize("labels", [[0] * 6, [0, 1, 0, 1], [0, 1, 2, 3, 4, 5]])
    def test_too_few(self, labels):
        with pytest.raises(DataError, match="wanted two classes or more, 5 images or more, and more images"):
            evaluate_raw(image_set(torch.rand(len(labels), 8, 8), labels))

    def test_no_such_layer(self, net, digits):
        with pytest.raises(ArgumentError, match="layer is 'w'; wanted 'h' or 'z'"):
            evaluate(net, digits, layer="w")

    def test_a_network_that_diverged(self, digits):
        torch.manual_seed(0)
        broken = SimCLRNet(width=4)
        nn.init.constant_(broken.projector[0].weight, torch.nan)
        with pytest.raises(DataError, match="z holds NaN or infinity"):
            evaluate(broken, digits)
