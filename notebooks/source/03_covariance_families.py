# Source of notebook 03: from a covariance to its ellipse, volume, shape and orientation, four families, choosing one.

# %% [markdown]
# # 03 · Covariance families: what form may a component have?
#
# Ten full components on images of 64 pixels have 21,449 parameters; there are 1,797 images. Something has to be given
# up. What can a component do without: its size, its form, its tilt?

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 From a matrix to an ellipse | 6 | | ● | ● |
# | 3 Volume, shape, orientation | 7 | | ● 03.2 at home | ● |
# | 4 Four families, ten to come | 4 | ● | ● | ● |
# | 5 Counting | 5 | | ● | ● |
# | 6 Four M-steps from one S2 | 8 | | ● 03.5 at home | ● with 03.5 |
# | 7 What each can draw | 7 | ● | ● | ● and ★ |
# | 8 Too many for too few | 4 | | ● | ● |
# | 9 Where each wins | 4 | ● | ● 03.7 at home | ● |
# | 10 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. draw a covariance matrix as an ellipse that holds a stated share of the rows,
# 2. take it apart into volume, shape and orientation, and put it together again,
# 3. say what each family leaves free, count its parameters and derive its M-step,
# 4. choose a family, and say by how much it won.
#
# **You need** responsibilities (01), the M-step and $S2_k$ (02), and the words *eigenvalue* and *determinant*.

# %% [markdown]
# Whatever your path, run this cell first.

# %%
import numpy as np

from mixturelab import GaussianMixture, load_dataset, plot, select
from mixturelab.exercises import check, progress

FAMILIES = ["full", "tied", "diag", "spherical"]
penguins, digits = load_dataset("penguins"), load_dataset("digits")
bills = penguins.data[:, :2]

# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $\lambda_k$ | volume of component $k$: $\lvert\Sigma_k\rvert^{1/D}$ | `volume` |
# | $A_k$ | its shape: a diagonal matrix with determinant 1 | `shape` |
# | $D_k$ | its orientation: a rotation, the eigenvectors as columns | `axes` |
# | $W_k$ | scatter about the mean: $S2_k - N_k\,\mu_k\mu_k^\top$ | `W[k]` |
# | $r$ | radius, in standard deviations | `radius` |
# | $p$ | number of free parameters of a mixture | `n_parameters` |
# | BIC | $-2\ell + p \ln N$: misfit plus a charge for each parameter; lower is better | `bic` |
#
# ($D$ without an index stays the number of columns.)

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on what came before. Answer first, then open.

# %% [markdown]
# **a.** In the M-step something is maximised and something is held fixed. What?
#
# <details><summary>Open</summary>
#
# The bound $\mathcal{L}$ is maximised over $\pi$, $\mu$ and $\Sigma$; the responsibilities $\gamma_{nk}$ stay as the
# E-step left them.
#
# </details>

# %% [markdown]
# **b.** A component shrinks onto one row. What becomes of the likelihood, and why is that harder to do if all components
# share one covariance?
#
# <details><summary>Open</summary>
#
# It grows without bound. A shared covariance cannot shrink for one component alone: it has to go on describing the
# rows of all the others.
#
# </details>

# %% [markdown]
# **c.** Each spherical covariance is also a full one. Which of the two families reaches the higher likelihood?
#
# <details><summary>Open</summary>
#
# Full, or it is a tie: it can do all that spherical can. So the likelihood of the rows that were fitted never votes for
# the smaller family. Something else has to.
#
# </details>

# %% [markdown]
# ## 2 · From a matrix to an ellipse
#
# The bills of 123 Gentoo penguins: length and depth, both in millimetres.

# %%
gentoo = bills[penguins.target == 1]
mu = gentoo.mean(axis=0)
Sigma = (gentoo - mu).T @ (gentoo - mu) / len(gentoo)
print("mean:", mu.round(1), " covariance:", Sigma.round(2).tolist())

# %% [markdown]
# **Predict.** Three different numbers: 9.42, 1.93, 0.95. Which of them would change if you turned the cloud of rows?
# Which way does the ellipse lean?
#
# <details><summary>Open</summary>
#
# All three: two variances along the *table's* axes (9.42, 0.95), and the covariance between the columns (1.93). It is
# positive, so the ellipse leans to the upper right: long bills are deep bills.
#
# </details>

# %% [markdown]
# The ellipse has axes of its own: the **eigenvectors** of $\Sigma$. Along each the rows have a variance, the
# **eigenvalue**, and between them no covariance at all.

