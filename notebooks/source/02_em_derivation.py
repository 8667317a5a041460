# Source of notebook 02: the evidence lower bound, both steps of EM derived, EM from scratch, its speed and its failures.

# %% [markdown]
# # 02 · Why EM climbs: the derivation
#
# In notebook 00 you watched EM: share out the rows, refit the components, and the log-likelihood never fell. Why not?
# Who promised that two guesses, each leaning on the other, would get anywhere?
#
# One inequality did. From it follow both steps, the promise, the speed, and everything that can go wrong.

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 A log that does not split | 4 | | ● | ● |
# | 3 A bound from below | 10 | ● | ● | ● without hints |
# | 4 The E-step closes the gap | 4 | | ● | ● |
# | 5 The M-step lifts the bound | 11 | | ● | ● |
# | 6 It never falls | 4 | | ● | ● |
# | 7 Climb it yourself | 6 | ● | ● | ● |
# | 8 EM from scratch | 26 | | | ● |
# | 9 How fast? | 10 | | | ● |
# | 10 What goes wrong | 6 | | ● | ● and exercise |
# | 11 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. derive EM from the evidence lower bound, and say why each line holds,
# 2. prove that the log-likelihood never falls,
# 3. write EM in NumPy, equal to the library to ten digits,
# 4. say how fast it is, break it in three ways, and cure each.
#
# **You need** responsibilities and log-sum-exp ([01](01_responsibilities.ipynb)), derivatives, and logarithms.

# %% [markdown]
# Whatever your path, run the code cells that you skip as well: later ones use their names.

# %%
import numpy as np
from scipy.special import logsumexp

from mixturelab import GaussianMixture, Prior, load_dataset, plot
from mixturelab.exercises import check, progress
from mixturelab.plot import em_lessons, em_limits

# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $\theta$ | all parameters: $\pi_k, \mu_k, \Sigma_k$ for all $k$ | `parameters` |
# | $\ell(\theta)$ | log-likelihood, $\sum_n \log p(x_n \mid \theta)$ | `level` |
# | $z_n$ | the component that row $n$ came from: hidden | |
# | $q_{nk}$ | *any* shares of row $n$: $q_{nk} \ge 0$, $\sum_k q_{nk} = 1$ | `q` |
# | $\mathcal{L}(q, \theta)$ | evidence lower bound (ELBO) | `bound` |
# | $\mathrm{KL}(q \,\Vert\, \gamma)$ | Kullback–Leibler divergence, $\sum_{nk} q_{nk} \log (q_{nk} / \gamma_{nk})$ | `gap` |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on notebook 01. Answer first, then open.

# %% [markdown]
# **a.** `log_joint` is an array [N, K] of $\log \pi_k + \log \mathcal{N}(x_n \mid \mu_k, \Sigma_k)$. How do you get the
# log-likelihood and the responsibilities from it?
#
# <details><summary>Open</summary>
#
# Log-sum-exp along each row gives $\log p(x_n)$; their sum is $\ell$. And $\gamma_{nk}$ is
# `np.exp(log_joint - log_p[:, None])`: the joint divided by its sum, in logarithms so that nothing underflows.
#
# </details>

# %% [markdown]
# **b.** Is $\log(a + b)$ equal to $\log a + \log b$?
#
# <details><summary>Open</summary>
#
# No: that is $\log(ab)$. A log turns products into sums, and does nothing for sums. This is all that stands between us
# and a formula for the best mixture.
#
# </details>

# %% [markdown]
# **c.** Someone tells you of each eruption whether it was short or long. What are now the best weights, means and
# covariances?
#
# <details><summary>Open</summary>
#
# Each group's share of the rows, its mean, its covariance. No iteration is needed: all that makes mixtures hard is that
# nobody tells you.
#
# </details>

# %% [markdown]
# ## 2 · A log that does not split
#
# If every $z_n$ were known, the likelihood would be a product, and the log would split it:
#
# $$\log p(x, z \mid \theta) = \sum_n \log \pi_{z_n} + \sum_n \log \mathcal{N}(x_n \mid \mu_{z_n}, \Sigma_{z_n}).$$
#
# The weights stand in the first sum, each component's mean and covariance in the terms of its own rows.
# Three easy problems: weights, means, covariances.

# %% [markdown]
# But $z_n$ is hidden, so that we have to sum over what it might have been, and this sum lies *inside* the log:
#
# $$\ell(\theta) = \sum_n \log \sum_k \pi_k \, \mathcal{N}(x_n \mid \mu_k, \Sigma_k).$$

# %% [markdown]
# **Predict.** Take the derivative by $\mu_k$ all the same, and set it to zero. Do you get a formula for $\mu_k$?
#
# <details><summary>Open</summary>
#
# You get
#
# $$\sum_n \frac{\pi_k \mathcal{N}(x_n \mid \mu_k, \Sigma_k)}{\sum_j \pi_j \mathcal{N}(x_n \mid \mu_j, \Sigma_j)}
# \, \Sigma_k^{-1} (x_n - \mu_k) = 0
# \quad\Longrightarrow\quad \mu_k = \frac{\sum_n \gamma_{nk} x_n}{\sum_n \gamma_{nk}}.$$
#
# It looks like a formula, but $\gamma_{nk}$ on the right contains $\mu_k$. It is an equation that the best $\mu_k$
# satisfies, not a way to find it [1, eq. 9.17].
#
# </details>

# %% [markdown]
# To see everything in one picture we need a mixture with *one* parameter. Old Faithful's waits again: a broad bell for
# all of them stays where it is. A second, narrow bell may move. Where should its mean $m$ be?

