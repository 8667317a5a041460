# Source of notebook 04: what each criterion asks, the published choice, the needle that beats it, and how often they err.

# %% [markdown]
# # 04 · Model selection: how many, and of which kind?
#
# Two kinds of eruption, we said. Why not three, or seven? A mixture with seven components fits better: it always does.
#
# Four criteria say when to stop. On Old Faithful they give three different answers, and none of them has miscounted.

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 Likelihood cannot choose | 5 | ● | ● | ● |
# | 3 A price for each parameter | 5 | | ● | ● |
# | 4 The evidence, nearly | 9 | | ● | ● and ★ |
# | 5 A price for doubt | 5 | | ● | ● |
# | 6 K and family at once | 6 | ● | ● | ● |
# | 7 Search harder | 6 | ● | ● | ● and ★ |
# | 8 When they disagree | 5 | | ● | ● |
# | 9 How often is each right? | 4 | | ● | ● |
# | 10 Let no row judge itself | 22 | | | ● |
# | 11 The cost, and the true K | 8 | | | ● |
# | 12 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. choose K and a family with AIC, BIC, ICL and held-out likelihood,
# 2. say what each of them asks, and so why they disagree,
# 3. recognise a fit that wins because it describes a few rows,
# 4. say when not to trust any of them.
#
# **You need** the log-likelihood ([02](02_em_derivation.ipynb)) and the families with their parameters
# ([03](03_covariance_families.ipynb)).

# %% [markdown]
# Whatever your path, run this cell first.

# %%
import numpy as np

from mixturelab import GaussianMixture, load_dataset, plot, select
from mixturelab.exercises import check, progress

geyser = load_dataset("old_faithful")
N = len(geyser.data)

# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $\ell$ | log-likelihood, $\sum_n \log p(x_n)$ | `score(X) * N` |
# | $\hat\theta$, $\hat\ell$ | where $\ell$ is highest, and how high it is there | a fitted model |
# | $p$ (without brackets) | number of free parameters | `n_parameters` |
# | $A$ | curvature of $\ell$ at its peak, with a minus | |
# | $H(\gamma_n)$ | entropy of the responsibilities of row $n$ | `assignment_entropy` sums it |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on what came before. Answer first, then open.

# %% [markdown]
# **a.** Three components in two dimensions. How many free parameters has the *full* family? And *tied*?
#
# <details><summary>Open</summary>
#
# Both have 2 weights (the third follows) and 3 · 2 means. Full adds 3 · 3 for its covariances: 17. Tied adds 3: 11.
#
# </details>

# %% [markdown]
# **b.** EM ends at −1130.3 from one start and at −1119.2 from another. Which do you keep?
#
# <details><summary>Open</summary>
#
# The higher one, if both describe groups. If that "if" surprises you: section 7.
#
# </details>

# %% [markdown]
# **c.** One component sits on a single row and shrinks. What becomes of the log-likelihood?
#
# <details><summary>Open</summary>
#
# It grows without limit: the density at that row goes to infinity, and the other components take care of the rest.
# Notebook 02 did it on purpose. Today somebody does it by accident.
#
# </details>

# %% [markdown]
# ## 2 · Likelihood cannot choose
#
# Half of the eruptions are fitted, the other half kept back. Then K goes from 1 to 8.


# %%
def fit(rows, k, family="full", starts=1):
    settings = {"tol": 1e-6, "max_iter": 1000, "n_init": starts, "random_state": 0}
    return GaussianMixture(k, covariance_type=family, **settings).fit_restarts(rows)[0]


# %% [markdown]
# `fit_restarts` gives all starts, best first. The small `tol` is no luxury: criteria of fits that are not finished
# cannot be compared.
#
# **Predict.** What does the mean log-likelihood of the *fitted* rows do as K grows? And that of the rows kept back?

# %%
ks = np.arange(1, 9)
rng = np.random.default_rng(0)
train, unseen = [], []
for _ in range(4):
    mine, kept = np.split(rng.permutation(geyser.data), 2)
    models = [fit(mine, k) for k in ks]
    train.append([model.score(mine) for model in models])
    unseen.append([model.score(kept) for model in models])

# %%
from mixturelab.plot.choosing import criteria_curves, overfit_curves

overfit_curves(ks, train, unseen)