# %%
variances, axes = np.linalg.eigh(Sigma)
variances, axes = variances[::-1], axes[:, ::-1]  # the largest first
print("variances along its own axes:", variances.round(2))
print("no covariance between them:", np.allclose(axes.T @ Sigma @ axes, np.diag(variances)))

# %% [markdown]
# How far out does it go? Measured along its own axes, in standard deviations (the roots of the eigenvalues), the Gaussian
# is round, and a circle of radius $r$ holds
#
# $$P(r) = \int_0^r t\,e^{-t^2/2}\,dt = 1 - e^{-r^2/2}, \qquad\text{so that}\qquad r = \sqrt{-2\ln(1 - P)}.$$

# %% [markdown]
# **Predict.** On a line, one standard deviation to each side holds 68 %. And in the plane: more, less, or as much?

# %%
for radius in [1, 2, 3]:
    print(f"radius {radius}: holds {1 - np.exp(-(radius**2) / 2):.0%} in the plane")

# %% [markdown]
# Only 39 %: a row may stray in two directions. In $D$ dimensions $r^2$ is the quantile of chi-square with $D$ degrees of
# freedom; for $D = 2$ that is the formula above.

# %%
from scipy.stats import chi2

print("90 %, by hand:      ", np.sqrt(-2 * np.log(1 - 0.9)).round(3))
print("90 %, in 2, 13 and 64 dimensions:", np.sqrt(chi2.ppf(0.9, [2, 13, 64])).round(2))

# %%
from mixturelab.plot.families import ellipse_axes

ellipse_axes(gentoo, labels=["bill length (mm)", "bill depth (mm)"])

# %% [markdown]
# 64 of 123 rows are 52 %, 112 are 91 %: not bad for a bell. Always say which probability an ellipse stands for; without
# it, size means nothing.

# %% [markdown]
# ### Exercise 03.1 · How long are the axes?
#
# Return the long and the short half-axis of the ellipse that holds the share `mass`, in that order.


# %% exercise="03.1"
def half_axes(covariance, mass):
    lengths = ...  # the long one, the short one
    ### BEGIN SOLUTION
    radius = np.sqrt(-2 * np.log(1 - mass))
    lengths = radius * np.sqrt(np.linalg.eigvalsh(covariance)[::-1])
    ### END SOLUTION
    return lengths


# %% check="03.1"
check("03.1", half_axes)

# %% [markdown]
# ## 3 · Volume, shape, orientation
#
# Every covariance can be written as [1, 2]
#
# $$\Sigma_k = \lambda_k \, D_k A_k D_k^\top:$$
#
# a number $\lambda_k$, a diagonal $A_k$ with determinant 1, a rotation $D_k$. By hand:

# %%
volume = np.prod(variances) ** (1 / 2)
shape = variances / volume
angle = np.degrees(np.arctan2(axes[1, 0], axes[0, 0])) % 180
print(f"volume {volume:.2f}, shape {shape.round(2)}, long axis at {angle:.0f}°")

# %% [markdown]
# - **Volume** $\lambda = \lvert\Sigma\rvert^{1/D}$: how much room. The geometric mean of the eigenvalues.
# - **Shape** $A$: how unequal the axes are. Here the long one is $\sqrt{4.29 / 0.23} = 4.3$ times the short one.
# - **Orientation** $D$: which way the axes point.

# %% [markdown]
# And together again:

# %%
again = volume * axes @ np.diag(shape) @ axes.T
print("the same matrix:", np.allclose(again, Sigma))
print("determinant of the shape:", shape.prod().round(6))

# %% [markdown]
# **Predict**, before you move anything: you turn an ellipse, and touch neither volume nor shape. Which of the numbers in
# $\Sigma$ change? Which two do not, though they do not stand in it?

# %%
from mixturelab.plot.family_widgets import ShapeExplorer

ShapeExplorer(volume=1.0, ratio=2.5)

# %% [markdown]
# Click a slider and use the arrow keys. At which angles is the covariance zero? At which are the two variances equal?
#
# <details><summary>Open</summary>
#
# All entries change; determinant and trace do not (product and sum of the eigenvalues). The covariance is zero at 0° and
# 90°; the variances are equal at 45° and 135°: there the diagonal of $\Sigma$ is that of a circle.
#
# </details>

# %% [markdown]
# Now all three species, each with its own bills:


# %%
def take_apart(rows):
    variances, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
    volume = np.sqrt(variances.prod())
    angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1])) % 180
    return volume, np.sqrt(variances[1] / variances[0]), angle