# %%
wait = load_dataset("old_faithful").data[:, 1]


def log_joint_at(m):  # [272, 2]: narrow bell at m, broad bell at 70.9
    weights, means, sds = [0.3, 0.7], np.array([m, 70.9]), np.array([6.0, 13.6])
    z = (wait[:, None] - means) / sds
    return np.log(weights) - np.log(sds * np.sqrt(2 * np.pi)) - z**2 / 2


# %% [markdown]
# **Predict.** Over $m$ from 38 to 102 minutes: what does $\ell(m)$ look like? How many hills?

# %%
grid = np.linspace(38, 102, 300)
levels = [logsumexp(log_joint_at(m), axis=1).sum() for m in grid]
with plot.look():
    picture, axes = plot.subplots(width=7.5, height=3.8)
    axes.plot(grid, levels, color="black")
axes.set(xlabel="mean m of the narrow bell (min)", ylabel="log-likelihood (nats)")
plot.describe(
    picture, "The log-likelihood over the mean: a hill at 53, a valley at 66, a higher hill at 81 minutes."
)

# %% [markdown]
# Two hills, one for each kind of eruption. Here we could try all 300 values. With 11 parameters, as for two bells in the
# plane, nobody can draw the curve; we need a way up that works without seeing it.

# %% [markdown]
# ## 3 · A bound from below
#
# The trick: replace the hard function by an easy one that lies *below* it and *touches* it where we stand. Climb the
# easy one. Repeat.
#
# The easy one has a name, **evidence lower bound**, and four lines of derivation.

# %% [markdown]
# **Line 1. Bring in any $q$.** For one row, multiply and divide by shares $q_k > 0$ that sum to 1:
#
# $$\log p(x) = \log \sum_k p(x, k) = \log \sum_k q_k \frac{p(x, k)}{q_k}.$$
#
# Nothing has changed, but the sum is now a *weighted mean* of the ratios $r_k = p(x, k) / q_k$. (We write $p(x, k)$ for
# $p(x, z = k \mid \theta)$.)

# %% [markdown]
# **Line 2. Jensen's inequality.** The log bends down everywhere (it is *concave*), so the log of a mean is at least the
# mean of the logs:

# %%
em_lessons.jensen_chord([0.2, 1.6], q=[0.5, 0.5])

# %% [markdown]
# The chord's points are means of logs; the curve above them has the logs of the means. So
#
# $$\log \sum_k q_k \frac{p(x, k)}{q_k} \;\ge\; \sum_k q_k \log \frac{p(x, k)}{q_k}.$$
#
# On the right the log has reached the single component. It splits again!

# %% [markdown]
# **Line 3. Add up the rows.** Each has its own $q_n$:
#
# $$\ell(\theta) \;\ge\; \mathcal{L}(q, \theta) = \sum_n \sum_k q_{nk}
# \bigl[\log p(x_n, z_n = k \mid \theta) - \log q_{nk}\bigr].$$
#
# This holds for *every* $q$ and *every* $\theta$. (If some $q_{nk} = 0$, its term counts as 0, and $\ge$ still holds.)

# %% [markdown]
# ### Exercise 02.1 · The bound by hand
#
# Write $\mathcal{L}$ as a function of `log_joint` and `q`, both [N, K]. All entries of `q` are positive.


# %% exercise="02.1"
def lower_bound(log_joint, q):
    bound = ...  # one number
    ### BEGIN SOLUTION
    bound = (q * (log_joint - np.log(q))).sum()
    ### END SOLUTION
    return bound


# %% check="02.1"
check("02.1", lower_bound)

# %% [markdown]
# The story goes on with its own copy. Let us try it: $m = 60$, and a $q$ drawn at random for each of the 272 rows.


# %%
def elbo(log_joint, q):
    return np.sum(q * (log_joint - np.log(q)))


# %%
rng = np.random.default_rng(0)
joint = log_joint_at(60.0)
q = rng.dirichlet([1, 1], size=272)
level = logsumexp(joint, axis=1).sum()
print(f"log-likelihood {level:.1f}, bound {elbo(joint, q):.1f}")

# %% [markdown]
# Below, as promised. By *how much* is no accident. **Line 4** says exactly what Jensen has lost.

# %% [markdown]
# Split the joint the other way, $p(x_n, k) = \gamma_{nk}\, p(x_n)$, and put that into the bound:
#
# $$\mathcal{L} = \sum_{nk} q_{nk} \Bigl[\log p(x_n) + \log \gamma_{nk} - \log q_{nk}\Bigr]
# = \underbrace{\sum_n \log p(x_n)}_{\ell(\theta)} - \underbrace{\sum_{nk} q_{nk} \log
# \frac{q_{nk}}{\gamma_{nk}}}_{\mathrm{KL}(q \,\Vert\, \gamma)}.$$

# %% [markdown]
# (The first term: $\log p(x_n)$ does not depend on $k$, and $\sum_k q_{nk} = 1$.) So the gap is a divergence, with no
# approximation anywhere [1, eq. 9.70 to 9.72]:
#
# $$\boxed{\;\ell(\theta) = \mathcal{L}(q, \theta) + \mathrm{KL}(q \,\Vert\, \gamma)\;}$$

# %% [markdown]
# Never believe four lines of algebra that you can check in two of code:

# %%
gamma = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
gap = np.sum(q * np.log(q / gamma))
print(f"bound + gap = {elbo(joint, q) + gap:.6f}")
print(f"log-likelihood = {level:.6f}")