# %% [markdown]
# <details><summary>Open</summary>
#
# The first climbs all the way, and must: K + 1 components can do whatever K can (give the new one no weight). The
# second rises to K = 2, then falls. (Thin lines are single splits: one of them has its top at 3. Where a thin blue one
# dips, EM has stuck on a lower peak.)
#
# </details>
#
# The gap between the curves is **overfitting**: chance, described with care. From here on, two ways lead to K: keep rows
# back (section 10), or work out how large the gap will be and charge for it.

# %% [markdown]
# ## 3 · A price for each parameter
#
# How large is the gap? Try it where we know everything: one bell, so $p = 2$ (mean and variance), 50 rows, and 50 new
# rows from the same bell. Twenty thousand times.

# %%
seen, new = rng.normal(size=(2, 20_000, 50))
m, v = seen.mean(axis=1, keepdims=True), seen.var(axis=1, keepdims=True)


# %%
def log_likelihood(rows):
    return -0.5 * (np.log(2 * np.pi * v) + (rows - m) ** 2 / v).sum(axis=1)


# %% [markdown]
# **Predict.** By how much is the log-likelihood of the fitted 50 rows higher, on average?

# %%
gap = log_likelihood(seen) - log_likelihood(new)
print("on average, rounded to a whole number:", round(gap.mean()))

# %% [markdown]
# Two, the number of parameters. That is Akaike's theorem [1]: for large N the gap is $p$ on average, whatever the model,
# if it contains the truth and its likelihood has a proper peak (section 4 says when not).
#
# <details><summary>Why p?</summary>
#
# Each parameter gains ½ on its own rows by bending to their chance, and loses ½ on new ones by being bent: together 1.
#
# </details>

# %% [markdown]
# So subtract it. Times −2, by an old custom, this is Akaike's information criterion:
#
# $$\mathrm{AIC} = -2\hat\ell + 2p \qquad \text{(lower is better)}.$$
#
# It estimates, up to a constant, how badly the model foresees **new rows**. It does not ask how many groups there are.

# %% [markdown]
# By hand, for full covariances on all 272 rows. Each component brings 2 means, 3 covariances and a weight; one weight
# follows from the others.

# %%
models = [fit(geyser.data, k) for k in ks]
ell = np.array([model.score(geyser.data) for model in models]) * N
p = 6 * ks - 1
aic = -2 * ell + 2 * p
print("K with the lowest AIC:", ks[aic.argmin()])

# %% [markdown]
# Six components for two clouds. Section 9 shows that this is its habit.

# %% [markdown]
# ## 4 · The evidence, nearly
#
# Another question: which *model* $M$ is likely, given the rows? Bayes' rule wants the **evidence**, the likelihood with
# the parameters averaged out over a prior:
#
# $$p(X \mid M) = \int e^{\ell(\theta)}\, p(\theta)\, d\theta.$$
#
# No penalty is added by hand. A model with many parameters spreads its bets and wins less on each.

# %% [markdown]
# The integral is hard. Laplace's way, in four lines:
#
# 1. Near its peak $\ell$ is a parabola, without a linear term: $\ell(\theta) \approx \hat\ell - \tfrac12
#    (\theta-\hat\theta)^\top A\, (\theta-\hat\theta)$.
# 2. So $e^{\ell}$ is a Gaussian that nobody has normalised. Its area is $e^{\hat\ell}\,(2\pi)^{p/2}\,|A|^{-1/2}$; the
#    prior hardly changes under it and comes along as $p(\hat\theta)$.
# 3. $A$ is a sum over N rows: $A \approx N\bar A$, so that $|A| = N^p\,|\bar A|$.
# 4. Take logarithms. What does not grow with N is dropped:

# %% [markdown]
# $$\log p(X \mid M) \approx \hat\ell - \tfrac{p}{2} \log N + \text{const}, \qquad
# \mathrm{BIC} = -2\hat\ell + p \log N \qquad \text{(lower is better)}.$$
#
# Schwarz's criterion [2; 3, section 4.4.1]. **Mind the sign:** ours is scikit-learn's. R's mclust prints the negative,
# and there higher is better.

# %% [markdown]
# ### Exercise 04.1 · BIC in one line
#
# From the log-likelihood $\hat\ell$ (a sum over all rows), $p$ and $N$.


# %% exercise="04.1"
def bic_of(log_likelihood, n_parameters, n_rows):
    result = ...  # lower is better
    ### BEGIN SOLUTION
    result = -2 * log_likelihood + n_parameters * np.log(n_rows)
    ### END SOLUTION
    return result


# %% check="04.1"
check("04.1", bic_of)