# %%
for k, name in enumerate(penguins.target_names):
    volume, ratio, angle = take_apart(bills[penguins.target == k])
    print(f"{name:10s} volume {volume:.1f}, axis ratio {ratio:.1f}, angle {angle:.0f}°")

# %% [markdown]
# Volumes differ a little, shapes differ, and the orientation is all but *the same*: 12°, 12°, 13°. Three estimates of one
# angle. Why should a mixture pay for three?

# %% [markdown]
# ### Exercise 03.2 · Take it apart
#
# In any dimension: return the volume $\lambda$, then the $D$ numbers of the shape, the largest first, as one array.


# %% exercise="03.2"
def volume_and_shape(covariance):
    result = ...  # [volume, a_1, ..., a_D]
    ### BEGIN SOLUTION
    volume = np.linalg.det(covariance) ** (1 / len(covariance))
    shape = np.linalg.eigvalsh(covariance)[::-1] / volume
    result = np.r_[volume, shape]
    ### END SOLUTION
    return result


# %% check="03.2"
check("03.2", volume_and_shape)

# %% [markdown]
# ## 4 · Four families, ten to come
#
# Three things describe an ellipse (section 3): **volume**, how much room; **shape**, how unequal its axes; **orientation**,
# which way they point. A **family** says of each whether it is **E**qual in all components, **V**aries, or is the
# **I**dentity (shape: a sphere; orientation: the table's axes). So its code has three letters, in that order.

# %% [markdown]
# | Ours | Code | Volume | Shape | Orientation | In words | Today |
# |---|---|---|---|---|---|:-:|
# | `full` | VVV | varies | varies | varies | any ellipse, each its own | ● |
# | `tied` | EEE | equal | equal | equal | any ellipse, the same for all | ● |
# | `diag` | VVI | varies | varies | axes | parallel to the axes, each its own | ● |
# | `spherical` | VII | varies | sphere | none | circles, each its own size | ● |

# %% [markdown]
# The library has these four **today**. The letters allow ten more, which will slot into the same table [2]:
#
# | Code | In words | Code | In words |
# |---|---|---|---|
# | EII | circles of one size | VEE | one form and tilt, sizes vary |
# | EEI | on the axes, all alike | EVE | one size and tilt, forms vary |
# | VEI | on the axes, one form, sizes vary | VVE | one tilt, the rest varies |
# | EVI | on the axes, one size, forms vary | EEV | one size and form, tilts vary |
# | VEV | one form, sizes and tilts vary | EVV | one size, forms and tilts vary |

# %% [markdown]
# **Predict.** The bills of three species of penguin have volumes and shapes of their own, and one tilt. Which code is
# that? Which of our four come nearest?
#
# <details><summary>Open</summary>
#
# VVE. We do not have it yet. From above, full (VVV) pays for two angles too many; from below, tied (EEE) shares the
# volume and the shape, too. In section 7 these two come out within 3 points of BIC.
#
# </details>

# %% [markdown]
# ## 5 · Counting
#
# Every number that is left free has to be estimated. By hand, for the covariances alone:
#
# | Family | Count | Because |
# |---|---|---|
# | full | $K\,D(D+1)/2$ | a symmetric matrix each |
# | tied | $D(D+1)/2$ | one for all |
# | diag | $K\,D$ | a variance for each column |
# | spherical | $K$ | a variance each |
#
# On top come $KD$ for the means and $K - 1$ for the weights.


# %%
def count(family, K, D):
    matrix = D * (D + 1) // 2
    own = {"full": K * matrix, "tied": matrix, "diag": K * D, "spherical": K}[family]
    return own + K * D + K - 1


# %%
for family in FAMILIES:
    row = [count(family, 3, D) for D in (1, 2, 4, 13, 64)]
    print(f"{family:10s}", "  ".join(f"{n:6,d}" for n in row))

# %% [markdown]
# With $K = 3$, in 1, 2, 4, 13 and 64 columns. Full and tied grow with the *square* of $D$; diag and spherical along a
# line.

# %% [markdown]
# Does the library count the same? `select` fits and compares mixtures, and lists their parameters:

# %%
table = select(bills, 3, n_init=1, random_state=0).table
ours = [count(family, 3, 2) for family in table.covariance_type]
print(dict(zip(table.covariance_type, table.n_parameters, strict=True)))
print("the same as ours:", ours == table.n_parameters.tolist())

# %% [markdown]
# **Predict.** The digits have 64 columns and about 180 rows of each digit. One full matrix has 2,080 different entries. What will
# be wrong with the covariance of the sevens?