# %% [markdown]
# **Predict.** We move $m$ and keep $q$: which of the three change, $\ell$, $\mathcal{L}$, KL? And if we change $q$ and keep
# $m$?
#
# <details><summary>Open</summary>
#
# With $m$ all three change. With $q$ only $\mathcal{L}$ and KL do, by opposite amounts: $\ell$ has never heard of
# $q$. The E-step is that remark.
#
# </details>

# %% [markdown]
# ### Exercise 02.2 · When does the bound touch?
#
# The ratios are $r_k = p(x, k) / q_k$. For which $q$ is the bound of a row *equal* to its log-likelihood,
# $\sum_k q_k \log r_k = \log \sum_k q_k r_k = \log \sum_k p(x, k)$?
#
# - **a**: when $q_k = 1/K$ for all $k$
# - **b**: when $r_k$ is the same number for all $k$
# - **c**: when $q_k = 1$ for the $k$ with the largest $p(x, k)$
# - **d**: never; the inequality is strict

# %% exercise="02.2"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "b"
### END SOLUTION

# %% check="02.2"
check("02.2", answer)

# %% [markdown]
# ## 4 · The E-step closes the gap
#
# We want a good bound where we stand: $\theta$ fixed, which $q$ makes $\mathcal{L}$ largest? As $\ell$ does not depend
# on $q$, the largest $\mathcal{L}$ is the smallest KL. And a KL is never negative:

# %% [markdown]
# $$-\mathrm{KL}(q \,\Vert\, \gamma) = \sum_k q_k \log \frac{\gamma_k}{q_k} \;\le\; \log \sum_k q_k \frac{\gamma_k}{q_k}
# = \log 1 = 0,$$
#
# by Jensen once more, with equality only if $\gamma_k / q_k$ is constant, that is $q = \gamma$.

# %% [markdown]
# **The E-step: set $q_{nk} = \gamma_{nk}$.** Then KL is 0 and $\mathcal{L} = \ell$. The responsibilities were no clever
# idea; they are the only $q$ whose bound touches.

# %%
others = [elbo(joint, rng.dirichlet([1, 1], size=272)) for _ in range(1000)]
print(f"bound with q = γ:       {elbo(joint, gamma):.1f}")
print(f"best of 1000 random q: {max(others):.1f}")

# %% [markdown]
# Here is the bound as a function of the *mean*: $q$ made at $m = 95$ and held, while $m$ moves.

# %%
bell = em_lessons.OneMean(wait, weights=(0.3, 0.7), sds=(6.0, 13.6), other_mean=70.9)
em_lessons.bound_curves(bell, held=[95])

# %% [markdown]
# **Predict.** The log-likelihood has two hills. How can the bound have just one? What kind of curve is it?
#
# <details><summary>Open</summary>
#
# With $q$ held, all that depends on $m$ is $-\sum_n q_n (x_n - m)^2 / 2\sigma^2$: a parabola, with one top, at the
# weighted mean of the rows. The second hill is gone because the *other* explanation of each row is frozen in $q$.
#
# </details>

# %% [markdown]
# At the touching point they share the slope as well: $\ell - \mathcal{L}$ is smooth, never negative and zero there, so
# this is its minimum. If the bound has a slope, climbing it a little climbs $\ell$.

# %% [markdown]
# ## 5 · The M-step lifts the bound
#
# Now $q = \gamma$ stays, and $\theta$ moves. The part of $\mathcal{L}$ with $\theta$ in it falls into the three easy
# problems of section 2, with shares in place of labels:
#
# $$\mathcal{L} = \sum_{nk} \gamma_{nk} \log \pi_k + \sum_{nk} \gamma_{nk} \log \mathcal{N}(x_n \mid \mu_k, \Sigma_k)
# \underbrace{- \sum_{nk} \gamma_{nk} \log \gamma_{nk}}_{\text{no } \theta}.$$

# %% [markdown]
# (Many texts call the part with $\theta$ in it $Q(\theta, \theta^{\text{old}})$ and begin here. Where it came from, you
# know.)

# %% [markdown]
# **Weights.** With $N_k = \sum_n \gamma_{nk}$, maximise $\sum_k N_k \log \pi_k$ under $\sum_k \pi_k = 1$. Without the
# constraint it would grow for ever, so extra weight gets a price $\lambda$ (a Lagrange multiplier). Set derivatives to
# zero:
#
# $$\frac{\partial}{\partial \pi_k} \Bigl[\sum_j N_j \log \pi_j + \lambda \Bigl(1 - \sum_j \pi_j\Bigr)\Bigr]
# = \frac{N_k}{\pi_k} - \lambda = 0 \quad\Longrightarrow\quad \pi_k = \frac{N_k}{\lambda}.$$

# %% [markdown]
# ### Exercise 02.3 · The value of λ
#
# One step is missing: which $\lambda$ makes these weights sum to 1? Return it, given the array `N_k`.


# %% exercise="02.3"
def multiplier(N_k):
    lam = ...  # one number
    ### BEGIN SOLUTION
    lam = N_k.sum()
    ### END SOLUTION
    return lam


# %% check="02.3"
check("02.3", multiplier)

# %% [markdown]
# **Means.** Only $-\tfrac12 \sum_n \gamma_{nk} (x_n - \mu_k)^\top \Sigma_k^{-1} (x_n - \mu_k)$ contains $\mu_k$.

# %% [markdown]
# ### Exercise 02.4 · The gradient by a mean
#
# Write its gradient with respect to $\mu_k$, at any given `mean`. `x` is [N, D], `gamma_k` [N], `covariance` [D, D].


