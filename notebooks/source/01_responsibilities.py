# Source of notebook 01: density, mixture, responsibilities, log-sum-exp, the Gaussian in D dimensions, borders, reading.

# %% [markdown]
# # 01 · Responsibilities: who answers for this row?
#
# A geyser's wait of 66 minutes, a handwritten 3 that might be an 8, a galaxy far from all others. Each could have come
# from several sources. How do we share it out, and what may we conclude from the shares?

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 From histogram to density | 4 | | ● | ● |
# | 3 From density to mixture | 6 | | ● | ● and ★ |
# | 4 Which bell was it? | 8 | ● | ● | ● without hints |
# | 5 When numbers vanish | 9 | | ● | ● |
# | 6 More than one dimension | 6 | | ● | ● and ★ (20 minutes) |
# | 7 Where γ is one half | 7 | | ● | ● and ★ |
# | 8 What a responsibility is not | 5 | ● | ● | ● |
# | 9 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. write $p(x)$ and $\gamma_{nk}$ by hand, for one row and for a table,
# 2. see underflow coming, and survive it with log-sum-exp,
# 3. work out a Gaussian density in any dimension without an inverse or a determinant,
# 4. say where two components meet, and why that border is straight or curved,
# 5. read a responsibility without reading too much into it.
#
# **You need** notebook [00](00_start_here.ipynb). For section 6, what a covariance matrix is.

# %% [markdown]
# Whatever your path, run the next cells first. They hold what notebook 00 read off the geyser's waits, for the short
# and the long kind, and the formula of the bell curve. Skipping a section? Run its cells all the same (*Run All Above
# Selected Cell*): later ones use them. Exercises with ★ are for the 90-minute path.

# %%
import math

import numpy as np

from mixturelab import GaussianMixture, load_dataset
from mixturelab.exercises import check, progress
from mixturelab.plot import densities, density_extremes

# %%
duration, wait = load_dataset("old_faithful").data.T
pi = np.array([0.357, 0.643])
means = np.array([54.5, 80.0])  # minutes
sds = np.array([5.8, 6.0])


# %%
def normal_density(x, mean, sd):
    z = (x - mean) / sd
    return np.exp(-(z**2) / 2) / (sd * (2 * math.pi) ** 0.5)


# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $z_n$ | which component made row $n$; nobody has seen it | `z[n]` |
# | $a_{nk}$ | log-joint, $\log p(x_n, k) = \log \pi_k + \log \mathcal{N}(x_n \mid \mu_k, \Sigma_k)$ | `a[n, k]` |
# | $L_k$ | Cholesky factor: lower triangular, $L_k L_k^\top = \Sigma_k$ | `L` |
# | $y$ | whitened residual, the solution of $L_k\, y = x - \mu_k$ | `y` |
# | $\Delta_k(x)$ | Mahalanobis distance of $x$ from $\mu_k$; $\Delta_k^2 = y^\top y$ | `squares` holds $\Delta_k^2$ |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on notebook 00. Answer first, then open.

# %% [markdown]
# **a.** After a wait of 66 minutes the short kind is ahead, 0.55 to 0.45. Which two things compete there?
#
# <details><summary>Open</summary>
#
# How *common* a kind is, and how *well it explains* 66 minutes. The long kind is 1.8 times as common; the short kind's
# density at 66 is 2.2 times as high.
#
# </details>

# %% [markdown]
# **b.** Multiply all numerators $\pi_k \, \mathcal{N}(x_n \mid \mu_k, \Sigma_k)$ of a row by a million. What happens to
# $\gamma_{nk}$? And to $p(x_n)$?
#
# <details><summary>Open</summary>
#
# $\gamma_{nk}$ stays: a share does not notice a common factor. $p(x_n)$ is their sum and becomes a million times larger.
# Section 5 lives on this difference.
#
# </details>

# %% [markdown]
# **c.** With the wait alone 13 of 272 eruptions were in doubt, with the duration as well only one. Did the eruptions
# change?
#
# <details><summary>Open</summary>
#
# No: what we know of them did. A responsibility belongs to a model and its data, not to the eruption itself.
#
# </details>

# %% [markdown]
# ## 2 · From histogram to density
#
# A histogram counts rows in bins.

# %%
counts, edges = np.histogram(wait, bins=np.arange(40, 101, 6))
print("edges: ", edges.tolist())
print("counts:", counts.tolist())