# %%
sevens = digits.data[digits.target == 7]
rank = np.linalg.matrix_rank(np.cov(sevens.T))
print(f"{len(sevens)} sevens, 64 columns, rank of their covariance: {rank}")

# %% [markdown]
# It is singular: some pixels are never inked in a seven, so along some directions the variance is zero and the density
# infinite. Full is not *bad* here; it does not exist. With 64 rows or fewer no data would do.

# %% [markdown]
# ### Exercise 03.3 · Count them
#
# The wine table has 13 columns. How many free parameters has a full mixture with $K = 3$, all told? One line; by hand
# is best.

# %% exercise="03.3"
n_parameters = ...  # a whole number
### BEGIN SOLUTION
n_parameters = 3 * 13 * 14 // 2 + 3 * 13 + 3 - 1
### END SOLUTION

# %% check="03.3"
check("03.3", n_parameters)

# %% [markdown]
# ## 6 · Four M-steps from one S2
#
# The part of $\mathcal{L}$ that knows the covariances, with the means in place already (notebook 02), is
#
# $$Q = -\tfrac{1}{2} \sum_k \Bigl( N_k \ln\lvert\Sigma_k\rvert + \mathrm{tr}\bigl(\Sigma_k^{-1} W_k\bigr) \Bigr),
# \qquad W_k = S2_k - N_k\,\mu_k\mu_k^\top.$$

# %% [markdown]
# The rows come in through $N_k$ and $W_k$ alone. Each family maximises the *same* $Q$, over what it leaves free.

# %% [markdown]
# **full.** Each term on its own: $N_k \Sigma_k^{-1} - \Sigma_k^{-1} W_k \Sigma_k^{-1} = 0$, so
#
# $$\Sigma_k = \frac{W_k}{N_k} \qquad\text{(own)}.$$

# %% [markdown]
# **tied.** One $\Sigma$ for all: the sum is $N \ln\lvert\Sigma\rvert + \mathrm{tr}(\Sigma^{-1} \sum_k W_k)$, the same
# problem with the scatters added up, so
#
# $$\Sigma = \frac{\sum_k W_k}{N} \qquad\text{(pooled)}.$$

# %% [markdown]
# **diag.** Logarithm and trace fall apart into $D$ problems, $N_k \ln \sigma_{kd}^2 + W_{k,dd} / \sigma_{kd}^2$, so
#
# $$\sigma_{kd}^2 = \frac{W_{k,dd}}{N_k} \qquad\text{(the diagonal)}.$$

# %% [markdown]
# **spherical.** With $\Sigma_k = v\,I$ there is $\ln\lvert\Sigma_k\rvert = D \ln v$ and one number to find. Do it
# yourself:

# %% [markdown]
# ### Exercise 03.4 · The slope for the sphere
#
# $Q(v) = -\frac{1}{2}\bigl(N_k D \ln v + \mathrm{tr}\,W_k / v\bigr)$. Return the derivative $Q'(v)$. It will be tried
# with numbers.


# %% exercise="03.4"
def slope(v, n_k, trace, d):
    result = ...  # your formula
    ### BEGIN SOLUTION
    result = -0.5 * n_k * d / v + 0.5 * trace / v**2
    ### END SOLUTION
    return result


# %% check="03.4"
check("03.4", slope)

# %% [markdown]
# Set to zero, it gives
#
# $$v = \frac{\mathrm{tr}\,W_k}{D\,N_k} \qquad\text{(the mean of the diagonal)}.$$

# %% [markdown]
# All four, on the bills, with the species as responsibilities:

# %%
gamma = np.eye(3)[penguins.target]
N_k, S1 = gamma.sum(axis=0), gamma.T @ bills
S2 = np.einsum("nk,ni,nj->kij", gamma, bills, bills)

# %%
mu = S1 / N_k[:, None]
W = S2 - N_k[:, None, None] * np.einsum("ki,kj->kij", mu, mu)

# %%
own = W / N_k[:, None, None]
print("full, Gentoo:     ", own[1].round(2).tolist())
print("tied:             ", (W.sum(axis=0) / N_k.sum()).round(2).tolist())
print("diag, Gentoo:     ", np.diag(own[1]).round(2).tolist())
print("spherical, Gentoo:", round(np.trace(own[1]) / 2, 2))

# %% [markdown]
# The library's M-step, without iterations, for comparison (it adds $10^{-6}$ to each diagonal):