# %% exercise="02.4"
def gradient(x, gamma_k, mean, covariance):
    slope = ...  # D numbers
    ### BEGIN SOLUTION
    slope = np.linalg.solve(covariance, gamma_k @ (x - mean))
    ### END SOLUTION
    return slope


# %% check="02.4"
check("02.4", gradient)

# %% [markdown]
# A gradient on paper is a claim. Finite differences test it: nudge one parameter, see what the function does. In our
# one-parameter mixture, at $m = 95$:


# %%
def expected(m, narrow):  # the part of the bound that contains m
    return -0.5 * np.sum(narrow * (wait - m) ** 2) / 6.0**2


# %%
narrow, h = bell.shares(95.0), 1e-4
by_hand = np.sum(narrow * (wait - 95.0)) / 6.0**2
by_nudge = (expected(95 + h, narrow) - expected(95 - h, narrow)) / (2 * h)
print(f"formula {by_hand:.5f}, finite difference {by_nudge:.5f}")

# %% [markdown]
# Set the gradient to zero. $\Sigma_k^{-1}$ is invertible, so it can be multiplied away, and this time $\gamma$ is held,
# so what remains *is* a formula:
#
# $$\sum_n \gamma_{nk} (x_n - \mu_k) = 0 \quad\Longrightarrow\quad \mu_k = \frac{1}{N_k} \sum_n \gamma_{nk} x_n.$$

# %% [markdown]
# **Covariances.** Differentiate by the precision $P = \Sigma_k^{-1}$: it is simpler, and one determines the other. Two
# facts are enough: $\frac{\partial}{\partial P} \log |P| = P^{-1}$, and
# $\frac{\partial}{\partial P} v^\top P v = v v^\top$ (for symmetric $P$).

# %% [markdown]
# $$\frac{\partial}{\partial P} \Bigl[\tfrac12 N_k \log |P| - \tfrac12 \sum_n \gamma_{nk} (x_n - \mu_k)^\top P (x_n -
# \mu_k)\Bigr] = \tfrac12 N_k \Sigma_k - \tfrac12 \sum_n \gamma_{nk} (x_n - \mu_k)(x_n - \mu_k)^\top = 0,$$
#
# $$\Longrightarrow\quad \Sigma_k = \frac{1}{N_k} \sum_n \gamma_{nk} (x_n - \mu_k)(x_n - \mu_k)^\top.$$

# %% [markdown]
# **Predict.** Which $\mu_k$ belongs into that last line, the old one or the new one? And is this point a maximum, not a
# minimum?
#
# <details><summary>Open</summary>
#
# The new one: the best $\mu_k$ is the same whatever $\Sigma_k$ is, so take it first, then the covariance about it. And
# a maximum: $\log \pi$ and $\log |P|$ are concave, the rest is linear in $P$ or a downward parabola in $\mu_k$.
#
# </details>

# %% [markdown]
# **The M-step:** $\pi_k = N_k / N$, $\mu_k$ and $\Sigma_k$ as above [1, eq. 9.24 to 9.27]. They are the formulas for
# known labels, with shares in place of labels.

# %% [markdown]
# ## 6 · It never falls
#
# The proof has three lines. EM stands at $\theta$, makes $q = \gamma(\theta)$, and goes to $\theta'$:
#
# $$\begin{aligned}
# \ell(\theta') &\ge \mathcal{L}(q, \theta') && \text{the bound lies below, everywhere (section 3)} \\
# &\ge \mathcal{L}(q, \theta) && \text{the M-step takes its highest point (section 5)} \\
# &= \ell(\theta) && \text{the E-step made it touch (section 4)} \qquad \blacksquare
# \end{aligned}$$

# %% [markdown]
# **Predict.** Suppose the M-step is lazy: it does not find the top of the bound, only a higher point. Which line
# breaks? And if the E-step is lazy, so that $q \ne \gamma$?
#
# <details><summary>Open</summary>
#
# The lazy M-step breaks nothing: line two needs a *higher* point, not the highest (*generalised EM*). The lazy E-step breaks line
# three: $\mathcal{L}$ still never falls, but $\ell$ may. Variational Bayes, in [06](06_bayesian_mixtures.ipynb), lives with that.
#
# </details>

# %% [markdown]
# Now see it. From $m = 95$, with a $q$ that was made elsewhere (at 100), note $\ell$ and $\mathcal{L}$ after each half
# step:

# %%
m, narrow = 95.0, bell.shares(100.0)  # a mean, and the narrow bell's shares
path = [(m, narrow)]
for _ in range(5):
    narrow = bell.shares(m)  # E-step
    path.append((m, narrow))
    m = narrow @ wait / narrow.sum()  # M-step
    path.append((m, narrow))

# %%
levels = [logsumexp(log_joint_at(m), axis=1).sum() for m, _ in path]
bounds = [elbo(log_joint_at(m), np.column_stack([q, 1 - q])) for m, q in path]
em_lessons.half_steps(levels, bounds)

# %% [markdown]
# E closes the gap; M lifts both curves and opens a new one. The gap is what you gain *for free*: $\ell$ rises by more
# than $\mathcal{L}$ did.

# %% [markdown]
# What was *not* proved: that EM finds the highest hill, that it is quick, or that there is a highest hill at all.
# Sections 9 and 10 take these up.

# %% [markdown]
# ## 7 · Climb it yourself
#
# Of all bounds the **E-step** takes the one that touches where we stand, $q = \gamma$. The **M-step** goes to its top.
# Slide the mean, and press these buttons; **forward** does whichever is due.

