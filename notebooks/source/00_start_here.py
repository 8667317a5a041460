# Source of notebook 00: install check, notation, a first mixture, one responsibility by hand, EM step by step, a map.

# %% [markdown]
# # 00 · Start here: your first mixture
#
# Old Faithful is a geyser. Some of its eruptions are short, others long, and nobody writes down which kind one was.
# Can we tell from the numbers alone? How sure can we be of a single one?
#
# A **mixture model** answers both: it finds the kinds, and says of each row how far each kind answers for it.

# %% [markdown]
# **How to use a notebook.** Run a cell with <kbd>Shift</kbd>+<kbd>Enter</kbd>, from top to bottom. When you read
# **Predict**, stop and say your answer aloud before you open it: a wrong guess teaches more than a right one read.
#
# Exercises check themselves, as often as you like. What you have done is kept on this computer, and nothing is sent
# anywhere; `progress` at the end shows it. No cell needs your answer: stuck is no reason to stop.
#
# **Before you begin**, if you have ten minutes: [ten questions](concept_inventory.ipynb). After the course they show
# what has changed.
#
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 3 | | ● | ● |
# | 2 Is everything here? | 1 | ● | ● | ● |
# | 3 A mixture in sixty seconds | 7 | ● | ● | ● |
# | 4 Words and symbols | 4 | ● | ● | ● |
# | 5 By hand: one eruption | 13 | | ● | ● without hints |
# | 6 All 272 at once | 7 | | ● | ● |
# | 7 Watch it learn | 12 | | ● | ● and ★ (25 minutes) |
# | 8 Look back | 3 | ● | ● | ● quiz with a neighbour |
#
# Skipping a section? Run its cells all the same (*Run All Above Selected Cell*): later ones use them.

# %% [markdown]
# **By the end you can**
#
# 1. fit a mixture to a table and read its weights and means,
# 2. work out a *responsibility* by hand, and with the library,
# 3. say what the two steps of EM do, work out half of one by hand, and know what never happens while it runs.
#
# **You need** the mean, the standard deviation, the bell curve, and a little NumPy. No calculus.

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on what you know already. Answer first, then open.

# %% [markdown]
# **a.** The mean wait between eruptions is 71 minutes. Is 71 minutes a common wait?
#
# <details><summary>Open</summary>
#
# Not necessarily, and here it is not: 19 of 272 waits are within two minutes of 71, but 58 within two minutes of 80.
# With two kinds of eruption the mean falls between them. You will see it in section 3.
#
# </details>

# %% [markdown]
# **b.** Can a probability density be larger than 1?
#
# <details><summary>Open</summary>
#
# Yes. Densities are per unit: only the *area* under the curve is 1. A bell curve with σ = 0.1 is almost 4 high at its mean.
#
# </details>

# %% [markdown]
# **c.** 36 % of all eruptions are short. You arrive at a random one: how likely is it short? And if you hear that the
# wait after it was 80 minutes?
#
# <details><summary>Open</summary>
#
# 36 %, as long as you know nothing else. The wait is evidence and changes the answer, by Bayes' rule. How far it does
# is the subject of this notebook.
#
# </details>

# %% [markdown]
# ## 2 · Is everything here?

# %%
import sys

import numpy as np

from mixturelab import GaussianMixture, load_dataset, plot, responsibilities
from mixturelab.exercises import check, progress

print("Python 3.11 or newer:", sys.version_info >= (3, 11))
print("mixturelab is here:", GaussianMixture.__name__)

# %% [markdown]
# An error instead? Then the notebook runs outside the environment in which mixturelab was installed. In the folder of
# the project, `make lab` (or `python -m mixturelab lab`) opens it inside.

# %% [markdown]
# ## 3 · A mixture in sixty seconds
#
# First the table: how long each eruption lasted, and how long the wait was until the next. Both in minutes.

# %%
geyser = load_dataset("old_faithful")
geyser.frame.head(4)

# %% [markdown]
# Look before you model.

# %%
with plot.look():
    picture = plot.new(6.4, 4.4)
    axes = picture.subplots()
axes.scatter(*geyser.data.T, s=22, color="dimgrey", alpha=0.7, linewidths=0)
axes.set(xlabel="eruption (min)", ylabel="wait until the next (min)")
plot.describe(picture, "272 points in two clouds: one low on the left, a larger one high on the right.")