# %%
for family in FAMILIES:
    model = GaussianMixture(3, covariance_type=family, init_params=gamma, max_iter=0).fit(bills)
    found = plot.covariance_matrices(model)[1]
    print(f"{family:10s}", found.round(2).tolist())

# %% [markdown]
# ### Exercise 03.5 · Four M-steps from one S2
#
# The long one: take 20 minutes. From a family's name and $N_k$ [K], $S1$ [K, D] and $S2$ [K, D, D], return all $K$
# covariances as full matrices, an array [K, D, D], whatever the family. One family at a time: return `...` for those
# that you have not written yet, and the check says what is right so far.


# %% exercise="03.5"
def m_step(family, N_k, S1, S2):
    covariances = ...  # first the scatters W, then what the family makes of them
    ### BEGIN SOLUTION
    own = S2 / N_k[:, None, None] - np.einsum("ki,kj->kij", S1, S1) / N_k[:, None, None] ** 2
    pooled = np.einsum("k,kij->ij", N_k / N_k.sum(), own)
    mean, eye = np.trace(own, axis1=1, axis2=2) / S1.shape[1], np.eye(S1.shape[1])
    full, tied = own, np.broadcast_to(pooled, own.shape)
    diag, spherical = own * eye, mean[:, None, None] * eye
    covariances = {"full": full, "tied": tied, "diag": diag, "spherical": spherical}[family]
    ### END SOLUTION
    return covariances


# %% check="03.5"
check("03.5", m_step)

# %% [markdown]
# Four lines: that is all a family is. In `mixturelab/model/covariance.py` they stand side by side, and the other ten
# will join them there. (Some of those have no closed form and need a small loop.)

# %% [markdown]
# ## 7 · What each can draw
#
# The same bills, without the species, four times.

# %%
found = {name: select(bills, 3, name, random_state=0) for name in FAMILIES}
fits = {name: result.best for name, result in found.items()}

# %% [markdown]
# **Predict**, before you look: in whose picture are the borders between the groups straight lines? Whose ellipses are
# all alike? Which family will mistake two species for one?

# %%
from mixturelab.plot.families import family_fits

lines = {name: result.best_candidate for name, result in found.items()}
notes = {name: f"{line.n_parameters} parameters, BIC {line.bic:.0f}" for name, line in lines.items()}
family_fits(fits, bills, notes=notes, labels=["bill length (mm)", "bill depth (mm)"])

# %% [markdown]
# <details><summary>Open</summary>
#
# *tied* has straight borders and equal ellipses. *diag* and *spherical* cannot lean, so they cut the table another way
# and lump together what belongs apart: their groups are not the species. Tied is under 3 points behind full, with six
# parameters fewer: on these bills the two are level.
#
# </details>
#
# Do the groups agree with the species? The **adjusted Rand index** is 1 if they do, and about 0 if no better than chance.

# %%
from sklearn.metrics import adjusted_rand_score

for name, model in fits.items():
    agreement = adjusted_rand_score(penguins.target, model.predict(bills))
    print(f"{name:10s} agreement with the species (adjusted Rand index): {agreement:.2f}")

# %% [markdown]
# Why straight? The log-odds of two components is a difference of two quadratics (notebook [01](01_responsibilities.ipynb)).
# With one $\Sigma$ the terms in $x^\top \Sigma^{-1} x$ are equal and cancel:
#
# $$\ln\frac{\gamma_{n1}}{\gamma_{n2}} = (\mu_1 - \mu_2)^\top \Sigma^{-1} x_n + \text{constant}.$$

# %% [markdown]
# Seen in numbers: walk along a line in equal steps. Linear means that the second differences are zero.

# %%
walk = np.linspace([40, 18], [44, 16], 5)
for name in ["full", "tied"]:
    gamma = fits[name].predict_proba(walk)
    bend = np.diff(np.log(gamma[:, 0] / gamma[:, 1]), n=2)
    print(f"{name:5s} second differences are zero:", np.allclose(bend, 0, atol=1e-6))

# %% [markdown]
# **Turn the table.** Two groups, one lying, one standing: at 0° the truth *is* diagonal. Then the cloud turns, and diag
# cannot.

# %% [markdown]
# **Predict**, for groups twice as long as wide, 150 rows each:
#
# 1. At 0° diag and full draw the same ellipses. Whose BIC is lower, by how much?
# 2. At which angle does full overtake?
# 3. Which families' curves do not move at all?

# %%
from mixturelab.plot.family_widgets import RotationExplorer