# %% [markdown]
# Bars as high as their counts depend on how many rows there are, and on how wide the bins are. A **density** depends on
# neither: it is a share of the rows *per minute*, and the area of all bars is 1.

# %% [markdown]
# ### Exercise 01.1 · From counts to heights
#
# How high is each bar, if the area of all ten is to be 1? One line, from `counts`; a bin is 6 minutes wide.

# %% exercise="01.1"
heights = ...  # ten numbers
### BEGIN SOLUTION
heights = counts / (counts.sum() * 6)
### END SOLUTION

# %% check="01.1"
check("01.1", heights)

# %% [markdown]
# **Predict.** How many peaks do the waits have in bins of 1, 6 and 20 minutes? Then the same for a table you have not
# met: the velocities of 82 galaxies.

# %%
galaxies = load_dataset("galaxies").data / 1000  # in 1000 km/s
tables = {"wait (min)": (wait, [1, 6, 20]), "velocity (1000 km/s)": (galaxies, [0.5, 2, 6])}
densities.bin_widths(tables)

# %% [markdown]
# Sixteen, two or one? Nine, four or two? The rows are the same: the width of a bin is *our* choice, and so is where
# the first one begins. And at each edge the density jumps, for no reason in the rows.

# %% [markdown]
# A bell curve has two numbers, no bins and no jumps. What we pay is an assumption about the shape. One bell has one
# peak; the geyser has two.

# %% [markdown]
# ## 3 · From density to mixture
#
# So take several bells, and weight them so that the area stays 1:
#
# $$p(x) = \sum_{k=1}^{K} \pi_k \, \mathcal{N}(x \mid \mu_k, \sigma_k^2), \qquad \pi_k \ge 0, \quad \sum_k \pi_k = 1.$$


# %%
def mixture_density(x):
    return sum(pi[k] * normal_density(x, means[k], sds[k]) for k in range(2))


# %% [markdown]
# **Predict.** What is the area under this curve? What would it be with weights 0.5 and 0.6?

# %%
x = np.linspace(0, 150, 2001)
print(f"area: {np.trapezoid(mixture_density(x), x):.3f}")

# %% [markdown]
# Each bell has area 1, so the sum has area $\sum_k \pi_k$. With 0.5 and 0.6 that is 1.1, and no density.

# %% [markdown]
# Two things a mixture is *not*. Not **one wide bell** with the same mean and variance. And not the density of a
# **weighted sum of draws**, $0.357\,X_0 + 0.643\,X_1$ with one wait of each kind.

# %% [markdown]
# **Predict.** Where would such a sum of draws lie, and how wide would its density be?

# %%
densities.three_readings(wait, pi, means, sds, label="wait (min)", width=4)

# %% [markdown]
# In the valley, at 71 minutes, where waits are few. Averaging two *numbers* gives a number in between; averaging
# two *densities* gives a curve with both humps.
#
# | | one row is | humps |
# |---|---|---|
# | mixture | short *or* long | two |
# | sum of draws | a bit of both | one, between |

# %% [markdown]
# The "or" is a story in two steps. First draw **which**, then draw **what**:
#
# $$z_n \sim \text{Categorical}(\pi), \qquad x_n \mid z_n \sim \mathcal{N}(\mu_{z_n}, \sigma_{z_n}^2).$$

# %%
rng = np.random.default_rng(1)
z = rng.choice(2, size=272, p=pi)
drawn = rng.normal(means[z], sds[z])
print("z:", z[:6], " x:", drawn[:6].round(1))

# %%
densities.two_steps(wait, z, drawn, label="wait (min)", width=4)

# %% [markdown]
# Left the geyser, right our story. On the right we know who made each row, on the left we do not, and that is the whole
# difference. To get $z_n$ back from $x_n$ is the rest of this notebook.

# %% [markdown]
# ### Exercise 01.2 · Draw from a mixture
#
# ★ Do it without `choice`. Row $n$ gets a uniform number $u_n$ and a standard normal number $e_n$. Component 0 is meant
# if $u_n < \pi_0$, component 1 if $u_n$ lies in the next stretch of length $\pi_1$, and so on.


# %% exercise="01.2"
def draw(u, e, weights, means, sds):
    x = ...  # one number for each row
    ### BEGIN SOLUTION
    z = np.searchsorted(np.cumsum(weights), u)
    x = means[z] + sds[z] * e
    ### END SOLUTION
    return x


# %% check="01.2"
check("01.2", draw)

