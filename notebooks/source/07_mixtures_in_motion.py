# Source of notebook 07: statistics that add, what averaging parameters loses, forgetting, a real stream and its alarms.

# %% [markdown]
# # 07 · Mixtures in motion
#
# So far the whole table lay on the desk. Now it comes in pieces, and what it describes changes while you look.
# What must you remember of a row that is gone? For how long?

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 Statistics add | 8 | | ● | ● |
# | 3 Averages of averages | 9 | ● | ● | ● |
# | 4 Forgetting | 9 | | ● | ● without hints |
# | 5 Far from zero | 4 | | ● | ● and ★ |
# | 6 A class stays away | 4 | | ● | ● |
# | 7 A real stream | 7 | ● | ● | ● |
# | 8 What one number cannot tell | 4 | | ● | ● |
# | 9 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. fold the statistics of a mixture over chunks and over time,
# 2. say what is lost when parameters are averaged instead, and how much,
# 3. choose how long to remember,
# 4. watch a real stream with `MixtureStats`, and know what each curve does not tell.
#
# **You need** responsibilities ([01](01_responsibilities.ipynb)), the M-step ([02](02_em_derivation.ipynb)), and variance.

# %% [markdown]
# Whatever your path, run this cell first.

# %%
import numpy as np
import torch

from mixturelab import GaussianMixture, MixtureStats, SufficientStatistics, load_dataset, plot
from mixturelab.datasets import iter_chunks, make_drifting_stream, stream_digits
from mixturelab.exercises import check, progress

# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $S1_k$, $S2_k$ | sums of $\gamma_{nk} x_n$ and of $\gamma_{nk} x_n x_n^\top$ | `S1[k]`, `S2[k]` |
# | $t$, $T$ | number of a batch, of the newest batch | `step` |
# | $g$ | decay: what is kept of the old from one batch to the next | `ema_decay` |
# | $w_t$ | what batch $t$ counts in the end | `weights[t]` |
# | $B$ | covariance between components, $\sum_k \pi_k (\mu_k - \bar\mu)(\mu_k - \bar\mu)^\top$ | `stats.B` |
# | $\bar\mu$ | mean of the whole mixture, $\sum_k \pi_k \mu_k$; over batches, $\sum_t w_t \, \mu_t$ | `S1` in section 3 |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on what came before. Answer first, then open.

# %% [markdown]
# **a.** You have the responsibilities $\gamma_{nk}$ of 272 rows and 2 components. What are the sums of the two columns
# called, and what do they add up to?
#
# <details><summary>Open</summary>
#
# $N_1$ and $N_2$, the rows that each component answers for. Together 272: every row is handed out once, in parts.
#
# </details>

# %% [markdown]
# **b.** Which sums over the rows does the M-step need, and nothing else?
#
# <details><summary>Open</summary>
#
# Three for each component: $N_k = \sum_n \gamma_{nk}$, $\sum_n \gamma_{nk} x_n$ and $\sum_n \gamma_{nk} x_n x_n^\top$.
# They are *sufficient statistics*: two tables with the same three sums give the same parameters.
#
# </details>

# %% [markdown]
# **c.** A class of 10 has the mean mark 2.0, a class of 30 the mean mark 3.0. What is the mean of all? Is the variance
# of all the average of the two variances?
#
# <details><summary>Open</summary>
#
# 2.75: the larger class counts more. And no: the variance of all is larger than their average weighted by size, because
# the two classes lie apart. Who forgets this "because" is wrong by a factor of five in section 3.
#
# </details>

# %% [markdown]
# ## 2 · Statistics add
#
# The M-step turns three sums into parameters [1, eq. 9.24 to 9.27]:
#
# $$N_k = \sum_n \gamma_{nk}, \qquad S1_k = \sum_n \gamma_{nk} x_n, \qquad S2_k = \sum_n \gamma_{nk} x_n x_n^\top,$$
#
# $$\pi_k = \frac{N_k}{N}, \qquad \mu_k = \frac{S1_k}{N_k}, \qquad
# \Sigma_k = \frac{S2_k}{N_k} - \mu_k \mu_k^\top.$$