# %% [markdown]
# The library's methods should say the same as our arrays:

# %%
bic = -2 * ell + p * np.log(N)
print("K with the lowest BIC:", ks[bic.argmin()])
print("as the library:", np.allclose(bic, [model.bic(geyser.data) for model in models]))

# %% [markdown]
# ### Exercise 04.2 · When is BIC the stricter?
#
# What is the smallest whole number of rows for which one more parameter costs more in BIC than in AIC?

# %% exercise="04.2"
n_rows = ...  # a whole number
### BEGIN SOLUTION
n_rows = np.ceil(np.exp(2))
### END SOLUTION

# %% check="04.2"
check("04.2", n_rows)

# %% [markdown]
# How good is the approximation? Here is a model whose evidence is known exactly: 97 of 272 eruptions are short, one
# unknown share $\pi$, a uniform prior. Then the same shares with more rows.

# %%
from scipy.special import betaln

for times in (1, 10, 100):
    short, rows = 97 * times, 272 * times
    share = short / rows
    peak = rows * (share * np.log(share) + (1 - share) * np.log(1 - share))
    exact = -2 * betaln(short + 1, rows - short + 1)  # -2 log of the integral
    print(f"N = {rows:5d}: exact {exact:8.2f}, BIC {-2 * peak + np.log(rows):8.2f}")

# %% [markdown]
# Off by 0.36 each time. The dropped terms do not grow with N, while differences between models do. With few rows they may
# matter; with many they do not.

# %% [markdown]
# ### Exercise 04.3 · Laplace's bell
#
# ★ Keep all terms, for one parameter. Return $\log \int e^{\hat\ell - A(\theta-\hat\theta)^2/2}\, p(\hat\theta)\,
# d\theta$ from $\hat\ell$, the curvature $A$ and $\log p(\hat\theta)$.


# %% exercise="04.3"
def laplace(log_likelihood, curvature, log_prior):
    log_evidence = ...  # steps 1 and 2, then the logarithm
    ### BEGIN SOLUTION
    log_evidence = log_likelihood + log_prior + 0.5 * np.log(2 * np.pi / curvature)
    ### END SOLUTION
    return log_evidence


# %% check="04.3"
check("04.3", laplace)

# %% [markdown]
# For the share of short eruptions $A = N / (\hat\pi(1-\hat\pi))$, and the prior is 1 everywhere. With all terms kept:

# %%
share = 97 / N
peak = N * (share * np.log(share) + (1 - share) * np.log(1 - share))
full = peak + 0.5 * np.log(2 * np.pi * share * (1 - share) / N)
print(f"exact {betaln(98, 176):.3f}, Laplace {full:.3f}")

# %% [markdown]
# **Predict.** In line 1 we assumed *one* peak, inside. Has the likelihood of a mixture one?
#
# <details><summary>Open</summary>
#
# No. Renaming components gives K! equal ones. Worse, with one component too many there is no peak but a ridge: the spare
# may have any mean at weight 0, or sit on another. Laplace's bell does not fit there, and neither does the $p$ of AIC,
# which needs the same parabola. BIC still finds the true K of a mixture in the end, but that is a theorem of its own [4].
#
# </details>

# %% [markdown]
# ## 5 · A price for doubt
#
# AIC and BIC judge the *density*. Often you want *groups*: then it should also be clear which row belongs where. Doubt
# has a measure, the entropy of a row's responsibilities,
#
# $$H(\gamma_n) = -\sum_k \gamma_{nk} \log \gamma_{nk},$$
#
# 0 if one component has it all, $\log K$ if all share alike.

# %% [markdown]
# The integrated completed likelihood [5] charges for it:
#
# $$\mathrm{ICL} = \mathrm{BIC} + 2 \sum_n H(\gamma_n) \qquad \text{(lower is better)}.$$
#
# It is BIC's argument, made for rows *with* their labels, $\gamma$ standing in for what nobody has seen.

# %% [markdown]
# ### Exercise 04.4 · A price for doubt
#
# From BIC and the responsibilities, [N, K], return ICL. Some $\gamma_{nk}$ are exactly 0, and $0 \log 0$ counts as 0.


# %% exercise="04.4"
def icl_of(bic, gamma):
    result = ...  # one number
    ### BEGIN SOLUTION
    inside = np.maximum(gamma, 1e-300)
    result = bic - 2 * (gamma * np.log(inside)).sum()
    ### END SOLUTION
    return result