# %% [markdown]
# ## 4 · Which bell was it?
#
# The wait was 66 minutes. Who made it? Before we look, $p(z = k) = \pi_k$. Bayes' rule says what the look changes:
#
# $$\underbrace{p(z = k \mid x)}_{\text{posterior } \gamma_k} =
# \frac{\overbrace{p(z = k)}^{\text{prior } \pi_k}\; \overbrace{p(x \mid z = k)}^{\text{likelihood}}}
# {\underbrace{p(x)}_{\text{their sum over } k}}.$$

# %% [markdown]
# By hand, in four columns:

# %%
import pandas as pd

kinds = ["short", "long"]
bells = normal_density(66.0, means, sds)
table = pd.DataFrame({"prior": pi, "likelihood": bells}, index=kinds)
table["joint"] = table["prior"] * table["likelihood"]
table["posterior"] = table["joint"] / table["joint"].sum()
table.round(4)

# %%
densities.bayes_steps(pi, bells, names=kinds, at="after a wait of 66 minutes")

# %% [markdown]
# The prior says *long*, the likelihood says *short*. Their product is close, and its shares are the responsibilities
# [1, eq. 9.13]. The sum of the joint column is $p(66)$.

# %% [markdown]
# The same in one line: **odds**. The denominator cancels, and
#
# $$\frac{\gamma_0}{\gamma_1} = \underbrace{\frac{\pi_0}{\pi_1}}_{\text{prior odds}} \times
# \underbrace{\frac{\mathcal{N}(x \mid \mu_0, \sigma_0^2)}{\mathcal{N}(x \mid \mu_1, \sigma_1^2)}}_{\text{likelihood ratio}}.$$

# %%
prior_odds = pi[0] / pi[1]
ratio = bells[0] / bells[1]
print(f"{prior_odds:.2f} × {ratio:.2f} = {prior_odds * ratio:.2f} to 1")

# %% [markdown]
# **Predict.** In another year the kinds are equally common. What is the short kind's responsibility for 66 minutes then?
#
# <details><summary>Open</summary>
#
# The likelihood ratio stays, the prior odds are 1. So the odds are 2.2 to 1, and $\gamma = 2.2 / 3.2 = 0.69$. A
# responsibility moves with the weights, even if the bells stand still.
#
# </details>

# %% [markdown]
# Now all rows. NumPy stretches a column [272, 1] against a row [2] to a table [272, 2], one line for each wait and one
# column for each component:

# %%
print("column:", wait[:, None].shape, " row:", means.shape)
print("table: ", (wait[:, None] - means).shape)

# %% [markdown]
# ### Exercise 01.3 · All rows at once
#
# Return all responsibilities, [N, K], for waits `x` of shape [N]. `normal_density` works on columns and rows as it is.
# Mind which way you sum.


# %% exercise="01.3"
def all_responsibilities(x, weights, means, sds):
    gamma = ...  # [N, K]
    ### BEGIN SOLUTION
    joint = weights * normal_density(x[:, None], means, sds)
    gamma = joint / joint.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return gamma


# %% check="01.3"
check("01.3", all_responsibilities)

# %% [markdown]
# The story goes on with its own copy:

# %%
joint = pi * normal_density(wait[:, None], means, sds)
gamma = joint / joint.sum(axis=1, keepdims=True)
print("rows sum to 1:", np.allclose(gamma.sum(axis=1), 1))
print("columns sum to N_k:", gamma.sum(axis=0).round(1))

# %% [markdown]
# And the library. It takes tables of any number of features, so a single feature becomes a column.

# %%
from mixturelab import log_density, log_joint, responsibilities

parameters = (pi, means[:, None], sds**2, "spherical")
library = responsibilities(wait[:, None], *parameters)
log_p = log_density(wait[:, None], *parameters)
print("γ the same:   ", np.allclose(gamma, library))
print("p(x) the same:", np.allclose(joint.sum(axis=1), np.exp(log_p)))

# %% [markdown]
# As a model with scikit-learn's interface it is `predict_proba`. In words: *the E-step*.

# %%
model = GaussianMixture.from_parameters(*parameters)
again = model.predict_proba(wait[:, None])
print("the same again:", np.allclose(gamma, again))

# %% [markdown]
# ## 5 · When numbers vanish
#
# Why does the library have `log_density` and `log_joint`, but no `density`? Take a larger table: 1,797 handwritten
# digits of 64 pixels, each pixel a number from 0 to 16.