# %% [markdown]
# A sum over all rows is the sum of the sums over its parts. So the rows may come in pieces: here Old Faithful's, 50 at
# a time.

# %%
geyser = load_dataset("old_faithful")
mixture = GaussianMixture(2, random_state=0).fit(geyser.data)

# %%
N_k = S1 = S2 = 0.0
for chunk in iter_chunks(geyser.data, rows=50):
    gamma = mixture.predict_proba(chunk)
    N_k = N_k + gamma.sum(axis=0)
    S1 = S1 + gamma.T @ chunk
    S2 = S2 + np.einsum("nk,ni,nj->kij", gamma, chunk, chunk)

# %% [markdown]
# **Predict.** Six chunks went by, the last with 22 rows. How far are the means off, compared with all 272 at once?
#
# <details><summary>Open</summary>
#
# Not at all. No approximation was made: the order in which numbers are added does not matter, nor how they are grouped
# (but for the last digits, which the computer rounds).
#
# </details>

# %%
mu = S1 / N_k[:, None]
print("means from chunks:", mu.round(2).tolist())

# %%
gamma = mixture.predict_proba(geyser.data)
whole = gamma.T @ geyser.data / gamma.sum(axis=0)[:, None]
print("the same as from the whole table:", np.allclose(mu, whole, rtol=1e-12))

# %% [markdown]
# The library has this as a value that knows how to add. (`origin` is where sums are taken about: section 5.)

# %%
from mixturelab.model.forms import DENSE

origin = torch.zeros(2, 2, dtype=torch.float64)


# %%
def statistics(rows):
    gamma = torch.from_numpy(mixture.predict_proba(rows))
    return SufficientStatistics.collect(torch.from_numpy(rows), gamma, origin, DENSE)


# %%
first, *others = map(statistics, iter_chunks(geyser.data, rows=50))
total = sum(others, start=first)
print("means:", (total.first / total.mass[:, None]).numpy().round(2).tolist())

# %% [markdown]
# What adds over chunks adds over files, machines and time: a file larger than memory is fitted like this.

# %% [markdown]
# ### Exercise 07.1 · Add first, divide last
#
# One component, one feature. A line of `chunks` holds $N_k$, $S1_k$, $S2_k$ of one chunk. Return mean and variance of
# all rows.


# %% exercise="07.1"
def mean_and_variance(chunks):
    result = ...  # [mean, variance]
    ### BEGIN SOLUTION
    n, s1, s2 = chunks.sum(axis=0)
    result = [s1 / n, s2 / n - (s1 / n) ** 2]
    ### END SOLUTION
    return result


# %% check="07.1"
check("07.1", mean_and_variance)

# %% [markdown]
# ## 3 · Averages of averages
#
# Now time comes in. A component has standard deviation 1, and its mean climbs by 0.21 a batch. The recent past is to
# count more: each batch 0.9 times as much as the one after it.

# %%
g = 0.9
rng = np.random.default_rng(13)
batches = np.array([rng.normal(0.21 * t, 1.0, size=100) for t in range(100)])
weights = g ** np.arange(99, -1, -1)
weights = weights / weights.sum()

# %% [markdown]
# There are two ways to a variance. **Folding statistics:** add up the weighted sums, divide at the end. **Averaging
# parameters:** take each batch's own variance, and average those.

# %% [markdown]
# **Predict.** Every single batch has a variance of about 1. What will the two ways say? Are they equal, nearly equal,
# or far apart?

# %%
S1, S2 = weights @ batches.mean(axis=1), weights @ (batches**2).mean(axis=1)
exact = S2 - S1**2
averaged = weights @ batches.var(axis=1)
print(f"statistics folded:   {exact:.2f}")
print(f"parameters averaged: {averaged:.2f}")

# %% [markdown]
# 5.01 against 1.02, from the same rows with the same weights. Look at both as descriptions of these rows:

# %%
plot.fading_rows(batches, decay=g)

# %% [markdown]
# **Predict.** "But 1.02 is right: the component *has* variance 1." What would you answer?
#
# <details><summary>Open</summary>
#
# It has, about where it is *now*. The mean that goes with it in our mixture is the weighted one, and that lags
# behind. About *that* mean the variance of the rows is 5.01. A pair (mean, variance) has to describe one and the same
# set of rows; (18.9, 1.02) describes none.
#
# </details>