RotationExplorer(ratio=2.0)

# %% [markdown]
# Turn slowly (arrow keys), then try the other axis ratios; press *show all angles* last. *drawn* chooses whose ellipses
# you see on the left.
#
# <details><summary>Open</summary>
#
# 1. Diag's, by 11.4: full pays $\ln 300 = 5.7$ for each of two covariances that are zero.
# 2. Between 5° and 10°. The longer the groups, the sooner; at a ratio of 1.2, never: a lean that small is not worth 5.7
#    a piece, and there spherical has the lowest BIC throughout.
# 3. Those of full, tied and spherical: their fits turn with the cloud. Only diag needs the table's axes. At 45° it draws
#    circles, like spherical, and pays for two numbers more.
#
# </details>

# %% [markdown]
# ★ Can the angle be foreseen? A group with variances $\rho$ and $1/\rho$ along its axes, turned by $\theta$, costs diag
#
# $$\ln\bigl(1 + \tfrac{1}{4}(\rho - 1/\rho)^2 \sin^2 2\theta\bigr)$$
#
# per row in $-2\ell$, if the groups lie well apart. Full overtakes when $N$ times that exceeds $2 \ln N$.

# %%
for ratio in [1.2, 1.5, 2.0, 3.0]:
    sine = (300 ** (2 / 300) - 1) / ((ratio - 1 / ratio) ** 2 / 4)
    print(ratio, f"at {np.degrees(np.arcsin(np.sqrt(sine))) / 2:.1f}°" if sine < 1 else "never")

# %% [markdown]
# **Stretch the table.** Turning was diag's trouble. What if a column only changes its unit?

# %% [markdown]
# ### Exercise 03.6 · From grams to kilograms
#
# One column is divided by 1000. Which families give the same groups as before, from the same start?
#
# - **a**: all four: a mixture does not care about units
# - **b**: full and tied; not diag, not spherical
# - **c**: full, tied and diag; not spherical
# - **d**: full alone

# %% exercise="03.6"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "c"
### END SOLUTION

# %% check="03.6"
check("03.6", answer)

# %% [markdown]
# Try it: penguins with all four columns, the body mass in grams, in kilograms, and all columns standardised.

# %%
units = np.array([[1, 1, 1, 1], [1, 1, 1, 0.001], 1 / penguins.data.std(axis=0)])
for name in ["tied", "spherical"]:
    for unit, words in zip(units, ["grams", "kilograms", "standardised"], strict=True):
        X = penguins.data * unit
        groups = select(X, 3, name, random_state=0).best.predict(X)
        print(f"{name:10s} {words:13s} {adjusted_rand_score(penguins.target, groups):.2f}")

# %% [markdown]
# Tied does not care. Spherical does: in grams, body mass is all it sees. **Standardise before you use it**, or do not use
# it on columns of different kinds.

# %% [markdown]
# "From the same start" matters: k-means, which starts these fits, sees circles itself, so in other units EM may start
# elsewhere and end elsewhere. Diag, here, sometimes does.

# %% [markdown]
# | Family | Turn the table | Stretch a column |
# |---|:-:|:-:|
# | full, tied | follow | follow |
# | diag | does not | follows |
# | spherical | follows | does not |

# %% [markdown]
# ## 8 · Too many for too few
#
# Each parameter is estimated, and each estimate has an error. Ten independent columns with variance 1, so that all ten
# eigenvalues of the true covariance are 1:

# %%
rng = np.random.default_rng(0)
for N in [20, 50, 500]:
    found = np.linalg.eigvalsh(np.cov(rng.normal(size=(N, 10)).T, bias=True))
    print(f"{N:3d} rows: smallest {found.min():.2f}, largest {found.max():.2f}")

# %% [markdown]
# From 20 rows the ball looks like a cigar: the small eigenvalues are too small, the large ones too large. What does
# that cost on rows that the fit has *not* seen?

# %% [markdown]
# A simulation, with a single component. The truth leans: ten columns, all pairs correlated by 0.2, standard deviations
# from 0.7 to 1.4. So *full* is right and *diag* wrong. 25 repeats, judged on 2,000 new rows.

# %%
sds = np.linspace(0.7, 1.4, 10)
truth = (0.8 * np.eye(10) + 0.2) * np.outer(sds, sds)
unseen = rng.multivariate_normal(np.zeros(10), truth, size=2000)
sizes = [12, 20, 30, 50, 80, 130, 200]


# %%
def learn(family, rows):
    models = [GaussianMixture(covariance_type=family).fit(rows[:n]) for n in sizes]
    return [model.score(unseen) for model in models]