# %%
from mixturelab.plot.em_widgets import BoundClimber

# %% [markdown]
# **Predict**, before you move anything:
#
# 1. With a bound drawn, can you slide the mean to where the dashed curve is above the solid one?
# 2. The hills lie at 53 and 81, the valley at 66. From which starts does EM reach the higher hill? Try 66.3 and 65.5.

# %%
climber = BoundClimber(bell, start=95.0)
climber

# %% [markdown]
# Work the slider with the mouse, or click it and use the arrow keys.
#
# <details><summary>Open</summary>
#
# 1. Nowhere: that is what a lower bound is.
# 2. From all to the right of the valley's floor near 66, and only from those. Where it touches, the bound
#    has ℓ's slope, so each step sets off uphill, away from the floor. Near the floor the first steps are tiny, and the way is long.
#
# </details>

# %% [markdown]
# Both steps maximise the *same* function, $\mathcal{L}(q, \theta)$, one argument at a time: **coordinate ascent** [3].
# Draw it as a map. Across: the mean at which $q$ was made. Up: the mean $m$.

# %%
em_lessons.staircase(bell, starts=[60, 70, 95])

# %% [markdown]
# **Predict.** Where on this map does EM stop? Why does it not stop where the curves cross near 66?
#
# <details><summary>Open</summary>
#
# Where the dashed curve crosses the diagonal: there both steps leave everything as it is. Near 66 they cross too, at
# the valley's floor, but the dashed curve is *steeper* than the diagonal, so each stair leads away. Keep the slope in
# mind: in section 9 it is the speed.
#
# </details>

# %% [markdown]
# ## 8 · EM from scratch
#
# For a fit of all parameters you need no more than you have derived. First you, in one dimension; then the story, in
# any number, and the library as a judge.

# %% [markdown]
# ### Exercise 02.5 · One whole iteration
#
# Take 20 minutes. From rows `x` [N] and `weights`, `means`, `variances` [K]: the E-step, then the M-step. Return the new
# parameters as the three lines of one array.


# %% exercise="02.5"
def em_iteration(x, weights, means, variances):
    new_parameters = ...  # np.array([weights, means, variances])
    ### BEGIN SOLUTION
    exponents = -((x[:, None] - means) ** 2) / (2 * variances)
    log_joint = np.log(weights) - 0.5 * np.log(2 * np.pi * variances) + exponents
    gamma = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
    N_k = gamma.sum(axis=0)
    new_means = gamma.T @ x / N_k
    spread = (gamma * (x[:, None] - new_means) ** 2).sum(axis=0) / N_k
    new_parameters = np.array([N_k / len(x), new_means, spread])
    ### END SOLUTION
    return new_parameters


# %% check="02.5"
check("02.5", em_iteration)

# %% [markdown]
# In $D$ dimensions the E-step needs $\log \mathcal{N}$, here with a Cholesky factor $\Sigma = LL^\top$. It gives both
# parts: the exponent is $-\tfrac12 \lVert L^{-1}(x - \mu) \rVert^2$, and $\log |\Sigma| = 2 \sum_d \log L_{dd}$.


# %%
def log_joint(X, weights, means, covariances):
    columns = []
    for pi, mu, Sigma in zip(weights, means, covariances, strict=True):
        L = np.linalg.cholesky(Sigma)
        y = np.linalg.solve(L, (X - mu).T)
        log_det = 2 * np.log(np.diag(L)).sum()
        columns.append(np.log(pi) - 0.5 * (len(mu) * np.log(2 * np.pi) + log_det + (y**2).sum(axis=0)))
    return np.column_stack(columns)


# %%
def e_step(X, parameters):
    joint = log_joint(X, *parameters)
    log_p = logsumexp(joint, axis=1, keepdims=True)
    return np.exp(joint - log_p), log_p.sum()  # responsibilities, log-likelihood


# %% [markdown]
# **The hinge.** The M-step looks at the rows through three sums only, the *sufficient statistics*:
#
# $$N_k = \sum_n \gamma_{nk}, \qquad S1_k = \sum_n \gamma_{nk} x_n, \qquad S2_k = \sum_n \gamma_{nk} x_n x_n^\top.$$


# %%
def statistics(X, gamma):
    return gamma.sum(axis=0), gamma.T @ X, np.einsum("nk,ni,nj->kij", gamma, X, X)


# %%
def m_step(N_k, S1, S2):
    means = S1 / N_k[:, None]
    covariances = S2 / N_k[:, None, None] - np.einsum("ki,kj->kij", means, means)
    return N_k / N_k.sum(), means, covariances


# %% [markdown]
# Responsibilities → statistics → parameters: these two arrows are the M-step, here and in the library. As the
# statistics are sums, they *add*: over pieces of a table, machines, or time (notebook
# [07](07_mixtures_in_motion.ipynb)).


# %%
def em(X, gamma, n_iterations):
    parameters, path = m_step(*statistics(X, gamma)), []
    for _ in range(n_iterations):
        gamma, level = e_step(X, parameters)
        parameters = m_step(*statistics(X, gamma))
        path.append(level)
    return parameters, path


# %% [markdown]
# That is all of it: fewer than 30 lines. Is it right? A start on purpose not good, the library from the same
# responsibilities (`init_params`), and its ridge off (`reg_covar=0`), as ours has none.