# %% [markdown]
# It can be measured: how well does each description foresee the batch that comes next? (Mean log-density of its rows;
# higher is better.)


# %%
def log_density(x, mean, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


# %%
upcoming = rng.normal(21.0, 1.0, size=100)
print(f"statistics folded:   {log_density(upcoming, S1, exact).mean():.1f}")
print(f"parameters averaged: {log_density(upcoming, S1, averaged).mean():.1f}")

# %% [markdown]
# More than one nat a row is lost. Where did the rest of the variance go?

# %% [markdown]
# Write each deviation as two steps,
#
# $$x - \bar\mu = (x - \mu_t) + (\mu_t - \bar\mu),$$
#
# square, and take the weighted mean. Within a batch the first step is zero on average, so the mixed terms vanish:

# %% [markdown]
# $$\underbrace{\mathrm{Cov}(x)}_{5.01} \;=\; \underbrace{\sum_t w_t \, \Sigma_t}_{\text{within batches: } 1.02} \;+\;
# \underbrace{\sum_t w_t \, (\mu_t - \bar\mu)(\mu_t - \bar\mu)^\top}_{\text{between batches: } 3.99}$$
#
# This is the **law of total covariance**. An average of covariances is the first term alone.

# %% [markdown]
# ★ Could we have known the 3.99? A row's age is $a$ with probability $(1-g)g^a$, which has variance $g/(1-g)^2 = 90$.
# Each batch of age moves the mean by 0.21, so that the second term is about
#
# $$0.21^2 \cdot 90 = 3.97.$$

# %% [markdown]
# **Predict.** With $g = 0.95$, the usual decay, the variance of the age is 380. What becomes of the two numbers?
#
# <details><summary>Open</summary>
#
# The averaged one stays near 1. The exact one grows to about $1 + 0.21^2 \cdot 380 = 17.8$. The longer the memory, the
# more is lost.
#
# </details>

# %% [markdown]
# ### Exercise 07.2 · What averaging forgets
#
# Repair an average. You get the batches' weights (they sum to 1), means and variances, one feature. Return the
# variance of all rows.


# %% exercise="07.2"
def total_variance(weights, means, variances):
    variance = ...  # within and between
    ### BEGIN SOLUTION
    m = weights @ means
    variance = weights @ variances + weights @ (means - m) ** 2
    ### END SOLUTION
    return variance


# %% check="07.2"
check("07.2", total_variance)

# %% [markdown]
# $\Sigma_k$ is not the only victim. Averaged over batches, $\pi_k$ is wrong when batches differ in size, and $\mu_k$
# when they hold different numbers of component $k$ (warm-up c). One batch without a row of $k$ makes it NaN, for ever.

# %% [markdown]
# **Fold the statistics. Divide when you look.**

# %% [markdown]
# ## 4 · Forgetting
#
# No need to keep the weights: an **exponential moving average** (EMA) folds them in. The memory $S$ meets the sums
# $s_t$ of batch $t$:
#
# $$S \leftarrow g\,S + (1-g)\,s_t \qquad\Longrightarrow\qquad S_T = \sum_{t \le T} (1-g)\,g^{T-t} s_t.$$

# %% [markdown]
# Each *row* of batch $t$ weighs $(1-g)\,g^{T-t}$.

# %% [markdown]
# **Predict.** All data are 7. We start with $S = 0$ and fold with $g = 0.95$. What is $S$ after the first batch? And
# after twenty?

# %%
g, S, mass = 0.95, 0.0, 0.0
for t in range(1, 101):
    S, mass = g * S + (1 - g) * 7.0, g * mass + (1 - g) * 1.0
    if t in (1, 20, 100):
        print(f"after {t:3d}: plain {S:.2f}, divided by the total weight {S / mass:.2f}")

# %% [markdown]
# The plain average starts at 0.35: most of its weight is still on the zero it began with. Dividing by the total weight,
# $1 - g^T$, is the **bias correction** [2].

# %% [markdown]
# A mixture has it for free. $N_k$ is folded like the rest, so it *is* the total weight, and $\mu_k = S1_k / N_k$ divides
# by it.

# %% [markdown]
# How long does it remember?
#
# | $g$ | memory $1/(1-g)$ | mean age of a row $g/(1-g)$ | half-life |
# |---|---|---|---|
# | 0.9 | 10 batches | 9 | 6.6 |
# | 0.95 | 20 | 19 | 13.5 |
# | 0.99 | 100 | 99 | 69 |
#
# The mean age is the *lag*: what moves is seen where it was so long ago.

# %% [markdown]
# ### Exercise 07.3 · What a batch weighs
#
# Return the weights of `n_batches` batches as an array, the oldest first, bias corrected: they sum to 1.


# %% exercise="07.3"
def ema_weights(n_batches, g):
    weights = ...  # n_batches numbers
    ### BEGIN SOLUTION
    ages = np.arange(n_batches)[::-1]
    weights = g**ages / (g**ages).sum()
    ### END SOLUTION
    return weights


# %% check="07.3"
check("07.3", ema_weights)

# %% [markdown]
# How long *should* it be? Below, three components send 12 rows a batch. Two stand still; one moves along the arrow:
# slow, medium, or fast.

# %%
from mixturelab.plot.motion_widgets import DecayExplorer

speeds = {"slow": 0.002, "medium": 0.006, "fast": 0.016}
streams = {name: make_drifting_stream(400, 12, 2, speed=v) for name, v in speeds.items()}

# %% [markdown]
# **Predict**, before you move anything:
#
# 1. What goes wrong with a memory of 1 batch, what with one of 200?
# 2. The best memory for *slow* is 20 batches. *Fast* is eight times as fast. Is its best memory 2.5 batches?

# %%
explorer = DecayExplorer(streams)
explorer

# %% [markdown]
# Slide the memory (click it, then use the arrow keys) and trace the curve dot by dot, at each speed. Then press *show
# all memories*.
#
# <details><summary>Open</summary>
#
# 1. With one batch the ellipses twitch: four or five rows say little. With 200 the moving one lags behind its rows and
#    is smeared along its way: the variance between batches, to see.
# 2. No: 5 batches. Eight times the speed asks for a quarter of the memory.
#
# </details>

# %%
best = {name: found.memories[found.best] for name, found in explorer.found.items()}
print("best memory, in batches:", best)

# %% [markdown]
# ★ Why a quarter? The noise of a mean over a memory $M$ has variance about $s^2/(2M)$, with $s^2$ that of one batch's
# mean. The lag is about $vM$ at speed $v$. Their sum $s^2/(2M) + v^2M^2$ is least at
#
# $$M^3 = \frac{s^2}{4v^2}, \qquad\text{so that}\qquad M \propto v^{-2/3}: \quad 8^{2/3} = 4.$$

# %% [markdown]
# ## 5 · Far from zero
#
# One trap is left. A scale shows 1000 grams, give or take 1, and the computer works in float32, as networks do. We fold
# as in section 2.

# %%
weighed = np.random.default_rng(0).normal(1000.0, 1.0, size=1000).astype(np.float32)


# %%
def folded_variance(rows):
    S1 = S2 = np.float32(0)
    for x in rows:
        S1, S2 = S1 + x, S2 + x * x
    return float(S2 / np.float32(len(rows)) - (S1 / np.float32(len(rows))) ** 2)


# %% [markdown]
# **Predict.** The variance is 0.95. What will `folded_variance(weighed)` say: 0.95, 1, 0, or something impossible?

# %%
print("about zero:         ", round(folded_variance(weighed), 3))
print("about the first row:", round(folded_variance(weighed - weighed[0]), 3))

# %% [markdown]
# A negative variance! The mean square and the squared mean are both near 1,000,000, and differ in the seventh digit:
# the last one that float32 has.

# %% [markdown]
# About an origin near the data the same sums are fine: hence `origin` in section 2.

# %% [markdown]
# Better still, keep no sums but (mass, mean, covariance), and merge two groups with shares $1 - f$ and $f$ by the law of
# total covariance. In Chan's formula [3] only the difference $\delta$ of the means is squared:
#
# $$\mu = \mu_a + f\,\delta, \qquad \Sigma = (1-f)\,\Sigma_a + f\,\Sigma_b + f(1-f)\,\delta\delta^\top.$$

# %% [markdown]
# ### Exercise 07.4 · Merge without the origin
#
# ★ One feature. Merge two groups, each given as count, mean and variance. It will be tried a hundred million away from
# zero, too.


# %% exercise="07.4"
def merge(n_a, mean_a, var_a, n_b, mean_b, var_b):
    result = ...  # [n, mean, variance]
    ### BEGIN SOLUTION
    f, delta = n_b / (n_a + n_b), mean_b - mean_a
    variance = (1 - f) * var_a + f * var_b + f * (1 - f) * delta**2
    result = [n_a + n_b, mean_a + f * delta, variance]
    ### END SOLUTION
    return result


# %% check="07.4"
check("07.4", merge)

# %% [markdown]
# ## 6 · A class stays away
#
# `MixtureStats` folds (mass, mean, covariance) by Chan's formula, with decay. Here it gets real images, handwritten
# digits, and their labels: component 7 is the sevens.

# %%
calm = list(stream_digits(80))
labelled = MixtureStats(K=10, mode="ema", assigner="label_supervised", enabled=True)
for batch in calm[:50]:
    before = labelled.update(torch.from_numpy(batch.data), labels=batch.labels)

# %% [markdown]
# Then, for 30 batches, not a single seven.
#
# **Predict.** What becomes of $\pi_7$, $\mu_7$ and $\Sigma_7$?

# %%
for batch in calm[50:]:
    other = batch.labels != 7
    after = labelled.update(torch.from_numpy(batch.data[other]), labels=batch.labels[other])

# %%
print(f"weight of the sevens: {before.pi[7]:.2f}, then {after.pi[7]:.2f}")
print("mean the same to the last bit:", torch.equal(before.mu[7], after.mu[7]))
print("covariance, too:", torch.equal(before.Sigma[7], after.Sigma[7]))

# %% [markdown]
# The mass fades: $0.95^{30} = 0.21$ of it is left. Mean and covariance stay. When sevens return, they find their
# component where they left it.

# %% [markdown]
# ### Exercise 07.5 · How long until it is forgotten?
#
# A class holds 10 % of the weight, then stays away for good. With equal batches and $g = 0.95$, after how many of them
# is its $\pi_k$ below 1 %?

# %% exercise="07.5"
n_batches = ...  # a whole number
### BEGIN SOLUTION
n_batches = np.ceil(np.log(0.01 / 0.10) / np.log(0.95))
### END SOLUTION

# %% check="07.5"
check("07.5", n_batches)

# %% [markdown]
# ## 7 · A real stream
#
# A camera looks down on a belt of handwritten digits: 64 real images a batch, 8 × 8 pixels, no labels. In the course
# of 300 batches three things happen, and we do not tell you which.

# %%
rows, pi, mu = [], [], {}
settings = {"mode": "ema", "assigner": "kmeans_online"}
estimator = MixtureStats(K=10, **settings, enabled=True, on_row=rows.append)

# %%
for batch in stream_digits():
    stats = estimator.update(torch.from_numpy(batch.data))
    estimator.log_step(step=batch.step)
    pi.append(stats.pi)
    mu[f"batch {batch.step}"] = stats.mu

# %% [markdown]
# Two calls a batch: `update` folds the rows in, each at its nearest mean; `log_step` notes what there is to say. The
# memory is an EMA with $g = 0.95$: each batch counts 0.95 times as much as the next, about twenty in all.

# %%
for name in ("pi", "mu", "Sigma", "B", "R"):
    print(f"{name:5s}", tuple(stats[name].shape))

# %% [markdown]
# A mean of images is an image. After 60 batches the ten components look like this (letters, lest a component's number
# be taken for a digit):

# %%
plot.component_images({name: mu[name] for name in ["batch 60"]})

# %% [markdown]
# Nobody told it, but most components have found one digit.

# %% [markdown]
# Now what was logged. `trace_B` is the variance between components, `opnorm_B` its part along the widest direction,
# *drift* how far the means moved in a batch.

# %%
plot.stream_curves(rows, pi)

# %% [markdown]
# **Predict.** Three incidents. When does each begin, which curve shows it, and what might have happened?
#
# <details><summary>Open</summary>
#
# - **From 80 to 140** component D takes half of the weight, and the drift does not stir: the *mix* has changed, not
#   the digits. For a while half of them were zeros.
# - **From 170 on** the means drift, while the bands hardly move: the *digits* have changed, not the mix. The camera
#   tilts.
# - **From 255 on** the spread of a batch falls to nothing: the images become alike. The camera sticks.
#
# </details>

# %%
incidents = {80: "half are zeros", 140: "no longer", 170: "the camera tilts", 255: "it sticks"}
plot.stream_curves(rows, pi, marks=incidents)

# %%
moments = ["batch 60", "batch 130", "batch 240", "batch 299"]
plot.component_images({name: mu[name] for name in moments})

# %% [markdown]
# The zeros changed weights, not pictures. The tilt turned all ten. Then one image took over E, and the others *are still
# there*: absent, as in section 6, and fading.

# %% [markdown]
# The red band is an **alarm**. It looks at each batch alone, and is raised when the spread has been below the dashed line
# for five of them.

# %%
from textwrap import fill

raised = next(row["step"] for row in rows if row["alarms"])
print("first raised at batch", raised)
print(fill(estimator.alarms()[0].message, 80))

# %% [markdown]
# **Predict.** At the end all 64 images of a batch have been the same for 20 batches. What is `trace_B` then?

# %%
numbers = estimator.summary()
print(f"trace_B, remembered:    {numbers['trace_B']:.2f}")
print(f"trace_B, of this batch: {numbers['batch_trace_B']:.2f}")

# %% [markdown]
# A third of the healthy 2.2, though nothing is left. An EMA goes on telling of better days for as long as it remembers
# them. That is why the alarm does not ask it.

# %% [markdown]
# ## 8 · What one number cannot tell
#
# We take the digits' 16 widest directions, and a copy with all but the first flattened to a tenth, blown up again to the
# same total variance.

# %%
from sklearn.decomposition import PCA

healthy = PCA(16, random_state=0).fit_transform(load_dataset("digits").data / 16)
flat = healthy * np.r_[1.0, np.full(15, 0.1)]
flat = flat * np.sqrt(healthy.var(axis=0).sum() / flat.var(axis=0).sum())


# %%
def watch(rows):
    order = np.random.default_rng(0).integers(len(rows), size=(100, 64))
    watcher = MixtureStats(K=10, enabled=True)
    for batch in order:
        watcher.update(torch.from_numpy(rows[batch]))
    return watcher


# %% [markdown]
# **Predict.** Which of the two has the larger `trace_B`?

# %%
clouds = {"healthy": (healthy, watch(healthy)), "flat": (flat, watch(flat))}
for name, (_, watcher) in clouds.items():
    print(f"{name:8s} trace_B {watcher.summary()['trace_B']:.1f}")

# %%
picture, axes = plot.subplots(1, 2, width=10.0, height=4.2)
for ax, (name, (table, watcher)) in zip(axes, clouds.items(), strict=True):
    ax.scatter(*table[:, :2].T, s=8, color="dimgrey", alpha=0.5, linewidths=0)
    ax.plot(*watcher.compute().mu[:, :2].T, "o", ms=11, color=plot.COLOURS[0], mec="white")
    ax.set(title=name, xlabel="direction 1", ylabel="direction 2", xlim=(-5, 5), ylim=(-3, 3))
words = "Two clouds with their ten means. Healthy: round, with means all over it. "
plot.describe(picture, words + "Flat: a thin band, the means side by side along it.")

# %% [markdown]
# The flat one! Its components stand in line and share out one direction so well that its `trace_B` is 80 % larger.

# %% [markdown]
# That nearly all of it lies along one direction, other numbers tell: the ratio `opnorm_B/trace_B`, and the *effective
# rank*, the number of directions that the cloud really fills.

# %%
for name, (_, watcher) in clouds.items():
    n, alarms = watcher.summary(), [alarm.name for alarm in watcher.alarms()]
    ratio = n["opnorm_B"] / n["trace_B"]
    print(f"{name:8s} ratio {ratio:.2f}, effective rank {n['effective_rank']:.1f}, {alarms}")

# %% [markdown]
# And what was lost? The digits: how well do components and digits agree (adjusted Rand index: 1 is perfect, 0 is
# chance)?

# %%
from sklearn.metrics import adjusted_rand_score

digit = load_dataset("digits").target
for name, (table, watcher) in clouds.items():
    distances = np.linalg.norm(table[:, None] - watcher.compute().mu.numpy(), axis=2)
    print(f"{name:8s} {adjusted_rand_score(digit, distances.argmin(axis=1)):.1f}")

# %% [markdown]
# ### Exercise 07.6 · Read the monitor
#
# Over a training run `trace_B` rises from 2.1 to 3.8. What may you conclude from that alone?
#
# - **a**: the components have moved apart, so the representation has improved
# - **b**: the representation has collapsed to few directions
# - **c**: only that the variance between components has grown; whether in one direction or many, it does not say
# - **d**: the variance within components has fallen by 1.7

# %% exercise="07.6"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "c"
### END SOLUTION

# %% check="07.6"
check("07.6", answer)

# %% [markdown]
# Nobody flattened this cloud but us. In [08](08_simclr_live.ipynb) a network does such things to itself while it trains,
# and not every curve shows it.

# %% [markdown]
# ## 9 · Look back
#
# - Statistics add, over chunks, machines and time. Parameters do not.
# - Averaged covariances lose what lies between the batches: 1.02 instead of 5.01.
# - An EMA weighs each row of batch $t$ with $(1-g)g^{T-t}$; dividing by the total corrects its start.
# - Memory is a bargain between noise and lag: $M \propto v^{-2/3}$.
# - What is absent keeps its place and loses its weight.
# - One number never tells the whole: read `trace_B` with `opnorm_B`, and the memory with the batch.

# %%
progress("07")

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>Two machines hold half of the rows each. What do they have to exchange for one M-step? (2)</summary>
#
# N, S1 and S2 of each component: numbers whose size does not depend on how many rows there are.
#
# </details>
#
# <details><summary>When is the average of the batches' covariances right? (3)</summary>
#
# When all batches have the same mean: then nothing lies between them.
#
# </details>
#
# <details><summary>The decay goes from 0.9 to 0.99. By what factor does the lag grow? (4)</summary>
#
# By 11: from 9 batches to 99.
#
# </details>
#
# <details><summary>Why is a covariance kept about the mean, not as a mean of squares? (5)</summary>
#
# Far from zero the mean square and the squared mean agree in all the digits that float32 has.
#
# </details>
#
# <details><summary>trace_B has not changed for ten batches. Are the embeddings well? (7, 8)</summary>
#
# You cannot know: the memory may still speak of the past, and one direction may carry it all.
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. The M-step is eq. 9.24 to 9.27; the mean
#    folded row by row is eq. 2.126.
# 2. D. P. Kingma and J. Ba (2015), Adam: a method for stochastic optimization, *ICLR*. Section 3 corrects the bias of
#    two EMAs.
# 3. T. F. Chan, G. H. Golub and R. J. LeVeque (1983), Algorithms for computing the sample variance: analysis and
#    recommendations, *The American Statistician* 37, 242-247.
# 4. O. Cappé and E. Moulines (2009), On-line expectation-maximization algorithm for latent data models, *Journal of the
#    Royal Statistical Society B* 71, 593-613. EM on a stream, with a decay that falls.
# 5. R. M. Neal and G. E. Hinton (1998), A view of the EM algorithm that justifies incremental, sparse, and other
#    variants, in *Learning in Graphical Models*, Kluwer. Why partial E-steps are allowed.
# 6. E. Alpaydin and C. Kaynak (1998), *Optical recognition of handwritten digits*, UCI Machine Learning Repository. The
#    data.
#
# **Next:** [08, SimCLR live](08_simclr_live.ipynb). A network trains, its mixture is watched, and we break it on purpose.