# %% check="04.4"
check("04.4", icl_of)

# %% [markdown]
# **Predict.** For K = 2 the two clouds hardly touch. How much dearer than BIC is ICL there? And for K = 3?

# %%
icl = np.array([model.icl(geyser.data) for model in models])
print("doubt charged, K = 1 to 4:", (icl - bic)[:4].round(1))

# %%
title = "Old Faithful, full covariances"
criteria_curves(ks, {"AIC": aic, "BIC": bic, "ICL": icl}, title)

# %% [markdown]
# Almost nothing at K = 2, near a hundred at K = 3: the third bell overlaps with its neighbour, and who belongs to which
# is anybody's guess. (ICL minus BIC is that price, no more.) To choose K, compare points *along* one curve only: that
# one curve lies below another does not make its criterion the better one.

# %% [markdown]
# ## 6 · K and family at once
#
# Why only full covariances? `select` fits every family with every K and puts all criteria into one table.
#
# (In a hurry? BIC is $-2\hat\ell + p \log N$: misfit, plus a price for each of the $p$ parameters. AIC charges 2 for each
# instead; ICL adds a price for rows in doubt to BIC. Lower is better.)

# %%
result = select(geyser.data, range(1, 7), n_init=1, random_state=0)
columns = ["covariance_type", "n_components", "n_parameters", "bic"]
result.table.nsmallest(4, "bic")[columns].round(1)

# %%
plot.selection_curve(result)

# %% [markdown]
# **Tied, K = 3, BIC 2314.3**: three ellipses of one shape. It is the published choice, too: R's mclust [6] calls the
# family EEE, turns the sign, and in a recent version prints −2314.3.

# %% [markdown]
# How sure is that? A difference $\Delta$ in BIC stands for a factor of about $e^{\Delta/2}$ in evidence. A common
# reading [7]:
#
# | $\Delta$ | factor | evidence |
# |---|---|---|
# | below 2 | below 3 | hardly worth a mention |
# | 2 to 6 | 3 to 20 | positive |
# | 6 to 10 | 20 to 150 | strong |
# | above 10 | above 150 | very strong |

# %% [markdown]
# **Predict.** Here the runner-up is *tied, K = 4*, 5.8 behind; the best with two components is 7.9 behind. May you write
# "three kinds of eruption, odds fifty to one"?
#
# <details><summary>Open</summary>
#
# Three *bells*, at best. The factor compares two densities, both of which are wrong in detail; it is an approximation
# that drops constants; and it holds for fits that are the highest *honest* peaks. The next section is about that word.
#
# </details>

# %% [markdown]
# Now try them all: one start for each, three for *diag, K = 5* (section 7 says why). The band marks what lies within 10 of
# the best.

# %%
from mixturelab.plot.choosing_widgets import ChoiceExplorer

explorer = ChoiceExplorer(geyser, range(1, 7), n_init=1, more={("diag", 5): 3})
explorer

# %% [markdown]
# 1. Slide K with the family *tied*. Which cloud is cut up, and from which K on is the picture no longer a story?
# 2. Change the criterion at K = 3. Where does the best fit move to?
# 3. Go to *diag*, K = 5, and press **allow degenerate fits**.
#
# <details><summary>Open</summary>
#
# 1. The upper one, from K = 3 on. K = 4 and 5 put small bells between the clouds. K = 6 lays two bells exactly on each
#    other in the lower one: the fit gains nothing, and BIC charges 3 · 5.6 = 16.8 for it. BIC lets you go no further
#    than K = 3.
# 2. With ICL to *full, K = 2*; with AIC to *full, K = 6*: the largest on offer.
# 3. An ellipse falls flat, and BIC falls with it, by more than a hundred. What is that?
#
# </details>

# %% [markdown]
# ## 7 · Search harder
#
# EM finds *a* peak; more starts find higher ones. So let us be thorough: *diag*, K = 5, twelve starts, and keep the most
# likely, as one does.

# %%
settings = {"tol": 1e-6, "max_iter": 1000, "n_init": 12, "random_state": 0}
starts = GaussianMixture(5, covariance_type="diag", **settings).fit_restarts(geyser.data)
winner = max(starts, key=lambda model: model.lower_bound_)
print(f"BIC {winner.bic(geyser.data):.1f}, and the published one is {result.best_candidate.bic:.1f}")

# %% [markdown]
# 93.6 better than the published choice: "very strong evidence", nine times over. A discovery?
#
# **Predict.** What would you look at before you write the paper?

