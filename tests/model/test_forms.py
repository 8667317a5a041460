"""Every form's algebra against full matrices."""

import numpy as np
import pytest
import torch
from oracles import FAMILIES, random_mixture

from mixturelab.model.covariance import FAMILIES as REGISTRY

K, D, B = 3, 4, 7


def _setting(family):
    rng = np.random.default_rng(3)
    covariances = torch.from_numpy(random_mixture(rng, family, K, D)[2])
    return REGISTRY[family].form, covariances, rng


def _full(form, matrix):
    return form.dense(matrix, K, D)


def _reduce(family, full):
    """A stack of full matrices as the family's statistic."""
    diagonal = full.diagonal(dim1=1, dim2=2)
    return {"full": full, "tied": full.sum(0), "diag": diagonal, "spherical": diagonal.sum(1)}[family]


@pytest.mark.parametrize("family", FAMILIES)
class TestForm:
    def test_shape(self, family):
        form, covariances, _ = _setting(family)
        assert form.shape(K, D) == tuple(covariances.shape)

    def test_whitener_makes_the_covariance_the_identity(self, family):
        form, covariances, _ = _setting(family)
        whitener, positive = form.whitener(covariances)
        w = _full(form, whitener)
        assert positive.all()
        torch.testing.assert_close(w @ _full(form, covariances) @ w.mT, torch.eye(D).double().expand(K, D, D))

    def test_precision_log_det_and_smallest_variance(self, family):
        form, covariances, _ = _setting(family)
        whitener, _ = form.whitener(covariances)
        full = _full(form, covariances)
        torch.testing.assert_close(_full(form, form.precision(whitener)), torch.linalg.inv(full))
        torch.testing.assert_close(form.log_det(whitener, K, D), -0.5 * torch.logdet(full))
        torch.testing.assert_close(form.smallest_variance(covariances, K), torch.linalg.eigvalsh(full)[:, 0])

    def test_a_singular_covariance_is_told(self, family):
        form, covariances, _ = _setting(family)
        assert not form.whitener(torch.zeros_like(covariances))[1].any()
        assert not form.whitener(-covariances)[1].any()
        assert not form.whitener(covariances * torch.nan)[1].any()

    def test_outer_and_moment(self, family):
        form, _, rng = _setting(family)
        a, b = (torch.from_numpy(rng.normal(size=(K, D))) for _ in range(2))
        torch.testing.assert_close(form.outer(a, b), _reduce(family, torch.einsum("ki,kj->kij", a, b)))
        y, w = torch.from_numpy(rng.normal(size=(K, D, B))), torch.from_numpy(rng.random((K, B)))
        wanted = _reduce(family, torch.einsum("kb,kib,kjb->kij", w, y, y))
        torch.testing.assert_close(form.moment(w, y), wanted)

    def test_apply_solve_and_unwhiten(self, family):
        form, covariances, rng = _setting(family)
        whitener, _ = form.whitener(covariances)
        w = _full(form, whitener)
        y, weights = torch.from_numpy(rng.normal(size=(K, D, B))), torch.from_numpy(rng.random((K, B)))
        torch.testing.assert_close(form.apply(whitener, y), torch.einsum("kij,kjb->kib", w, y))
        v = y[:, :, 0]
        torch.testing.assert_close(form.apply(whitener, form.solve(whitener, v)[:, :, None])[:, :, 0], v)
        whitened = form.moment(weights, form.apply(whitener, y))
        torch.testing.assert_close(form.unwhiten(whitener, whitened), form.moment(weights, y))

    def test_products_are_the_quadratic_form(self, family):
        form, covariances, rng = _setting(family)
        if form.n_products(D) == 0:
            with pytest.raises(NotImplementedError):
                form.coefficients(covariances)
            return
        x = torch.from_numpy(rng.normal(size=(D, B)))
        out = torch.empty(form.n_products(D), B, dtype=x.dtype)
        form.write_products(x, out)
        wanted = -0.5 * torch.einsum("ib,kij,jb->kb", x, _full(form, covariances), x)
        torch.testing.assert_close(form.coefficients(covariances) @ out, wanted)
        weights = torch.from_numpy(rng.random((K, B)))
        moment = form.moment(weights, x.expand(K, D, B))
        torch.testing.assert_close(form.from_products(weights @ out.T, D), moment)

    def test_add_diagonal_keep_and_from_scatter(self, family):
        form, covariances, _ = _setting(family)
        raised = _full(form, form.add_diagonal(covariances, 0.25))
        torch.testing.assert_close(raised, _full(form, covariances) + 0.25 * torch.eye(D).double())
        mask = torch.tensor([True, False, False])
        kept = _full(form, form.keep(mask, covariances, 2 * covariances))
        factor = torch.tensor([2.0 if family == "tied" else 1.0, 2.0, 2.0]).double()
        torch.testing.assert_close(kept, factor[:, None, None] * _full(form, covariances))
        scatter = torch.linalg.inv(raised)[0]
        torch.testing.assert_close(form.from_scatter(scatter), _reduce(family, scatter[None]))

    def test_condition_does_not_depend_on_units_and_sees_distance_and_collinearity(self, family):
        form, covariances, rng = _setting(family)
        whitener, _ = form.whitener(covariances)
        squares = torch.from_numpy(rng.random((K, D)))
        lost = form.condition(whitener, squares)
        torch.testing.assert_close(form.condition(whitener, 100 * squares), 100 * lost)
        torch.testing.assert_close(form.condition(whitener / 1000, 1e6 * squares), lost)
        if form.is_matrix:  # two features that differ by a hundredth
            near = torch.eye(D).double() + 0.9999 * (1 - torch.eye(D).double())
            collinear, _ = form.whitener(near.expand(form.shape(K, D)).contiguous())
            assert (form.condition(collinear, torch.ones(K, D).double()) > 5000).all()

    def test_spread_and_covariance(self, family):
        form, covariances, _ = _setting(family)
        total = torch.arange(1.0, D + 1).double()
        full = _full(form, covariances).diagonal(dim1=1, dim2=2)
        wanted = total.expand(K, D) if family == "tied" else full
        torch.testing.assert_close(form.spread(covariances, total).expand(K, D), wanted)
        torch.testing.assert_close(form.covariance(form.whitener(covariances)[0]), covariances)