# %% [markdown]
# **Predict.** How many kinds do you see? What share of the points has each? Where is the middle of each?
#
# <details><summary>Open</summary>
#
# Two clouds: about a third of the points near (2 min, 55 min), two thirds near (4.3 min, 80 min). The next cell knows
# nothing of your guess and should agree with it.
#
# </details>

# %%
mixture = GaussianMixture(n_components=2, random_state=0).fit(geyser.data)
print("weights:", mixture.weights_.round(2))
print("means:  ", mixture.means_.round(1).tolist())

# %% [markdown]
# That was all: no labels, one line. Component 0 has 36 % of the weight and sits at 2.0 minutes, with a wait of 54.5.

# %%
plot.soft_assignments(mixture, geyser)

# %% [markdown]
# Each ellipse holds 90 % of one component. A row takes the colour of the component that answers for it; where two
# share it, the colours mix, and the row gets a dark rim.

# %% [markdown]
# **Predict.** One eruption has a rim. It lasted 2.9 minutes, and the wait was 63. How sure would you be that it is of
# the short kind?

# %%
mixture.predict_proba([[2.9, 63.0]]).round(2)

# %% [markdown]
# 80 % short, 20 % long. These two numbers are the **responsibilities** of the components for that row. They are the
# heart of everything that follows.

# %% [markdown]
# ## 4 · Words and symbols
#
# One notation in all notebooks, in the code and in the solutions. Come back to this table whenever you need it.
#
# | Symbol | Say | In code | Old Faithful |
# |---|---|---|---|
# | $x_n$ | row $n$, with $D$ features | `X[n]` | one eruption, $D = 2$ |
# | $N$, $K$ | number of rows, of components | `len(X)`, `n_components` | 272, 2 |
# | $\pi_k$ | mixing weight: the share of component $k$ | `weights_[k]` | 0.36 for the short kind |
# | $\mu_k$ | mean of component $k$ | `means_[k]` | (2.0, 54.5) |
# | $\Sigma_k$ | covariance: width and tilt; $\sigma_k^2$ if $D = 1$ | `covariances_[k]` | the ellipse |
# | $\mathcal{N}(x \mid \mu, \Sigma)$ | Gaussian density at $x$ | | the bell |
# | $p(x)$ | density of the whole mixture | `np.exp(score_samples(X))` | |
# | $\gamma_{nk}$ | responsibility of component $k$ for row $n$ | `predict_proba(X)[n, k]` | 0.80 and 0.20 above |
# | $N_k$ | rows that component $k$ answers for, $\sum_n \gamma_{nk}$ | `predict_proba(X).sum(axis=0)` | about 97 and 175 |

# %% [markdown]
# Two formulas carry this notebook. The density of a mixture is a weighted sum of bells,
#
# $$p(x) = \sum_{k=1}^{K} \pi_k \, \mathcal{N}(x \mid \mu_k, \Sigma_k),$$
#
# and the responsibility of a component is its share of that sum:
#
# $$\gamma_{nk} = \frac{\pi_k \, \mathcal{N}(x_n \mid \mu_k, \Sigma_k)}
# {\sum_{j=1}^{K} \pi_j \, \mathcal{N}(x_n \mid \mu_j, \Sigma_j)}.$$
#
# The second is Bayes' rule: prior times likelihood, divided by all there is [1, eq. 9.7 and 9.13].

# %% [markdown]
# **Predict.** What do the responsibilities of one row sum to? What do all $N_k$ sum to?
#
# <details><summary>Open</summary>
#
# To 1: they are shares of one sum. And so $\sum_k N_k = N = 272$: each row is handed out exactly once, in parts.
#
# </details>

# %% [markdown]
# ## 5 · By hand: one eruption
#
# Now without the library, and with one measurement: the wait. We cut the table at 3 minutes, between the clouds, and
# take the mean and the standard deviation of each side.

# %%
duration, wait = geyser.data.T
short = duration < 3
counts = np.array([short.sum(), (~short).sum()])
means = np.array([wait[short].mean(), wait[~short].mean()]).round(1)
sds = np.array([wait[short].std(), wait[~short].std()]).round(1)
print("counts:", counts, " means:", means, " standard deviations:", sds)

# %% [markdown]
# ### Exercise 00.1 · Mixing weights
#
# 97 eruptions are short, 175 are long. Compute the two mixing weights $\pi$ from `counts`, as an array. Replace the
# dots, run the cell, then run the check below it. Do try a wrong answer too, and see what it says.