# %%
print("N_k:", (N * winner.weights_).round(1))
print("smallest variance of each:", winner.covariances_.min(axis=1).round(3))

# %% [markdown]
# One component has a variance of 0.000. Its 14 rows:

# %%
from mixturelab.plot.choosing import needle_map

needle = winner.covariances_.min(axis=1).argmin()
own = winner.predict(geyser.data) == needle
print("waits of its rows:", np.unique(geyser.data[own, 1]), "  rows:", own.sum())

# %%
needle_map(winner, geyser)

# %% [markdown]
# A needle. Fourteen times the wait was noted as 83 minutes: *noted*, for it was rounded. Along a single minute a bell
# may be as thin as it likes, and the thinner it is, the higher.

# %% [markdown]
# What keeps it from infinity? Only `reg_covar`, a tiny number that is added to each variance. So *we* set how well it
# scores:

# %%
gamma = winner.predict_proba(geyser.data)
for ridge in (1e-4, 1e-6, 1e-8):
    again = GaussianMixture(5, covariance_type="diag", init_params=gamma, reg_covar=ridge, tol=1e-8)
    best = again.set_params(max_iter=2000).fit_restarts(geyser.data)[0]
    print(f"reg_covar {ridge:.0e}: BIC {best.bic(geyser.data):.0f}")

# %% [markdown]
# **Predict.** A hundred times less ridge lowers BIC by 64.5, each time. Where does that number come from?
#
# <details><summary>Open</summary>
#
# The variance falls by a factor of 100, so the density at each of the 14 rows rises by $\sqrt{100}$. In −2 log that is
# $14 \cdot \log 100 = 64.5$. A number that depends on a setting of ours, and not on the geyser, is no evidence.
#
# </details>

# %% [markdown]
# (The ridge has the units of a variance. In hours instead of minutes the same 1e-6 would blur honest groups: so `select`
# takes 1e-6 of the smallest column's variance where that is below 1.)

# %% [markdown]
# Two signs give such a fit away: a smallest variance (in *any* direction) held up by the ridge alone, or a component of
# fewer than $D + 1$ rows, too few to span an ellipse. The library looks for both, and says so:

# %%
from textwrap import fill

print(fill(winner.spurious_[0], 80))
print("starts that ended in a needle:", sum(bool(m.spurious_) for m in starts), "of", len(starts))

# %% [markdown]
# `select` puts such fits into its table, with the `reason` in a column, and never lets them win. Three starts meet both:
# the honest *diag, K = 5* at 2346.1, and the needle.

# %%
both = select(geyser.data, 5, "diag", n_init=3, random_state=1)
columns = ["n_components", "bic", "smallest_variance", "smallest_count", "spurious"]
both.table[columns].round({"bic": 1, "smallest_variance": 4, "smallest_count": 1})

# %% [markdown]
# Remember the order of events: **the better the search, the worse the answer**, unless somebody looks. Software that keeps
# the most likely start finds needles where a lazy search would not.

# %% [markdown]
# ### Exercise 04.5 · Spot the needle
#
# ★ Covariances [K, D, D], counts $N_k$ and the ridge are given. For each component: is its smallest variance in any
# direction at most 10 times the ridge, or its $N_k$ below $D + 1$? Needles may lie at a tilt.


# %% exercise="04.5"
def is_degenerate(covariances, counts, ridge):
    flags = ...  # K times True or False
    ### BEGIN SOLUTION
    smallest = np.linalg.eigvalsh(covariances)[:, 0]
    flags = (smallest <= 10 * ridge) | (counts < covariances.shape[-1] + 1)
    ### END SOLUTION
    return flags


# %% check="04.5"
check("04.5", is_degenerate)

# %% [markdown]
# These two signs catch the plain cases. The honest *diag, K = 5* above has one component of only 7 rows, and another,
# of 34, with a variance of 0.004 along the duration: it passes both, and you may doubt it all the same. Look at the winner's smallest component, always.

# %% [markdown]
# ## 8 · When they disagree
#
# Back to the honest fits behind the sliders of section 6. What does each criterion choose?

# %%
for name in ("AIC", "BIC", "ICL"):
    family, k = explorer.found.best(name).key
    print(f"{name} chooses {family} with K = {k}")