# %%
X = load_dataset("old_faithful").data
gamma = np.random.default_rng(3).dirichlet([1, 1], size=len(X))
library = GaussianMixture(2, init_params=gamma, reg_covar=0.0, tol=1e-6, max_iter=500).fit(X)
parameters, path = em(X, gamma, library.n_iter_)
print("iterations:", library.n_iter_)

# %%
theirs = [library.weights_, library.means_, library.covariances_]
for name, a, b in zip(["weights", "means", "covariances"], parameters, theirs, strict=True):
    print(f"{name:12s} equal to 1e-10:", np.allclose(a, b, rtol=1e-10, atol=0))
print("log-likelihood path:", np.allclose(np.array(path) / len(X), library.lower_bounds_, rtol=1e-10))

# %% [markdown]
# Equal: the path number by number, and where it ends. (The library notes $\ell / N$, the mean per row.)
#
# You can now read its source: `mixturelab/inference/em.py` has these two steps, `model/suffstats.py` the sums between
# them, `inference/fit.py` the loop.

# %% [markdown]
# Its statistics are a class that knows how to add. It takes sums about an *origin*, for reasons of rounding that notebook
# 07 shows; with the origin at zero they are ours:

# %%
import torch

from mixturelab import SufficientStatistics
from mixturelab.model.forms import DENSE

table, shares = torch.from_numpy(X), torch.from_numpy(library.predict_proba(X))
theirs = SufficientStatistics.collect(table, shares, torch.zeros(2, 2, dtype=torch.float64), DENSE)
ours = statistics(X, library.predict_proba(X))
pairs = zip(ours, [theirs.mass, theirs.first, theirs.second], strict=True)
print("N_k, S1, S2 equal:", [np.allclose(a, b.numpy(), rtol=1e-12) for a, b in pairs])

# %% [markdown]
# **Predict.** We shuffle the rows *and* move each pair of rows with equal responsibilities apart, symmetrically about
# their midpoint. Which of the three sums change?
#
# <details><summary>Open</summary>
#
# Shuffling changes none. Moving a pair apart leaves $N_k$ and $S1_k$ as they are, and makes $S2_k$ grow: the means
# stay, the covariances widen. What leaves all three as they are, the M-step cannot see.
#
# </details>

# %% [markdown]
# And the promise of section 6, on 100 random starts with all 11 parameters free:

# %%
worst = np.inf
for seed in range(100):
    start = np.random.default_rng(seed).dirichlet([1, 1], size=len(X))
    worst = min(worst, np.diff(em(X, start, 25)[1]).min())
print("2400 iterations, any of them down by more than rounding:", bool(worst < -1e-9))

# %% [markdown]
# ## 9 · How fast?
#
# Two bells, 500 rows each, σ = 1, at a distance $d$. EM starts at the truth, which the sample does not quite have, and
# we note how far the means move in each iteration.


# %%
def changes(d, n_iterations=450):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 500), rng.normal(d, 1, 500)])[:, None]
    parameters, means = (np.full(2, 0.5), np.array([[0.0], [d]]), np.ones((2, 1, 1))), []
    for _ in range(n_iterations):
        parameters = m_step(*statistics(x, e_step(x, parameters)[0]))
        means.append(parameters[1].ravel())
    return np.abs(np.diff(means, axis=0)).max(axis=1)


# %% [markdown]
# **Predict.** $d = 6, 4, 3, 2.5$. (Old Faithful's clouds: 6.6, with one covariance for both.) By what factor does a change shrink from one
# iteration to the next: the same for all $d$, nearer to 0 or nearer to 1 as the bells overlap?

# %%
moved = {d: changes(d) for d in (6, 4, 3, 2.5)}
moved = {d: change[change > 1e-8] for d, change in moved.items()}
rates = {d: change[-1] / change[-2] for d, change in moved.items()}
em_limits.slowing(moved, rates)

# %% [markdown]
# Straight lines on a log scale: each change is a constant share of the one before. This is **linear convergence**, and
# the share is its **rate**. It goes to 1 as the bells merge: at 2.5 σ a digit costs 70 iterations (in twenty other
# samples of this kind, 40 to 130).

# %% [markdown]
# What *is* the rate? In the map of section 7, one iteration is "up to the dashed curve, across to the diagonal". Near the
# crossing a distance is multiplied by the dashed curve's **slope**. For our one mean it can be worked out ($\gamma_n$ is
# the narrow bell's share of row $n$):

# %% [markdown]
# $$\text{rate} = \frac{\sum_n \gamma_n (1 - \gamma_n)(x_n - m)^2 / \sigma^4}{\sum_n \gamma_n / \sigma^2}
# = \frac{\text{information that the hidden } z \text{ would add}}{\text{information if } z \text{ were known}}.$$

# %% [markdown]
# <details><summary>Where it comes from</summary>
#
# $\mathrm{d}\gamma_n / \mathrm{d}m = \gamma_n (1 - \gamma_n)(x_n - m)/\sigma^2$ (a softmax). Differentiate
# $M(m) = \sum_n \gamma_n x_n / \sum_n \gamma_n$ by the quotient rule, at the fixed point $M(m) = m$:
# $M'(m) = \sum_n \gamma_n (1 - \gamma_n)(x_n - m)^2 / (\sigma^2 \sum_n \gamma_n)$. The denominator
# $\sum_n \gamma_n / \sigma^2$ is the information about $m$ if $z$ were known; the numerator is the variance of the score over the unknown $z$, what is *missing*.
# With many parameters the rate is the largest eigenvalue of (known)⁻¹ (missing) [2, 5].
#
# </details>