# %% exercise="00.1"
weights = ...  # an array of two numbers
### BEGIN SOLUTION
weights = counts / counts.sum()
### END SOLUTION

# %% check="00.1"
check("00.1", weights)

# %% [markdown]
# From here on the story uses its own copy, rounded, so that it goes on whatever your answer was. Next, the bell curve
# in one dimension:
#
# $$\mathcal{N}(x \mid \mu, \sigma^2) = \frac{1}{\sigma \sqrt{2\pi}} \exp\left(-\frac{(x - \mu)^2}{2\sigma^2}\right).$$


# %%
def normal_density(x, mean, sd):
    z = (x - mean) / sd
    return np.exp(-(z**2) / 2) / (sd * np.sqrt(2 * np.pi))


# %%
pi = np.array([0.357, 0.643])
print("density at 66 minutes:", normal_density(66.0, means, sds).round(4))

# %% [markdown]
# **Predict.** After one eruption the wait was 66 minutes. The short kind's mean is 11.5 minutes away, the long kind's
# 14. But long eruptions are more common. Which of the two is more responsible?
#
# <details><summary>Open</summary>
#
# Nearly a tie, with the short kind just ahead: its density is more than twice as high (0.0096 against 0.0044), the other's weight
# is 1.8 times as high. Work it out to see by how much.
#
# </details>

# %% [markdown]
# ### Exercise 00.2 · A responsibility by hand
#
# Fill in the function. It gets one wait $x$ and arrays with one entry for each component, and returns the
# responsibilities $\gamma_k$ of all components. `normal_density` works on arrays as it is.


# %% exercise="00.2"
def responsibility(x, weights, means, sds):
    gamma = ...  # your formula, in one line or several
    ### BEGIN SOLUTION
    joint = weights * normal_density(x, means, sds)
    gamma = joint / joint.sum()
    ### END SOLUTION
    return gamma


# %% check="00.2"
check("00.2", responsibility)

# %% [markdown]
# ## 6 · All 272 at once
#
# The library has this as a function, for any number of rows and dimensions. It wants a table, hence `wait[:, None]`;
# "spherical" says that each component has one variance.

# %%
gamma = responsibilities(wait[:, None], pi, means[:, None], sds**2, "spherical")
print("shape:", gamma.shape)
print("at 66 minutes:", gamma[wait == 66][0].round(2))

# %% [markdown]
# The same as yours? Then you have written the E-step of EM. Here is what it looks like along the axis:

# %%
by_hand = GaussianMixture.from_parameters(pi, means[:, None], sds**2, "spherical")
plot.soft_assignments(by_hand, wait[:, None], feature_names=["wait"], units=["min"])

# %% [markdown]
# Below the axis each wait is a tick in its mixed colour. The two bells overlap between 60 and 75 minutes. A hard label
# would hide that; the responsibilities say it.

# %% [markdown]
# ### Exercise 00.3 · How many are in doubt?
#
# Call a row *in doubt* if even its larger responsibility is below 0.9. How many of the 272 eruptions are in doubt when
# only the wait is known? Use `gamma`.

# %% exercise="00.3"
n_doubtful = ...  # a number
### BEGIN SOLUTION
n_doubtful = (gamma.max(axis=1) < 0.9).sum()
### END SOLUTION

# %% check="00.3"
check("00.3", n_doubtful)

# %% [markdown]
# **Predict.** And with both measurements, as in section 3? The legend of that picture has counted them.
#
# <details><summary>Open</summary>
#
# One. A second measurement that goes with the first clears nearly all doubt: in the plane the two clouds hardly touch,
# while their shadows on one axis overlap.
#
# </details>

# %% [markdown]
# ### Exercise 00.4 · How many rows does each answer for?
#
# We cut the table into 97 and 175. What says `gamma`? Return both $N_k = \sum_n \gamma_{nk}$ as an array.

# %% exercise="00.4"
rows_of_each = ...  # an array of two numbers
### BEGIN SOLUTION
rows_of_each = gamma.sum(axis=0)
### END SOLUTION

# %% check="00.4"
check("00.4", rows_of_each)