# %%
tables = [rng.multivariate_normal(np.zeros(10), truth, size=200) for _ in range(25)]
scores = {family: [learn(family, rows) for rows in tables] for family in ["full", "diag", "spherical"]}

# %% [markdown]
# **Predict.** Full knows the truth's form, and has 65 parameters; diag has 20, spherical 11. From how many rows on does
# full lead?

# %%
from mixturelab.plot.families import held_out_curves

best = -0.5 * (10 * np.log(2 * np.pi) + np.linalg.slogdet(truth)[1] + 10)
held_out_curves(sizes, scores, truth=best)

# %% [markdown]
# From 80 rows on; with 12 or 20, it is not even in the picture. (Bars: two standard errors.) The *wrong* family predicts
# better as long as there are too few rows for the right one: less to estimate, less to get wrong.

# %% [markdown]
# The 80 belongs to this truth: with correlations of 0.5 full leads from about 30 rows on, with 0.1 only from 200. A rule of
# thumb, and no more: be wary of full when a component (not the table!) has fewer than five to eight rows a column.

# %% [markdown]
# ## 9 · Where each wins
#
# Seven real tables, the lowest BIC of each family, with $K$ up to 4 (the digits: 10). Why BIC, and when not: notebook
# [04](04_model_selection.ipynb).


# %%
def race(X, K=range(1, 5)):
    table = select(X, K, n_init=2, random_state=0).table
    return table[~table.spurious].groupby("covariance_type")["bic"].min().round(1).to_dict()


# %%
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

wine = load_dataset("wine")
two = StandardScaler().fit_transform(wine.frame[["total_phenols", "hue"]])
few = PCA(8, random_state=0).fit_transform(digits.data)

# %%
names = ["old_faithful", "penguins", "iris", "galaxies", "wine"]
values = {name: race(load_dataset(name).data) for name in names}
values["wine, 2 columns"] = race(two)
values["digits, 8 PCA"] = race(few, 10)

# %% [markdown]
# **Predict.** Penguins of all species are built alike. Wine has 13 columns and 178 rows, the digits 8 columns and 1,797.
# A galaxy's only column is its velocity. Which family will win where?

# %%
from mixturelab.plot.families import family_race

family_race(values)

# %%
for name, row in values.items():
    low = min(row.values())
    winners = [family for family in row if row[family] == low]
    margin = min(value for value in row.values() if value > low) - low
    print(f"{name:16s} {' = '.join(winners):24s} by {margin:7.1f}")

# %% [markdown]
# - **tied**: the penguins clearly, Old Faithful by 8. Groups that are built alike.
# - **full**: iris by 17, and the digits by far: many rows, few columns.
# - **diag**: wine. 13 columns are too many for a matrix each.
# - **spherical**: two of wine's columns, by 8.

# %% [markdown]
# Four things to be honest about.
#
# **In one dimension** full, diag and spherical are the same family (one variance each, V), and tied is the other (E).
# The galaxies want V.

# %% [markdown]
# **We looked for the circle.** We tried every pair of columns in five tables, 101 in all. Circles won 20 times, always in
# wine, and we show you the clearest. Whoever tries a hundred finds something.

# %% [markdown]
# **A loser may have been started badly.** Crabs of four kinds: four thin slabs side by side. K-means cuts them across, and
# EM stays there:

# %%
crabs = load_dataset("crabs")
for start, n in [("kmeans", 5), ("random_from_data", 30)]:
    result = select(crabs.data, 4, "tied", n_init=n, init_params=start, random_state=0)
    bic, groups = result.best_candidate.bic, result.best.predict(crabs.data)
    agreement = adjusted_rand_score(crabs.target, groups)
    print(f"{start:16s} BIC {bic:.0f}, agreement with the four kinds {agreement:.1f}")

# %% [markdown]
# The same family and the same $K$, more than 200 points apart, from no agreement to most of it. So for the seven tables
# we tried 20 starts of either sort as well: the same winners, other margins. From random rows wine's falls from 111 to
# about 70.

# %% [markdown]
# **Another judge, another verdict.** On wine with $K = 3$, BIC puts diag ahead of tied, by 44. And the mean log-likelihood
# of rows left out (five parts, in turn; five ways to divide)?


# %%
def left_out(seed):
    table = select(wine.data, 3, ["diag", "tied"], "cv", n_init=3, random_state=seed).table
    return table[~table.spurious].set_index("covariance_type")["cv"]