# %%
picture, axes = plot.subplots(1, 2, width=10.0, height=4.4)
for ax, (k, family) in zip(axes, [(3, "tied"), (2, "full")], strict=True):
    name = "BIC" if k == 3 else "ICL"
    title = f"{name}: {family}, K = {k}"
    plot.soft_assignments(fit(geyser.data, k, family, 3), geyser, ax=ax, title=title, legend=False)
picture

# %% [markdown]
# Who is right? Left, two bells share the long eruptions, which are no perfect ellipse: as a *density* that is better. But 56
# rows have a dark rim (largest responsibility below 0.9), against one on the right: as *groups* the two are one.

# %% [markdown]
# So BIC counts bells and ICL counts groups. When ICL wants fewer, some bells belong together. AIC takes whatever may help
# to forecast, here the largest K on offer: small detail, or chance.

# %% [markdown]
# And where they agree? Four measurements of 342 penguins:

# %%
penguins = load_dataset("penguins")
birds = select(penguins.data, range(1, 6), n_init=1, random_state=0)
columns = ["covariance_type", "n_components", "bic", "icl"]
birds.table.nsmallest(3, "bic")[columns].round(1)

# %% [markdown]
# BIC: *tied, K = 3*, but *tied, K = 5* is only 2.8 behind, a factor of four. ICL puts more than a hundred between them. Here
# the second criterion settles what the first leaves open. (One start for each K, and in grams. Notebook
# [10](10_your_own_table.ipynb) scales the columns and searches harder: there BIC finds a *tied, K = 4* that is better still.)

# %% [markdown]
# Agreement is no proof either. Two half moons:

# %%
moons = load_dataset("two_moons", n_samples=400, random_state=0)
chosen = select(moons.data, range(1, 9), "full", n_init=1, random_state=0)
by_icl = chosen.table.loc[chosen.table.icl.idxmin()]
print("BIC chooses", chosen.best.n_components, "and ICL", by_icl.n_components)

# %%
plot.soft_assignments(chosen.best, moons, legend=False, title="Two moons, six bells")

# %% [markdown]
# Both say six. A moon is no ellipse, so it takes three. (In twenty other draws BIC says six to eight and ICL four to seven;
# neither ever two.) Component is not cluster: every criterion chooses among *mixtures of Gaussians*, and cannot tell
# you that you should have asked for something else.

# %% [markdown]
# ### Exercise 04.6 · Read a disagreement
#
# On some table BIC chooses three components, ICL two, AIC six. What may you conclude?
#
# - **a**: at least two of them are wrong, since the true K is one number
# - **b**: six, because that model has the highest likelihood of the three
# - **c**: three bells describe the density best, two of them overlap and form one group, and more of them might help a forecast
# - **d**: the criterion with the lowest value of the three is to be trusted
# - **e**: about four, the average

# %% exercise="04.6"
answer = ...  # "a", "b", "c", "d" or "e"
### BEGIN SOLUTION
answer = "c"
### END SOLUTION

# %% check="04.6"
check("04.6", answer)

# %% [markdown]
# ## 9 · How often is each right?
#
# For once we know the truth: two bells of equal weight and width, in one dimension. 200 tables for each distance and each
# number of rows; each criterion chooses among K = 1, 2 and 3 (3000 tables, 9000 fits).

# %% [markdown]
# **Predict.** Far more rows: does each criterion find K = 2 more often? And if the bells are 3 standard deviations apart,
# which of the three hardly ever does?

# %%
from mixturelab.plot.choosing_rates import choice_rates, simulate_choices

found = simulate_choices()
choice_rates(found)

# %% [markdown]
# <details><summary>Open</summary>
#
# - **BIC** goes to 100 % with N: that is *consistency* [4]. Where the bells merge, 800 rows are not yet enough for it.
# - **AIC** is quicker to see a faint second bell, but stays near 90 %: in about one table of ten it takes a third one,
#   however many rows there are.
# - **ICL** finds two bells only where the gap is wide. At 3 standard deviations it gets *worse* with N: it becomes
#   sure that this is one group.
#
# </details>

# %% [markdown]
# The bars are 95 % intervals (Wilson's, which behave near 0 and 1). With ten times as many tables, run beforehand, the
# share that finds K = 2 is known to about 2 per cent:
#
# | | 2 sd, N = 100 | 2 sd, N = 800 | 3 sd, N = 100 | 3 sd, N = 800 | 4 sd, N = 100 | 4 sd, N = 800 |
# |---|--:|--:|--:|--:|--:|--:|
# | AIC | 36 % | 88 % | 83 % | 90 % | 90 % | 91 % |
# | BIC | 10 % | 68 % | 76 % | 100 % | 99 % | 100 % |
# | ICL | 0 % | 0 % | 5 % | 0 % | 85 % | 100 % |