# %% [markdown]
# **The rate is the share of missing information.** If all $\gamma$ are 0 or 1, nothing is missing, and EM is done in a
# step or two. If the bells merge, nearly everything is. Formula and measurement:

# %%
means = bell.path(95.0, 20)
m, g = means[-1], bell.shares(means[-1])
missing = np.sum(g * (1 - g) * (wait - m) ** 2) / (6.0**2 * g.sum())
steps = np.diff(means)
print(f"share of missing information {missing:.3f}, measured rate {steps[-1] / steps[-2]:.3f}")

# %% [markdown]
# ### Exercise 02.6 · How far still to go?
#
# A fit stops because a mean moved by only `change` in the last iteration. Each change is `rate` times the one before.
# How far would it still move, in all?


# %% exercise="02.6"
def remaining(change, rate):
    way = ...  # one number
    ### BEGIN SOLUTION
    way = change * rate / (1 - rate)
    ### END SOLUTION
    return way


# %% check="02.6"
check("02.6", remaining)

# %% [markdown]
# So `tol` is a statement about the last step, not about the distance. (It looks at $\ell$, which is flat at the top: its
# changes shrink by rate².) If components overlap, make `tol` smaller.

# %% [markdown]
# ## 10 · What goes wrong
#
# Three things, each produced on purpose and cured. **The first: there may be no highest hill.** We put one bell right on
# the shortest wait, 43 minutes, and make it narrower and narrower; the broad bell keeps explaining the rest.

# %%
sds = 4.0 / 2.0 ** np.arange(20)


def level_at(row, sd):
    return em_lessons.OneMean(wait, (0.5, 0.5), (sd, 13.6), 70.9).log_likelihood(row)


# %% [markdown]
# **Predict.** One wait is 43 minutes, 15 are 78. By how much does $\ell$ change each time σ is halved, once the bell is
# very narrow? Think of $1/\sigma$ in front of the density.

# %%
places = {"on the one row at 43 min": 43, "on the 15 rows at 78 min": 78}
shrink = {words: [level_at(row, sd) for sd in sds] for words, row in places.items()}
em_limits.shrinking(sds, shrink)

# %%
for name, level in shrink.items():
    print(f"{name}: {level[-1] - level[-2]:+.2f} nats for each halving")

# %% [markdown]
# $\log 2 = 0.69$ for each row under the spike, 15 times that on the shared minute, and no end to it: the likelihood of a
# Gaussian mixture is **unbounded** [1, section 9.2.1]. EM, doing what it promised, runs there:

# %%
x, variances = wait[:, None], np.array([0.5, 13.6]) ** 2
start = np.array([0.1, 0.9]), np.array([[43.0], [70.9]]), variances[:, None, None]
parameters = start
for _ in range(3):
    print(f"standard deviation of the first bell: {parameters[2][0, 0, 0] ** 0.5:.3f}")
    parameters = m_step(*statistics(x, e_step(x, parameters)[0]))

# %% [markdown]
# One more turn and the variance is zero, the density infinite. Three cures. `reg_covar` adds a small ridge to each
# covariance, so that no spike is infinitely high. But high enough to *win*:

# %%
iris = load_dataset("iris").data
settings = {"init_params": "random_from_data", "max_iter": 1000, "tol": 1e-6, "random_state": 0}
fits = GaussianMixture(3, n_init=30, **settings).fit_restarts(iris)
levels = [fit.score(iris) * len(iris) for fit in fits]
spurious = [bool(fit.spurious_) for fit in fits]
em_limits.ends_of_starts(levels, spurious)

# %% [markdown]
# Thirty starts on 150 irises, three components. The likeliest of all is a cross, 81 nats above the rest. What has it
# found?

# %%
from textwrap import fill

likeliest = fits[int(np.argmax(levels))]
print(fill(likeliest.spurious_[0], 80))
print("irises with a petal exactly 0.2 cm wide:", (iris[:, 3] == 0.2).sum())

# %% [markdown]
# A ruler's mark, not a species. So the second cure is to **recognise** it: the library writes the reason into
# `spurious_`, warns, and ranks honest fits first. Notebook [04](04_model_selection.ipynb) returns to this.

# %% [markdown]
# The third goes to the root. Say beforehand, weakly, what a variance may be: a **prior**. Each M-step then divides
# (its scatter + the rows') by (its count + $N_k$), and zero cannot come out. The same start, on the row at 43 minutes,
# with no ridge at all:

# %%
spike = e_step(x, start)[0]
cured = GaussianMixture(2, init_params=spike, prior=Prior(), reg_covar=0, tol=1e-6).fit(x)
print("standard deviations, with a prior:", (cured.covariances_.ravel() ** 0.5).round(1), "minutes")

# %% [markdown]
# **Predict.** Two bells, of which one began as a spike of half a minute. What are the means? Look at `cured.means_`.
#
# <details><summary>Open</summary>
#
# The two groups of the geyser: without a spike to run into, EM has found its way back. What it climbs now is
# $\ell(\theta) + \log p(\theta)$; [06](06_bayesian_mixtures.ipynb) writes the step down, and draws the hill that is left.
#
# </details>

# %% [markdown]
# **The second: local optima.** Look at the dots again. Half of the starts reach the best honest level (of three other sets
# of thirty, 9 to 13). The others have climbed another hill, and at its top EM stays. Cure: several starts, and
# better ones.

# %%
print(f"honest and best: {levels[0]:.1f}, reached by {np.isclose(levels, levels[0], atol=0.1).sum()} of 30")
good = [GaussianMixture(3, random_state=seed).fit(iris) for seed in range(5)]
print("from k-means starts:", [round(fit.score(iris) * len(iris), 1) for fit in good])