# %%
digits = load_dataset("digits")
X, label = digits.data.astype(np.float32), digits.target
share = (np.bincount(label) / len(label)).astype(np.float32)
mu = np.array([X[label == k].mean(axis=0) for k in range(10)])
print("rows", X.shape, " means", mu.shape)

# %% [markdown]
# A mixture of ten: component $k$ has the mean image of the digit $k$, and each pixel strays from it by σ = 4,
# independently. So the density of an image is a product of 64 bells.


# %%
def image_joint(X, sd):
    bells = normal_density(X[:, None, :], mu, sd)  # [N, 10, 64]
    return share * bells.prod(axis=2)


# %% [markdown]
# **Predict.** We work in float32, as networks do. A bell with σ = 4 is at most 0.1 high. What becomes of 64 of them,
# multiplied?

# %%
joint = image_joint(X, 4.0)
with np.errstate(invalid="ignore"):  # NumPy would warn, rightly: 0/0
    gamma = joint / joint.sum(axis=1, keepdims=True)
print("precision:         ", joint.dtype)
print("rows with p(x) = 0:", (joint.sum(axis=1) == 0).sum(), "of", len(X))
print("rows of NaN:       ", np.isnan(gamma).any(axis=1).sum())

# %% [markdown]
# All of them. At best $0.1^{64} = 10^{-64}$, and the smallest number that float32 has is $1.4 \cdot 10^{-45}$, that is
# $e^{-103}$. Below it there is only 0, and 0/0 is NaN. This is **underflow**.

# %%
joint = image_joint(X.astype(np.float64), 4.0)
print("precision:         ", joint.dtype)
print("rows with p(x) = 0:", (joint.sum(axis=1) == 0).sum())

# %% [markdown]
# So take float64, and all is well? Its smallest number is $5 \cdot 10^{-324} = e^{-744}$. Back to the geyser: the
# density of *all* waits together is the product of theirs.

# %% [markdown]
# **Predict.** 272 densities of about 0.02 each. How many can float32 multiply, how many float64?

# %%
density_extremes.vanishing_product(log_p)

# %% [markdown]
# float64 moves the cliff from row 28 to row 197. The sum of logs has no cliff. **Never leave the logs** before you must.
# (*Nats* are the unit of natural logs: one nat is a factor of $e$.)

# %% [markdown]
# **Predict.** Would it help to measure ink from 0 to 1 instead of 0 to 16?
#
# <details><summary>Open</summary>
#
# Here, by luck. Each bell gets 16 times as high (densities are per unit), the product $16^{64} = e^{177}$ times: from
# $e^{-169}$, a typical image, to $e^{8}$. At 28 × 28 pixels the same would give about $e^{98}$, and float32 ends at
# $e^{88.7}$: *over*flow. Logs do not care.
#
# </details>

# %% [markdown]
# But a mixture is a *sum*, and logs turn only products into sums. We have the log-joint $a_{nk}$ and need
#
# $$\log p(x_n) = \log \sum_k e^{a_{nk}} \qquad\text{and}\qquad \gamma_{nk} = \frac{e^{a_{nk}}}{\sum_j e^{a_{nj}}},$$
#
# with every $e^{a_{nk}}$ gone. Warm-up b is the way out: a common factor changes no share.

# %% [markdown]
# Take out the row's largest term, $m_n = \max_k a_{nk}$:
#
# $$\log \sum_k e^{a_{nk}} = \log\Big(e^{m_n} \sum_k e^{a_{nk} - m_n}\Big) = m_n + \log \sum_k e^{a_{nk} - m_n}.$$
#
# Now the largest term is $e^0 = 1$. The sum lies between 1 and $K$: it cannot vanish, and cannot overflow.

# %% [markdown]
# **Predict.** Some $e^{a_{nk} - m_n}$ still underflow to 0. Why is that no harm?
#
# <details><summary>Open</summary>
#
# They are compared with a 1 in the same sum. What is lost is a share below $10^{-45}$.
#
# </details>

# %% [markdown]
# ### Exercise 01.4 · Log-sum-exp
#
# Write it, for a table `a` of shape [N, K]: one number for each row. It will be tried on rows where all exponentials
# are 0, and where they are infinite.


# %% exercise="01.4"
def log_sum_exp(a):
    result = ...  # N numbers
    ### BEGIN SOLUTION
    m = a.max(axis=1, keepdims=True)
    result = m[:, 0] + np.log(np.exp(a - m).sum(axis=1))
    ### END SOLUTION
    return result