# %%
aic_share, bic_share, icl_share = map(found.share, ("AIC", "BIC", "ICL"))
print("BIC with 3 sd and N = 800 above 97 %:", bool(bic_share[1, -1] > 0.97))
print("AIC there between 80 and 95 %:", bool(0.80 < aic_share[1, -1] < 0.95))
print("ICL there below 3 %:", bool(icl_share[1, -1] < 0.03))

# %% [markdown]
# Mind the frame: equal weights, a common variance, no more than three components on offer, one start and 400 iterations at
# most for each fit, and a truth among the candidates. With longer runs, or K = 4 on offer, AIC takes too many a few per
# cent more often. (`simulate_choices` takes other distances, sizes and K.)

# %% [markdown]
# ## 10 · Let no row judge itself
#
# The gap of section 2 can be seen instead of estimated: score each row by a fit that has not seen it. **K-fold
# cross-validation** takes turns, so that every row is judged once [8]. (The K of its name counts folds.)

# %% [markdown]
# ### Exercise 04.7 · Cross-validation from scratch
#
# `folds[n]` is the number of row $n$'s fold. `fit(rows)` fits something and returns a function that gives log densities.
# Judge each row by the fit to the *other* folds. Return the mean of the N log densities and its standard error (their
# `std()` divided by $\sqrt{N}$).


# %% exercise="04.7"
def cross_validate(X, folds, fit):
    result = ...  # [mean, standard error]
    ### BEGIN SOLUTION
    values = np.empty(len(X))
    for fold in np.unique(folds):
        out = folds == fold
        values[out] = fit(X[~out])(X[out])
    result = [values.mean(), values.std() / np.sqrt(len(X))]
    ### END SOLUTION
    return result


# %% check="04.7"
check("04.7", cross_validate)

# %% [markdown]
# The story's own, which keeps the single rows: we want to compare models row by row.


# %%
def unseen_log_density(k, family, folds):
    values = np.empty(N)
    for fold in np.unique(folds):
        out = folds == fold
        values[out] = fit(geyser.data[~out], k, family).score_samples(geyser.data[out])
    return values


# %%
folds = np.random.default_rng(0).permutation(np.arange(N) % 5)
rows = {k: unseen_log_density(k, "tied", folds) for k in range(1, 6)}
for k, values in rows.items():
    print(f"tied, K = {k}: {values.mean():.2f} with standard error {values.std() / np.sqrt(N):.2f}")

# %% [markdown]
# **Predict.** The standard errors are 0.06, and the means from K = 2 on differ by half of that. Does it follow that nothing
# can be told?
#
# <details><summary>Open</summary>
#
# Not from that. The same rows are hard for *both* models, so most of the error is shared. Take the difference row by row
# first, then its standard error: it is three times smaller.
#
# </details>

# %%
for k in (1, 3, 4, 5):
    d = rows[k] - rows[2]
    print(f"K = {k} against 2: {d.mean():+.2f} with standard error {d.std() / np.sqrt(N):.2f}")

# %% [markdown]
# One component is out of the question. From K = 2 on no gain stands clear of its standard error. A flat top is an answer,
# too: for forecasts, *the rows do not say*.

# %% [markdown]
# A usual rule takes the *smallest* K within one standard error of the best. `select(..., criterion="cv")` does the folds for
# you, and gives no number where a part's every fit is a needle.

# %% [markdown]
# ## 11 · The cost, and the true K
#
# A sweep fits families × K × starts, and cross-validation each of these once more for every fold:

# %%
families, n_ks, n_starts, n_folds = 4, 6, 5, 5
print("fits for BIC:", families * n_ks * n_starts)
print("fits for 5-fold cross-validation:", families * n_ks * n_starts * (1 + n_folds))

# %% [markdown]
# And fits are not alike: an iteration costs N · K densities, and larger K mostly take more iterations, since overlapping
# components part slowly.

# %%
work = result.table.n_iter * result.table.n_components * N
large = result.table.n_components >= 4
print("densities in this sweep, above a million:", bool(work.sum() > 1e6))
print("more than 80 % of them for K ≥ 4:", bool(work[large].sum() > 0.8 * work.sum()))

# %% [markdown]
# So begin with small K and one start, look, and spend the starts where the choice is close. (And then look for needles.)