# %% [markdown]
# **Predict.** If a random start succeeds half of the time, how many do you need to fail only once in a thousand?
#
# <details><summary>Open</summary>
#
# Ten: $0.5^{10} \approx 0.001$. That is `n_init=10`; if one in three succeeds, seventeen. A better start is cheaper than many: k-means, the default, gets there
# in one, here.
#
# </details>

# %% [markdown]
# **The third: label switching.** Two fits of Old Faithful that differ in their seed:

# %%
first, second = (GaussianMixture(2, random_state=seed).fit(X) for seed in (0, 1))
print("first: ", first.means_.round(1).tolist())
print("second:", second.means_.round(1).tolist())

# %% [markdown]
# **Predict.** Which of the two is better? And what do you get if you average their means, to be on the safe side?

# %%
print(f"log-likelihoods per row: {first.score(X):.3f} and {second.score(X):.3f}")
print("averaged means:", ((first.means_ + second.means_) / 2).round(1).tolist())

# %% [markdown]
# Neither; and nonsense: two components in the valley where nothing lives. The likelihood does not change if components are
# renumbered, so each hill exists $K!$ times. Cure: **match before you compare.**

# %% [markdown]
# ### Exercise 02.7 · The same components, renumbered
#
# Responsibilities [N, K] of two fits. Return K column numbers `order`, so that column k of `gamma_b[:, order]` is the
# component that is column k of `gamma_a`. Each column is used once.


# %% exercise="02.7"
def matching(gamma_a, gamma_b):
    order = ...  # K whole numbers
    ### BEGIN SOLUTION
    from scipy.optimize import linear_sum_assignment

    overlap = gamma_a.T @ gamma_b
    order = linear_sum_assignment(-overlap)[1]
    ### END SOLUTION
    return order


# %% check="02.7"
check("02.7", matching)

# %% [markdown]
# With two components in one obvious order, sorting by a feature will do:

# %%
order_a, order_b = (np.argsort(fit.means_[:, 0]) for fit in (first, second))
print("averaged:", ((first.means_[order_a] + second.means_[order_b]) / 2).round(1).tolist())

# %% [markdown]
# ## 11 · Look back
#
# - $\ell(\theta) = \mathcal{L}(q, \theta) + \mathrm{KL}(q \,\Vert\, \gamma)$, for every $q$. Jensen gives the sign, Bayes
#   the rest.
# - E-step: $q = \gamma$ closes the gap. M-step: the top of the bound, from $N_k$, $S1_k$, $S2_k$ alone.
# - Hence $\ell$ never falls. It may end on a lower hill, or climb a spike without end.
# - Speed: linear, at the share of missing information.
# - Several starts; a ridge, a prior *and* a look at `spurious_`; matching before comparing.

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>Why can the M-step be solved in closed form, and ℓ cannot? (2, 5)</summary>
#
# In 𝓛 the log stands inside the sum over components and reaches each Gaussian; in ℓ the sum stands inside the log.
#
# </details>
#
# <details><summary>Which of ℓ, 𝓛 and KL does the E-step change, which the M-step? (4, 5)</summary>
#
# E: 𝓛 up, KL down to 0, ℓ stays. M: all three go up (or stay).
#
# </details>
#
# <details><summary>Your EM's log-likelihood fell by 0.3 in iteration 7. What do you conclude? (6)</summary>
#
# There is a bug: no data can do that. (A large ridge can: it moves the M-step off the top of the bound.) Favourite
# suspects: responsibilities normalised down the columns, and an E-step with a wrong density (a lost ½, σ² for σ).
# Covariances about the *old* means are no suspect: that M-step is lazy, but it climbs.
#
# </details>
#
# <details><summary>Why is EM slow exactly where clustering is hard? (9)</summary>
#
# Overlap means that z is uncertain even when x is known. That is the missing information, and its share is the rate.
#
# </details>
#
# <details><summary>Among 200 starts one has by far the highest log-likelihood. Do you publish it? (10)</summary>
#
# Look at its smallest variance and its N<sub>k</sub> first. The more starts, the likelier one of them has found a spike.
#
# </details>

# %%
progress("02")

# %% [markdown]
# **Further reading**
#
# 1. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. EM for Gaussians is section 9.2 (eq. 9.23
#    to 9.27), the general view section 9.4 (the decomposition is eq. 9.70 to 9.72); singularities are in 9.2.1.
# 2. A. P. Dempster, N. M. Laird and D. B. Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm,
#    *Journal of the Royal Statistical Society B* 39, 1-38. The name, the proof, and the rate as missing information.
# 3. R. M. Neal and G. E. Hinton (1998), A view of the EM algorithm that justifies incremental, sparse, and other
#    variants, in *Learning in Graphical Models*, Kluwer. Coordinate ascent on the bound.
# 4. C. F. J. Wu (1983), On the convergence properties of the EM algorithm, *Annals of Statistics* 11, 95-103. What
#    "never falls" does and does not imply.
# 5. T. A. Louis (1982), Finding the observed information matrix when using the EM algorithm, *Journal of the Royal
#    Statistical Society B* 44, 226-233.
# 6. L. Xu and M. I. Jordan (1996), On convergence properties of the EM algorithm for Gaussian mixtures, *Neural
#    Computation* 8, 129-151. Speed and overlap.
#
# **Next:** [03](03_covariance_families.ipynb), covariance families. What an ellipse may look like, and what each freedom
# costs.