# %% [markdown]
# ## 7 · Watch it learn
#
# How did `fit` find the clouds without our cut at 3 minutes? It began somewhere and went round in two steps, the
# algorithm **EM**:
#
# - **E-step** (expectation): with the parameters as they are, share out each row. These are the $\gamma_{nk}$.
# - **M-step** (maximisation): with the shares as they are, recompute each $\pi_k$, $\mu_k$, $\Sigma_k$ from its rows.

# %% [markdown]
# You have written the E-step: it was 00.2. The M-step needs no new idea. Where a group has a count, a component has
# $N_k$; where a group has a mean, it has a *weighted* mean [1, eq. 9.24 and 9.26]:
#
# $$\pi_k = \frac{N_k}{N}, \qquad \mu_k = \frac{1}{N_k} \sum_{n=1}^{N} \gamma_{nk}\, x_n.$$

# %% [markdown]
# ### Exercise 00.5 · The means of an M-step
#
# Return the new $\mu_k$ of all components. `gamma` is $N \times K$, `x` holds the $N$ waits.


# %% exercise="00.5"
def new_means(gamma, x):
    result = ...  # K numbers
    ### BEGIN SOLUTION
    result = gamma.T @ x / gamma.sum(axis=0)
    ### END SOLUTION
    return result


# %% check="00.5"
check("00.5", new_means)

# %% [markdown]
# With our 272 waits:

# %%
n_k = gamma.sum(axis=0)
print("weights:", (n_k / len(wait)).round(3), " means:", (gamma.T @ wait / n_k).round(1))

# %% [markdown]
# Hardly different from what we began with, 0.357 and 0.643, 54.5 and 80.0: our cut was good. From a bad start there is
# more to see.

# %% [markdown]
# Both measurements again, and a bad start on purpose: both components as wide as the whole table, in the two corners
# where there is nothing.

# %%
from mixturelab.plot.widgets import EMStepper

wide = np.diag(geyser.data.var(axis=0))
start = GaussianMixture.from_parameters([0.5, 0.5], [[2.0, 95.0], [5.0, 45.0]], [wide, wide])

# %% [markdown]
# **Predict**, before you move anything:
#
# 1. Which of the two steps changes the colours, which the ellipses?
# 2. Which component will end up with the long eruptions: 0, above left, or 1, below right?

# %%
stepper = EMStepper(start, geyser, 16, moments=(0, 1, 2, 10, 16, 32))
stepper

# %% [markdown]
# Press **forward**, or click the slider and use the arrow keys. Stop at iteration 5: the curve has been nearly flat for
# four iterations. Has EM converged?
#
# <details><summary>Open</summary>
#
# No. It creeps along a plateau while both components still want the same rows, then one lets go and the curve climbs
# steeply. *Slow is not finished*: a fit stopped here, because little changed, would have been wrong. (Question 1: the
# E-step changes colours, the M-step ellipses. Question 2: component 0: counted in standard deviations it starts nearer to
# the long eruptions than 1 does. Had the two starts been numbered the other way round, it would be 1: numbers of
# components mean nothing.)
#
# </details>

# %% [markdown]
# Numbers for what you saw. The log-likelihood says how well the mixture explains the rows, and in EM it never falls.
# Notebook [02](02_em_derivation.ipynb) proves it.

# %%
levels = np.array([state.log_likelihood for state in stepper.states if state.phase != "E"])
print("after iterations 1, 5, 8 and 16:", levels[[1, 5, 8, 16]].round(2).tolist())
print("it never fell:", bool((np.diff(levels) >= 0).all()))

# %% [markdown]
# ★ For those with 90 minutes: EM in two lines. `init_params=shares` with no iterations is a single M-step.

# %%
model = start
for _ in range(30):
    shares = model.predict_proba(geyser.data)  # E-step
    model = GaussianMixture(2, init_params=shares, max_iter=0).fit(geyser.data)  # M-step
print(model.means_.round(1).tolist())

# %% [markdown]
# **Predict.** From another start, will it arrive at the same place? And from one with two *equal* components?
#
# <details><summary>Open</summary>
#
# On this table nearly always, up to the numbers of the components. Other tables have several such places
# ([02](02_em_derivation.ipynb)). Two equal components share every row in halves, get the same mean again, and never part.
#
# </details>

# %% [markdown]
# ### Exercise 00.6 · One whole iteration
#
# ★ Allow yourself 20 minutes. In one dimension, without the library: an E-step, then an M-step, with
# $\sigma_k^2 = \frac{1}{N_k} \sum_n \gamma_{nk} (x_n - \mu_k)^2$ about the *new* means.