# %% [markdown]
# Last, the word that we have avoided. Iris: 150 flowers of **three** species.

# %%
iris = load_dataset("iris")
flowers = select(iris.data, range(1, 6), n_init=2, random_state=0)
columns = ["covariance_type", "n_components", "bic", "icl"]
flowers.table.nsmallest(2, "bic")[columns].round(1)

# %% [markdown]
# **Predict.** BIC and ICL choose two. Are they wrong?
#
# <details><summary>Open</summary>
#
# They answer what they were asked. Two of the species overlap so much that, without labels, 150 rows do not call for a third
# bell. "Species" is knowledge from elsewhere.
#
# </details>

# %%
from sklearn.metrics import adjusted_rand_score

for k in (2, 3):
    labels = fit(iris.data, k, starts=2).predict(iris.data)
    print(f"full, K = {k}: agreement with the species {adjusted_rand_score(iris.target, labels):.2f}")

# %% [markdown]
# "K = 3 is better, so we chose it." Better by the **labels**, and who looks at them has stopped clustering: on the next
# table there are none. Choose first, compare with labels after, report both.

# %% [markdown]
# For real rows a true K does not exist. No geyser draws from a Gaussian. With more and more rows AIC and BIC ask for more
# and more bells, to model the last dent. The question is what K is **for**: a density, a grouping, or a forecast.

# %% [markdown]
# ## 12 · Look back
#
# - Likelihood rises with K and cannot choose. The gap to new rows is about $p$: AIC charges $2p$.
# - BIC, $-2\hat\ell + p\log N$, is Laplace's evidence without its constants. Lower is better here; mclust prints the negative.
# - ICL adds twice the entropy: it counts groups, not bells.
# - A needle beats them all. Thin or starved, it is there because of rounding and the ridge: look at the winner.
# - When criteria disagree they answer different questions. Say which is yours.
# - Trust no difference between fits that are unfinished, on a lower peak, poor in rows for each parameter, or needles.

# %%
progress("04")

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>Why can the training likelihood never prefer the smaller K? (2)</summary>
#
# The larger model contains the smaller: give the extra component weight 0. Its maximum is at least as high.
#
# </details>
#
# <details><summary>Which step of Laplace's approximation brings in log N? (4)</summary>
#
# The curvature of ℓ is a sum over rows, so it grows like N, and the peak's width shrinks like 1/√N for each parameter.
#
# </details>
#
# <details><summary>BIC says 4, ICL says 2. What do you look at? (8)</summary>
#
# Which components overlap. Probably several bells draw one group that is no ellipse.
#
# </details>
#
# <details><summary>A colleague's BIC is 300 better than yours after 1000 restarts. Your first question? (7)</summary>
#
# What are the smallest variance and the smallest N<sub>k</sub>? Then: are there repeated or rounded rows?
#
# </details>
#
# <details><summary>Ten times as many rows from the same two bells, 3 sd apart. Which criterion errs as before? (9)</summary>
#
# AIC: it goes on taking a third bell in about one table of ten. (And ICL goes on saying one, for a reason of its own.)
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. H. Akaike (1974), A new look at the statistical model identification, *IEEE Transactions on Automatic Control* 19,
#    716-723. AIC.
# 2. G. Schwarz (1978), Estimating the dimension of a model, *Annals of Statistics* 6, 461-464. BIC, in four pages.
# 3. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. Laplace: section 4.4; the evidence and BIC:
#    section 4.4.1, eq. 4.137 and 4.139; singularities of mixtures: section 9.2.1.
# 4. C. Keribin (2000), Consistent estimation of the order of mixture models, *Sankhyā A* 62, 49-66.
# 5. C. Biernacki, G. Celeux and G. Govaert (2000), Assessing a mixture model for clustering with the integrated completed
#    likelihood, *IEEE Transactions on Pattern Analysis and Machine Intelligence* 22, 719-725.
# 6. L. Scrucca, M. Fop, T. B. Murphy and A. E. Raftery (2016), mclust 5, *The R Journal* 8, 289-317.
# 7. R. E. Kass and A. E. Raftery (1995), Bayes factors, *Journal of the American Statistical Association* 90, 773-795.
# 8. P. Smyth (2000), Model selection for probabilistic clustering using cross-validated likelihood, *Statistics and
#    Computing* 10, 63-72.
#
# **Next:** [05](05_soft_assignments.ipynb), soft assignments. A choice is made; now read what it says about each row.