# %%
print((sum(map(left_out, range(5))) / 5).round(1).to_dict())

# %% [markdown]
# Tied is ahead, by 0.2 nats a row. BIC charges $\ln 178 = 5.2$ for each of its 52 parameters more, whether it helps or not;
# the rows left out charge what it really costs them.
#
# One way to divide the rows says little: of eight that we tried, one prefers diag. With $K$ free, the two are level.

# %% [markdown]
# ### Exercise 03.7 · BIC in other units
#
# A full fit has the BIC `bic` on `n_rows` rows. Column $d$ is multiplied by `factors[d]`, and the fit repeated. What is
# its BIC now? (Think of the penguins in grams and in kilograms.)


# %% exercise="03.7"
def bic_in_other_units(bic, n_rows, factors):
    moved = ...  # the new BIC
    ### BEGIN SOLUTION
    moved = bic + 2 * n_rows * np.log(factors).sum()
    ### END SOLUTION
    return moved


# %% check="03.7"
check("03.7", bic_in_other_units)

# %% [markdown]
# How to choose, then:
#
# 1. **Count** the parameters against the rows of a component.
# 2. **Think**: do the groups grow alike (tied)? Do the columns' axes mean something (diag), or the units (spherical)?
# 3. **Compare** by BIC or held-out likelihood, on one table in the same units, from many starts.
# 4. **Report the margin**. Below 10 points of BIC, show the runner-up, too.

# %% [markdown]
# ## 10 · Look back
#
# - A covariance is an ellipse: eigenvectors its axes, roots of eigenvalues its lengths, $r = \sqrt{-2\ln(1-P)}$ its size.
# - $\Sigma_k = \lambda_k D_k A_k D_k^\top$: volume, shape, orientation. A family says which are equal, vary, or are fixed.
# - One $W_k$, four M-steps: own, pooled, its diagonal, the mean of its diagonal.
# - Tied has straight borders. Diag does not turn, spherical does not stretch.
# - With too few rows a wrong small family predicts better than the right large one.

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>What share of a 2-D Gaussian lies within one standard deviation of its mean? (2)</summary>
#
# 39 %: $1 - e^{-1/2}$. The 68 % are for a line.
#
# </details>
#
# <details><summary>Σ is multiplied by 4. What becomes of volume, shape and orientation? (3)</summary>
#
# The volume is four times as large; shape and orientation stay. The ellipse is twice as long and twice as wide.
#
# </details>
#
# <details><summary>What does EEV allow, and do we have it? (4)</summary>
#
# One volume and one shape for all, each component its own tilt. Not yet: ours are VVV, EEE, VVI and VII.
#
# </details>
#
# <details><summary>Which family's count does not grow when a component is added, but for its mean and weight? (5)</summary>
#
# Tied: the matrix is there already.
#
# </details>
#
# <details><summary>Why is the spherical variance the arithmetic mean of the eigenvalues, and not the volume? (6)</summary>
#
# Because $Q$ depends on $W_k$ through its trace. The volume would keep $\lvert\Sigma\rvert$, and the likelihood does not
# ask for that.
#
# </details>
#
# <details><summary>You run PCA first, with all components kept. Whose fit may change? (7)</summary>
#
# Diag's: PCA turns the table. The others turn along.
#
# </details>
#
# <details><summary>Tied beats full by 3 points of BIC. What do you write? (9)</summary>
#
# That both describe the table about equally well, with their parameters and their BIC. Three points are not a verdict.
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. J. D. Banfield and A. E. Raftery (1993), Model-based Gaussian and non-Gaussian clustering, *Biometrics* 49, 803-821.
#    Volume, shape and orientation enter clustering.
# 2. G. Celeux and G. Govaert (1995), Gaussian parsimonious clustering models, *Pattern Recognition* 28, 781-793. All
#    fourteen families with their M-steps; ours are four of them.
# 3. C. Fraley and A. E. Raftery (2002), Model-based clustering, discriminant analysis, and density estimation, *Journal
#    of the American Statistical Association* 97, 611-631. Choosing family and K together by BIC; the letters.
# 4. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. Section 2.3: the Gaussian and its
#    ellipses; section 9.2: the M-step, eq. 9.24 to 9.26.
# 5. R. E. Kass and A. E. Raftery (1995), Bayes factors, *Journal of the American Statistical Association* 90, 773-795.
#    When a difference is large.
#
# **Next:** [04](04_model_selection.ipynb), model selection. How many components, and of which family: who decides?

# %%
progress("03")