# %% check="01.4"
check("01.4", log_sum_exp)

# %% [markdown]
# Now the images again, still in float32. The product of bells becomes a sum of log bells:


# %%
def image_log_joint(X, sd):
    z = (X[:, None, :] - mu) / sd
    return np.log(share) - (z**2).sum(axis=2) / 2 - 64 * math.log(sd * (2 * math.pi) ** 0.5)


# %%
def shares(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# %%
gamma = shares(image_log_joint(X, 4.0))
right = gamma.argmax(axis=1) == label
print("precision:", gamma.dtype, " rows of NaN:", np.isnan(gamma).any(axis=1).sum())
print(f"largest share at the true digit: {right.mean():.0%}")

# %% [markdown]
# Same precision, same data, no row lost. This `shares` is the *softmax* of networks, and $a_{nk}$ are its logits. The
# library's `log_joint` gives $a_{nk}$:

# %%
a = log_joint(X, share / share.sum(), mu, np.full(10, 16.0), "spherical")
print("as the library has it:", np.allclose(a, image_log_joint(X, 4.0), atol=1e-3))

# %% [markdown]
# ## 6 · More than one dimension
#
# Pixels were taken as independent. Most features are not: a crab with a wide front is wide behind as well. The Gaussian
# in $D$ dimensions [1, eq. 2.43] knows that:
#
# $$\mathcal{N}(x \mid \mu, \Sigma) = (2\pi)^{-D/2}\, |\Sigma|^{-1/2}\,
# \exp\Big(-\tfrac12 \underbrace{(x - \mu)^\top \Sigma^{-1} (x - \mu)}_{\Delta^2}\Big).$$

# %% [markdown]
# $\Delta$ is the **Mahalanobis distance**. Its unit is the radius of the one-σ ellipse *in that direction*: on that
# ellipse $\Delta = 1$. In one dimension it is $|x - \mu|/\sigma$.

# %%
crabs = load_dataset("crabs").frame[["frontal_lobe", "rear_width"]].to_numpy()
middle, covariance = crabs.mean(axis=0), np.cov(crabs.T, bias=True)
A = middle + np.array([2.8, 2.8])
B = middle + np.array([2.8, -2.8])
print("covariance:", covariance.round(1).tolist())

# %% [markdown]
# **Predict.** Two new crabs, A and B, both 4 mm from the mean: A is larger all over, B has a wide front and a narrow
# rear. Which has the higher density?

# %%
sizes = ["frontal lobe (mm)", "rear width (mm)"]
density_extremes.whitening(crabs, {"A": A, "B": B}, labels=sizes)

# %% [markdown]
# A, by far. Along the cloud 4 mm is little, across it a lot. On the right the cloud has been **whitened**: unit variance
# in all directions. There the Mahalanobis distance is the ordinary one.

# %% [markdown]
# Whitening takes a root of $\Sigma$, and the **Cholesky factor** is one: lower triangular, $L L^\top = \Sigma$. Solve
# $L\,y = x - \mu$ for $y$. Then
#
# $$y^\top y = (x - \mu)^\top L^{-\top} L^{-1} (x - \mu) = (x - \mu)^\top \Sigma^{-1} (x - \mu) = \Delta^2.$$
#
# (`np.linalg.solve` will do here. `scipy.linalg.solve_triangular` saves work: it knows that half of $L$ is zero.)

# %%
L = np.linalg.cholesky(covariance)
y = np.linalg.solve(L, (np.array([A, B]) - middle).T)  # one column for each crab
squares = (y**2).sum(axis=0)
print("Mahalanobis distances of A and B:", np.sqrt(squares).round(1))

# %% [markdown]
# The determinant comes with it. That of a triangular matrix is the product of its diagonal, and $|\Sigma| = |L|^2$, so
#
# $$\tfrac12 \log|\Sigma| = \sum_{d} \log L_{dd}.$$

# %% [markdown]
# **Predict.** 64 independent pixels with a variance of 0.1 each. What is the determinant in float32?

# %%
pixels = 0.1 * np.eye(64, dtype=np.float32)
print("determinant:", np.linalg.det(pixels))
diagonal = np.diag(np.linalg.cholesky(pixels))
print("its log by Cholesky:", (2 * np.log(diagonal).sum()).round(1))

# %% [markdown]
# Underflow again, $10^{-64}$; so take the logs first, then add. All together, for both crabs:

# %%
half_logdet = np.log(np.diag(L)).sum()
by_hand = -0.5 * squares - half_logdet - 0.5 * 2 * np.log(2 * np.pi)
print("by hand:    ", by_hand.round(2))
print("the library:", log_density([A, B], [1.0], [middle], [covariance]).round(2))

# %% [markdown]
# ### Exercise 01.5 · Responsibilities in D dimensions
#
# ★ Twenty minutes. Everything so far in one function: `X` [N, D], full `covariances` [K, D, D]. It will be tried in
# float32, with 64 features, far from zero, and with rows far away from everything.


# %% exercise="01.5"
def responsibilities_nd(X, weights, means, covariances):
    gamma = ...  # [N, K]
    ### BEGIN SOLUTION
    a = np.empty((len(X), len(weights)), dtype=X.dtype)
    for k in range(len(weights)):
        L = np.linalg.cholesky(covariances[k])
        y = np.linalg.solve(L, (X - means[k]).T)
        a[:, k] = np.log(weights[k]) - np.log(np.diag(L)).sum() - 0.5 * (y**2).sum(axis=0)
    e = np.exp(a - a.max(axis=1, keepdims=True))
    gamma = e / e.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return gamma


# %% check="01.5"
check("01.5", responsibilities_nd)

# %% [markdown]
# ## 7 · Where γ is one half
#
# Two components, $K = 2$. Take the logarithm of the odds of section 4:
#
# $$\log\frac{\gamma_0}{\gamma_1} = \log\frac{\pi_0}{\pi_1}
# - \tfrac12 \log\frac{|\Sigma_0|}{|\Sigma_1|} - \tfrac12 \Delta_0^2(x) + \tfrac12 \Delta_1^2(x).$$
#
# Where it is 0, both answer alike: the **border**. (Back from log-odds $s$ to shares: $\gamma_0 = 1/(1 + e^{-s})$.)

# %% [markdown]
# Each $\Delta_k^2$ is quadratic in $x$. With a **shared covariance** the quadratic parts are equal and cancel:
#
# $$\log\frac{\gamma_0}{\gamma_1} = w^\top x + c_0, \qquad w = \Sigma^{-1}(\mu_0 - \mu_1).$$
#
# A straight border [1, eq. 4.65 to 4.67]. With different ones $-\tfrac12 x^\top (\Sigma_0^{-1} - \Sigma_1^{-1})\, x$
# stays, and the border is curved.
#
# <details><summary>Every step</summary>
#
# Expand one of the distances: $\Delta_k^2 = x^\top \Sigma_k^{-1} x - 2\, \mu_k^\top \Sigma_k^{-1} x + \mu_k^\top
# \Sigma_k^{-1} \mu_k$. (The two mixed terms are equal, because $\Sigma_k^{-1}$ is symmetric.) So the log-odds are
#
# $$-\tfrac12 x^\top (\Sigma_0^{-1} - \Sigma_1^{-1})\, x \;+\; (\Sigma_0^{-1}\mu_0 - \Sigma_1^{-1}\mu_1)^\top x
# \;+\; c_0,$$
#
# $$c_0 = \log\frac{\pi_0}{\pi_1} - \tfrac12 \log\frac{|\Sigma_0|}{|\Sigma_1|}
# - \tfrac12 \mu_0^\top \Sigma_0^{-1} \mu_0 + \tfrac12 \mu_1^\top \Sigma_1^{-1} \mu_1.$$
#
# With $\Sigma_0 = \Sigma_1 = \Sigma$ the first term is zero, the second is $w^\top x$, and the determinants leave $c_0$.
#
# </details>

# %% [markdown]
# **Predict.** Of $\pi$, $\mu$ and $\Sigma$, which can turn a straight border, and which can only shift it?
#
# <details><summary>Open</summary>
#
# The weights appear in $c_0$ alone: they only shift it. $\mu$ and $\Sigma$ are in $w$ too, and turn it.
#
# </details>

# %% [markdown]
# ### Exercise 01.6 · The log-odds are a parabola
#
# ★ Do the algebra in one dimension: $\log \gamma_0/\gamma_1 = c_2 x^2 + c_1 x + c_0$. Return the three, the square's
# first.


# %% exercise="01.6"
def log_odds(weights, means, sds):
    coefficients = ...  # [c_2, c_1, c_0]
    ### BEGIN SOLUTION
    square = -1 / (2 * sds**2)
    slope = means / sds**2
    constant = np.log(weights) - np.log(sds) - means**2 / (2 * sds**2)
    coefficients = [part[0] - part[1] for part in (square, slope, constant)]
    ### END SOLUTION
    return coefficients


# %% check="01.6"
check("01.6", log_odds)

# %% [markdown]
# The borders are the roots of that parabola. For the waits:

# %%
inverse = 1 / sds**2
constants = np.log(pi) - np.log(sds) - means**2 * inverse / 2
parabola = [part[0] - part[1] for part in (-inverse / 2, means * inverse, constants)]
print("borders (min):", np.roots(parabola).round(1))

# %% [markdown]
# One at 66.3 minutes, as expected. And one at −684! The long kind is a little wider, 6.0 against 5.8, and far enough out
# on *either* side the wider bell wins. The short kind owns an interval: an island.

# %% [markdown]
# In the plane there is more to see. Below, the geyser's two kinds with both measurements. Component 1 stands still;
# component 0 is yours to move, to weight (1 gets what is left) and to stretch.

# %%
from mixturelab.plot.density_widgets import BorderExplorer

geyser = load_dataset("old_faithful")
tied = GaussianMixture(2, covariance_type="tied", random_state=0).fit(geyser.data)
print("one covariance for both:", tied.covariances_.round(2).tolist())

# %% [markdown]
# **Predict**, before you move anything:
#
# 1. The weight goes from 0.36 to 0.99. Does the straight border shift, turn or bend?
# 2. Component 0 gets half as wide, or twice as wide. Which one is then closed in?
# 3. Can you make the border vanish, so that one component wins *everywhere*? Which one can never lose everywhere?

# %%
explorer = BorderExplorer(tied, geyser)
explorer

# %% [markdown]
# Click a slider, then use the arrow keys. *One way* stretches in a single direction; *turned* tilts the ellipse the
# other way.
#
# <details><summary>Open</summary>
#
# 1. It shifts, parallel to itself, and not far: the odds grow by a factor of 176, which is worth 5 nats, and
#    from one mean to the other the log-odds fall by 43.
# 2. The narrower one, always. Far out the quadratic part decides, and the wider bell falls more slowly.
# 3. Yes: put 0 onto 1, make it narrower and give it little weight. The wider one can never lose everywhere; far out it
#    wins.
#
# *One way* gives a parabola: only one direction differs. *Turned* at ×1 gives a hyperbola: each is the wider one in
# some direction (the second branch may lie outside the picture). Turned at ×0.6 or ×1.5 one is wider in *every*
# direction again: an ellipse.
#
# </details>

# %% [markdown]
# ## 8 · What a responsibility is not
#
# Back to the galaxies, with three components in one dimension.

# %%
fitted = GaussianMixture(3, random_state=0).fit(galaxies)
order = fitted.means_[:, 0].argsort()
weights, centres = fitted.weights_[order], fitted.means_[order, 0]
widths = np.sqrt(fitted.covariances_[order, 0, 0])
print("weights", weights.round(2), " means", centres.round(1), " sds", widths.round(1))

# %% [markdown]
# **Predict.** A new galaxy at 5 (thousand km/s). The nearest mean is 9.7. Whose is it? How sure is the mixture?

# %%
print("responsibilities:", fitted.predict_proba([[5.0]])[0, order].round(3))
print("distances in standard deviations:", (abs(5.0 - centres) / widths).round(1))

# %% [markdown]
# It goes to the wide cluster, whose mean is more than three times as far away, with a share of 1.000. **A responsibility is no
# distance**: 4.7 are eleven of the narrow one's standard deviations.

# %%
densities_there = fitted.score_samples([[5.0], [21.4]]) / np.log(10)
print("log10 p(x) at 5 and at 21.4:", densities_there.round(1))

# %%
settings = {"label": "velocity (1000 km/s)", "reach": 9}
density_extremes.certain_far_away(galaxies, weights, centres, widths, **settings)

# %% [markdown]
# And **it is no certainty about outliers**. Out there $p(x)$ is $10^{12}$ times smaller than in the middle, but $p(x)$ is
# what $\gamma$ divides by. It says *which of these*, never *whether any*. Two islands, and the wide one owns the sea.

# %% [markdown]
# Nor is a share of 1 a promise to be right. We do not know how far pixels stray; σ = 4 was a guess.
#
# **Predict.** With σ = 2, 4 or 8 nearly every image's largest share goes to the same digit. What changes?

# %%
for sd in (2.0, 4.0, 8.0):
    gamma = shares(image_log_joint(digits.data, sd))
    sure, wrong = gamma.max(axis=1) > 0.999, gamma.argmax(axis=1) != label
    print(f"σ = {sd:.0f}: {wrong.sum()} of all wrong;", end=" ")
    print(f"{sure.sum():4d} surer than 0.999, {(sure & wrong).sum():3d} of these wrong")

# %% [markdown]
# The answers hardly change, the confidence does. Five images, with σ = 4; the hatched bar is the true digit's:

# %%
rows = [607, 378, 106, 746, 1018]
gamma = shares(image_log_joint(digits.data[rows], 4.0))
density_extremes.image_shares(digits.data[rows], gamma, label[rows])

# %% [markdown]
# Three honest doubts, and two wrong digits with a share of 1.00. The shares are right *for this model*; the model is not
# right for these images. How to test that is the subject of notebook [05](05_soft_assignments.ipynb).

# %% [markdown]
# ### Exercise 01.7 · Read a responsibility
#
# For the galaxy at 5,000 km/s the wide cluster's responsibility is 1.00. What follows?
#
# - **a**: it belongs to the wide cluster, with near certainty
# - **b**: the wide cluster's mean is the nearest
# - **c**: of the three, the wide cluster explains it best by far; whether any explains it well is not said
# - **d**: the mixture's density is high there

# %% exercise="01.7"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "c"
### END SOLUTION

# %% check="01.7"
check("01.7", answer)

# %% [markdown]
# ## 9 · Look back
#
# - A mixture is a weighted sum of *densities*: one row comes from one component, $z$ first, then $x$.
# - $\gamma_{nk}$ is Bayes' rule. As odds: prior odds times likelihood ratio.
# - Stay in logs. Subtract the row's largest log before `exp`; add it back for $\log p(x)$.
# - Cholesky gives distance and determinant at once: $L\,y = x - \mu$.
# - Equal covariances, straight borders; different ones, curved borders and islands.
# - $\gamma$ says which of these, $p(x)$ says whether any.

# %%
progress("01")

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>Why is the average of two bell curves not the density of the average of two draws? (3)</summary>
#
# Averaging curves means *either, or*: two humps. Averaging draws means *a bit of both*: one hump between.
#
# </details>
#
# <details><summary>Which axis do you normalise, and what do the other axis's sums mean? (4)</summary>
#
# Each row sums to 1. The columns sum to N<sub>k</sub>, the rows that a component answers for.
#
# </details>
#
# <details><summary>All log-joints of a row are near −2000. Which numbers does log-sum-exp exponentiate? (5)</summary>
#
# Their differences from the largest: 0 and below. The −2000 is added back at the end.
#
# </details>
#
# <details><summary>Why no <code>inv</code> and no <code>det</code>? (6)</summary>
#
# The determinant of many features under- or overflows before its logarithm is taken. One triangular factor gives both the
# log-determinant and the distance, with fewer operations and less rounding than an inverse.
#
# </details>
#
# <details><summary>Two components, one border, closed like an egg. Which is the narrower one? (7)</summary>
#
# The one inside.
#
# </details>
#
# <details><summary>A row has γ = (0.5, 0.5). Is it an outlier? (8)</summary>
#
# Not by that. It lies on the border, which may run through a crowd or through nowhere: ask p(x).
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. The Gaussian is eq. 2.43, Mahalanobis'
#    distance 2.44, the histogram as a density 2.241, the straight border 4.65 and 4.66, the responsibility 9.13.
# 2. P. Blanchard, D. J. Higham and N. J. Higham (2021), Accurately computing the log-sum-exp and softmax functions, *IMA
#    Journal of Numerical Analysis* 41, 2311-2330.
# 3. T. Hastie, R. Tibshirani and J. Friedman (2009), *The Elements of Statistical Learning*, Springer. Section 4.3:
#    straight and curved borders, when the kinds are known.
# 4. K. Roeder (1990), Density estimation with confidence sets exemplified by superclusters and voids in the galaxies,
#    *Journal of the American Statistical Association* 85, 617-624. The galaxies, and how many clusters they have.
# 5. P. C. Mahalanobis (1936), On the generalised distance in statistics, *Proceedings of the National Institute of
#    Sciences of India* 2, 49-55.
#
# **Next:** [02](02_em_derivation.ipynb), where the shares find the parameters, and the parameters the shares.