# %% exercise="00.6"
def em_step(x, weights, means, sds):
    result = ...  # np.array([new weights, new means, new standard deviations])
    ### BEGIN SOLUTION
    joint = weights * normal_density(x[:, None], means, sds)
    gamma = joint / joint.sum(axis=1, keepdims=True)
    n = gamma.sum(axis=0)
    centres = gamma.T @ x / n
    variances = (gamma * (x[:, None] - centres) ** 2).sum(axis=0) / n
    result = np.array([n / len(x), centres, np.sqrt(variances)])
    ### END SOLUTION
    return result


# %% check="00.6"
check("00.6", em_step)

# %% [markdown]
# ## 8 · Look back
#
# - A mixture is a weighted sum of bells: $p(x) = \sum_k \pi_k \, \mathcal{N}(x \mid \mu_k, \Sigma_k)$.
# - A responsibility $\gamma_{nk}$ is one component's share of $p(x_n)$. The shares of a row sum to 1.
# - EM takes turns: share out the rows (E), then refit the components (M). The log-likelihood never falls.
# - Doubt is a result. A second measurement took it from 13 rows to one.

# %% [markdown]
# ### Exercise 00.7 · Read a responsibility
#
# A row has γ = (0.80, 0.20). What does the 0.80 say?
#
# - **a**: the row lies within the ellipse that holds 80 % of component 0
# - **b**: the eruption was a blend: 80 % short, 20 % long
# - **c**: if the mixture is right, 80 of 100 rows like this one come from component 0
# - **d**: 80 % of all eruptions are short

# %% exercise="00.7"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "c"
### END SOLUTION

# %% check="00.7"
check("00.7", answer)

# %%
progress("00")

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>What changes in γ if you double all numerators? (4)</summary>
#
# Nothing: a share does not depend on a common factor. Notebook 01 makes use of it.
#
# </details>
#
# <details><summary>Two equal bells have weights 0.9 and 0.1. What are the responsibilities? (5)</summary>
#
# 0.9 and 0.1 for every row: the data say nothing, so the weights speak alone.
#
# </details>
#
# <details><summary>What is N<sub>k</sub>, and why need it not be a whole number? (4)</summary>
#
# The rows that component k answers for, counted in shares. A row in doubt counts in part here, in part there.
#
# </details>
#
# <details><summary>The log-likelihood has hardly changed for five iterations. What may you conclude? (7)</summary>
#
# That it has hardly changed. It may be the end or a plateau: go on, or start elsewhere as well.
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. Section 9.2: the mixture is eq. 9.7, the
#    responsibility 9.13, the steps of EM 9.23 to 9.27.
# 2. G. McLachlan and D. Peel (2000), *Finite Mixture Models*, Wiley. Chapter 1: what mixtures are used for.
# 3. A. P. Dempster, N. M. Laird and D. B. Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm,
#    *Journal of the Royal Statistical Society B* 39, 1-38. Where EM got its name.
# 4. A. Azzalini and A. W. Bowman (1990), A look at some data on the Old Faithful geyser, *Applied Statistics* 39,
#    357-365. The data.

# %% [markdown]
# **Where it goes from here**
#
# | Notebook | The question |
# |---|---|
# | [01 Responsibilities](01_responsibilities.ipynb) | What happens to the formula when its numbers get too small for the computer? |
# | [02 Why EM climbs](02_em_derivation.ipynb) | Why does it never fall, and where does it end? |
# | [03 Covariance families](03_covariance_families.ipynb) | Which form may a component have, and what does it cost? |
# | [04 Model selection](04_model_selection.ipynb) | How many components, and who decides? |
# | [05 Soft assignments](05_soft_assignments.ipynb) | What is doubt good for, and is 90 % nine in ten? |
# | [06 Bayesian mixtures](06_bayesian_mixtures.ipynb) | How sure may we be of the parameters themselves? |
# | [07 Mixtures in motion](07_mixtures_in_motion.ipynb) | What if the rows keep coming? |
# | [08 SimCLR live](08_simclr_live.ipynb) | What does a mixture see in a network that is learning? |
# | [10 Your own table](10_your_own_table.ipynb) | And with your data? |
#
# 01 to 05 build on each other. 06 needs 02, 04 and 05; 07 needs 01 and 02; 08 needs 07; 10 needs 04 and 05.
