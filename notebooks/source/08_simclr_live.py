# Source of notebook 08: views, NT-Xent by hand, a live run and its mixture, three ways to break it, what is lost.

# %% [markdown]
# # 08 · SimCLR live
#
# A network looks at handwritten digits. Nobody tells it what a digit is. After ten seconds it has sorted them.
#
# Then we break it, three times. Each time one number looks better than ever. Which one would have told you?

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 Two views of one image | 5 | | ● | ● |
# | 3 The loss by hand | 9 | | ● | ● without hints |
# | 4 Train, and watch | 5 | ● | ● | ● |
# | 5 Read the mixture | 9 | | ● | ● |
# | 6 Break it on purpose | 10 | ● | ● | ● and ★ |
# | 7 What is lost | 4 | | ● | ● |
# | 8 In your own loop | 3 | | ● | ● and ★ |
# | 9 Look back | 1 | ● | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. write the loss of SimCLR by hand,
# 2. watch a training run through the mixture of its embeddings,
# 3. say which number shows which collapse, and which never does,
# 4. put `MixtureStats` into a training loop of your own.
#
# **You need** [07](07_mixtures_in_motion.ipynb), and to have seen a neural network train. No GPU: one core does.

# %% [markdown]
# Whatever your path, run this cell first.

# %%
import numpy as np
import torch
from IPython.display import display

from mixturelab import MixtureStats, active_mixture, plot
from mixturelab.exercises import check, progress
from mixturelab.plot.film import Film, FilmViewer
from mixturelab.simclr import Augmentation, RunConfig, Trainer, embed, experiment, load_images, nt_xent, views

digits = load_images("digits")
torch.set_num_threads(1)  # so small a network is fastest on one core

# %% [markdown]
# The notation is that of notebooks 00 and 07. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $h$, $z$ | vectors: what the encoder makes of an image, and what the loss sees of it, of length 1 (not the hidden $z_n$ of 01) | `h, z = net(images)` |
# | $s_{ij}$ | cosine of rows $i$ and $j$: $z_i^\top z_j$ | `z @ z.T` |
# | $\tau$ | temperature | `temperature` |
# | $W$, $T$ | covariance within components, $\sum_k \pi_k \Sigma_k$, and total, $T = B + W$ | `trace_W` |
# | $R^2$ | share of the variance that lies between components, $\mathrm{tr} B / \mathrm{tr} T$ | `r_squared` |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on [07](07_mixtures_in_motion.ipynb). Answer first, then open.

# %% [markdown]
# **a.** An EMA with $g = 0.95$ has seen 200 batches. How many of them does it remember, roughly?
#
# <details><summary>Open</summary>
#
# Twenty, $1/(1-g)$. What it says of something that moves is about nineteen batches late. Keep that in mind for section 6.
#
# </details>

# %% [markdown]
# **b.** The components' covariances are all small. Is the total covariance small?
#
# <details><summary>Open</summary>
#
# Not if the means lie apart. $T = W + B$: within and between, the law of total covariance.
#
# </details>

# %% [markdown]
# **c.** The cloud that we flattened to one direction had the larger `trace_B`. What else had to be looked at?
#
# <details><summary>Open</summary>
#
# `opnorm_B / trace_B`, the share of the widest direction, and the effective rank.
#
# </details>

# %% [markdown]
# ## 2 · Two views of one image
#
# 1,797 real digits, 8 × 8 pixels. They do have labels, but the network will never see one.

# %%
digits

# %% [markdown]
# A **view** is the image after a small random change: turned, shifted, stretched, lighter or darker, with noise.

# %%
generator = torch.Generator().manual_seed(0)
originals = digits.images[:7]
lines = [originals] + [views(originals, Augmentation(), generator) for _ in range(4)]

# %%
picture, axes = plot.subplots(5, 7, width=7.6, height=5.5)
for line, images in zip(axes, lines, strict=True):
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        ax.set_axis_off()
picture.suptitle("Seven digits (above), and four views of each")
plot.describe(
    picture,
    "The digits 0 to 6. Below each, four views: tilted, moved, bent, paler or noisy, yet the same digit.",
)

# %% [markdown]
# **Predict.** Mirror images would be easy to make. Why is there none among the views? And none turned upside down?
#
# <details><summary>Open</summary>
#
# Views say what shall *count as the same*. A mirrored 2 is no digit, and a 6 upside down is a 9: the network would
# learn to ignore what tells them apart. All knowledge about digits that it ever gets is in the choice of the views.
#
# </details>

# %% [markdown]
# The task: among all views of a batch, **find the other view of your own image**. Whoever can do that has understood
# what stays the same.

# %% [markdown]
# ## 3 · The loss by hand
#
# Two images with two views each: four vectors of length 1. First views come first, second views after them in the same
# order.

# %%
angles = np.deg2rad([10, 95, 40, 125])
z = np.column_stack([np.cos(angles), np.sin(angles)])
s = z @ z.T
print(s.round(2))

# %%
picture, ax = plot.subplots(width=4.4, height=3.0)
for i, name in enumerate(["0: A", "1: B", "2: A again", "3: B again"]):
    arrow = {"arrowstyle": "<-", "lw": 2.5, "shrinkA": 0, "shrinkB": 0, "color": plot.COLOURS[i % 2]}
    ax.annotate("", (0, 0), z[i], arrowprops=arrow)
    ax.text(*(1.06 * z[i]), name, ha="right" if z[i, 0] < -0.2 else "left")
ax.set(xlim=(-1.4, 1.7), ylim=(-0.1, 1.25), aspect="equal")
ax.set_axis_off()
plot.describe(picture, "Four arrows of one length: the two of image A to the right, the two of B above.")

# %% [markdown]
# ### Exercise 08.1 · Where is the other view?
#
# `n` images make `2 * n` rows. For each row: in which row is the other view of its image, its **positive**? Return
# their numbers as an array.


# %% exercise="08.1"
def positives(n):
    partner = ...  # 2 * n whole numbers
    ### BEGIN SOLUTION
    partner = (np.arange(2 * n) + n) % (2 * n)
    ### END SOLUTION
    return partner


# %% check="08.1"
check("08.1", positives)

# %% [markdown]
# Now row 0. It may choose among the three others, and chooses the more similar ones more often. The temperature $\tau$
# says how much more often; $p_{0k}$ is the probability that it chooses row $k$:
#
# $$p_{0k} = \frac{\exp(s_{0k} / \tau)}{\sum_{l \ne 0} \exp(s_{0l} / \tau)}$$

# %%
for tau in (0.1, 0.5, 50.0):
    weight = np.exp(s[0] / tau)
    weight[0] = 0  # not itself
    print(f"τ = {tau:4.1f}:", (weight / weight.sum()).round(3))

# %% [markdown]
# **Predict.** Row 2 is the right answer, and of the wrong ones row 1 is nearer than row 3. What does the loss care about at $\tau = 0.5$, and
# what at $\tau = 50$?
#
# <details><summary>Open</summary>
#
# At 0.5 the nearest wrong row counts most: push it away first. At 50 all rows are the same to row 0, near or far.
# Remember that in section 6.
#
# </details>

# %% [markdown]
# The loss of a row is $-\log$ of the probability that it chooses its positive $j$ [1, eq. 1]. (This $\ell_i$ is a loss,
# low when all is well, and not the log-likelihood.)
#
# $$\ell_i = -\log \frac{\exp(s_{ij} / \tau)}{\sum_{k \ne i} \exp(s_{ik} / \tau)}$$
#
# The mean over all rows is **NT-Xent**: *normalised* (length 1), *temperature-scaled* cross entropy.

# %% [markdown]
# ### Exercise 08.2 · The loss of one row
#
# `s` holds the cosines of row `i` with all rows, itself among them; `j` is its positive. Return $\ell_i$.


# %% exercise="08.2"
def loss_of_row(s, i, j, tau):
    loss = ...  # one number
    ### BEGIN SOLUTION
    others = np.delete(s, i)
    loss = -s[j] / tau + np.log(np.exp(others / tau).sum())
    ### END SOLUTION
    return loss


# %% check="08.2"
check("08.2", loss_of_row)

# %% [markdown]
# All four rows, then the library's:

# %%
weight = np.exp(s / 0.5)
np.fill_diagonal(weight, 0)
by_hand = -np.log(weight[range(4), [2, 3, 0, 1]] / weight.sum(axis=1))
print("by hand:    ", by_hand.round(3), " mean", by_hand.mean().round(3))

# %%
loss = nt_xent(torch.tensor(z[:2]), torch.tensor(z[2:]), temperature=0.5)
print("the library:", round(loss.item(), 3))

# %% [markdown]
# **Predict.** What is the loss of a network that knows nothing: all cosines equal, a batch of 256 images?
#
# <details><summary>Open</summary>
#
# It guesses among 511 rows: $\log 511 = 6.24$, at every temperature. A useful number: a loss near it has learnt
# nothing, or cannot tell.
#
# </details>

# %% [markdown]
# ## 4 · Train, and watch
#
# Three convolutions make $h$ (64 numbers), a small projector $z$ (32). 256 images a step, two views each, 200 steps.
# Beside it, a mixture of ten components is kept of the 512 rows of $z$.

# %%
mixture = {"enabled": True, "K": 10, "diagnostics_every": 10}
config = RunConfig(runtime={"mixture": mixture})
film = Film(digits.labels[::6])  # every sixth image, for section 6


# %%
def follow(name, config):
    run = Trainer(config, digits)
    monitor = plot.LiveMonitor(run, name, n_steps=201)
    display(monitor)
    for step in monitor.track():
        if step.number % 10 == 0:
            _, z = embed(run.network, digits.images[::6])
            film.add(name, step.number, z, run.estimator.compute(), step.row)
    return run


# %% [markdown]
# Six curves, and a map: 450 digits as the network sees them now, brought into the two directions in which the
# components' means differ most. Colours are mixed as the responsibilities say; an ellipse holds 90 % of a component.

# %% [markdown]
# **Predict**, before you start it:
#
# 1. Where does the loss start? (Section 3 said.)
# 2. Will the ten weights become equal?
# 3. What will the mixture's `trace_B` do: rise, fall, or neither?

# %% [markdown]
# It takes about ten seconds on one core of a recent machine, up to a minute on an old one. Watch it. **Stop** ends it
# after the step it is in, and so does ■; then run the cell again.

# %%
runs = {"healthy": follow("healthy", config)}

# %% [markdown]
# <details><summary>Open</summary>
#
# 1. Just below 6.24, then down to about 4.
# 2. Nearly: each ends with about a tenth of the rows. The digits are equally frequent, too.
# 3. It rises from 0.1 to 0.6: what was one crowd falls into ten.
#
# </details>

# %% [markdown]
# Numbers, as far as they are the same on every machine. (Training magnifies the last digit of each sum, and processors
# add in different order: the same seed, another first digit.)

# %%
now = runs["healthy"].estimator.summary()
print("loss below 4.6:           ", runs["healthy"].losses[-1] < 4.6)
print("weights from 3 % to 20 %: ", 0.03 < now["pi_min"] <= now["pi_max"] < 0.20)
print("trace_B from 0.5 to 0.7:  ", 0.5 < now["trace_B"] < 0.7)
print("alarms:", [alarm.name for alarm in runs["healthy"].estimator.alarms()])

# %% [markdown]
# ## 5 · Read the mixture
#
# All rows have length 1, so that everything has a scale. $\mathrm{tr}\, T$ is the mean squared distance of the rows from
# their mean: the **spread** of a batch.

# %% [markdown]
# **Predict.** Rows of length 1. What is the spread if all are equal? And what is the largest there can be?
#
# <details><summary>Open</summary>
#
# 0 and 1: it is $1 - \lVert\bar z\rVert^2$. The run ended near 1: the mean of all rows is nearly 0, they balance.
#
# </details>

# %% [markdown]
# How much of it lies *between* the components? $R^2 = \mathrm{tr} B / (\mathrm{tr} B + \mathrm{tr} W)$. Take a mixture
# apart:

# %%
stats = runs["healthy"].estimator.compute()
pi, mu, Sigma = (tensor.double().numpy() for tensor in (stats.pi, stats.mu, stats.Sigma))
print(pi.shape, mu.shape, Sigma.shape)

# %% [markdown]
# ### Exercise 08.3 · How much lies between?
#
# Return $R^2$ of any mixture.


# %% exercise="08.3"
def r_squared(pi, mu, Sigma):
    share = ...  # one number from 0 to 1
    ### BEGIN SOLUTION
    between = pi @ ((mu - pi @ mu) ** 2).sum(axis=1)
    within = pi @ np.trace(Sigma, axis1=1, axis2=2)
    share = between / (between + within)
    ### END SOLUTION
    return share


# %% check="08.3"
check("08.3", r_squared)

# %% [markdown]
# About 0.6 here: to know a row's component is to know three fifths of where it lies. (The rest is mostly what the views
# change.)

# %% [markdown]
# In how many *directions* does it lie? The eigenvalues of $T$ are the variances along its axes:

# %%
B, W = stats.B.double().numpy(), np.einsum("k,kde->de", pi, Sigma)
spectrum = np.linalg.eigvalsh(B + W)[::-1]
print("directions:", len(spectrum))
print("the first nine hold more than 85 %:", spectrum[:9].sum() / spectrum.sum() > 0.85)

# %% [markdown]
# Where to cut? Rather not at all. Take the shares $p_d$ as probabilities; the exponential of their entropy is the
# **effective rank** [2]. Ten equal ones give 10, one alone gives 1.

# %% [markdown]
# ### Exercise 08.4 · How many directions are in use?
#
# Return the effective rank of the eigenvalues `values`. Some may be 0.


# %% exercise="08.4"
def effective_rank(values):
    rank = ...  # one number, at least 1
    ### BEGIN SOLUTION
    p = values / values.sum()
    p = p[p > 0]
    rank = np.exp(-(p * np.log(p)).sum())
    ### END SOLUTION
    return rank


# %% check="08.4"
check("08.4", effective_rank)

# %% [markdown]
# **Predict.** Ten groups of digits, as far from one another as they can. Roughly which effective rank?
#
# <details><summary>Open</summary>
#
# Ten points span nine directions; with what is left within the groups, about ten.
#
# </details>

# %%
p = spectrum[spectrum > 0] / spectrum.sum()
rank = np.exp(-(p * np.log(p)).sum())
print("effective rank from 7 to 13:", 7 < rank < 13)
print("the library's the same:     ", np.isclose(rank, now["effective_rank"], rtol=0.02))
print("opnorm_B / trace_B below 0.4:", now["opnorm_B"] / now["trace_B"] < 0.4)

# %% [markdown]
# Five numbers, then: weights π, spread, `trace_B` (or $R^2$), `opnorm_B / trace_B`, effective rank.

# %% [markdown]
# ## 6 · Break it on purpose
#
# Five numbers watch: the weights π; the *spread* of a batch, the mean squared distance from its mean; `trace_B`, or its
# share $R^2$ of the whole; `opnorm_B / trace_B`, the part along the widest direction; the *effective rank*, how many
# directions are in use.

# %% [markdown]
# ### Without negatives
#
# Step 150. Somebody "simplifies" the loss to *agree with your other view*: the denominator goes, and τ with it, so that
# $-s_{ij}$ is left. No row has to be different from any other. Same seed, same images.

# %% [markdown]
# **Predict.** What happens to the loss? To the spread? To the accuracy of nearest neighbours?

# %%
runs["no negatives"] = follow("no negatives", experiment("complete_collapse", config))

# %%
kept, broken = runs["healthy"], runs["no negatives"]
print("the same to the last bit up to step 149:", kept.losses[:150] == broken.losses[:150])
print("best possible loss: -1;  reached less than -0.97:", broken.losses[-1] < -0.97)

# %% [markdown]
# A wonderful curve: the loss has never been lower. But the spread of a batch falls from 1 to 0.1 within thirty steps: all images go
# to one point. The alarm looks at the spread of each batch, and waits a little before it cries.

# %% [markdown]
# ### Exercise 08.5 · An alarm with patience
#
# `spread` holds one number a step. Return the first step at which it has been under `limit` for `patience` steps
# running; −1 if there is none.


# %% exercise="08.5"
def first_alarm(spread, limit, patience):
    step = ...  # a whole number
    ### BEGIN SOLUTION
    step, running = -1, 0
    for t, value in enumerate(spread):
        running = running + 1 if value < limit else 0
        if running == patience:
            step = t
            break
    ### END SOLUTION
    return step


# %% check="08.5"
check("08.5", first_alarm)


# %%
def alarm_steps(run):
    return [row["step"] for row in run.history if row["alarms"]]


print("first alarm within 50 steps of the change:", 150 <= alarm_steps(broken)[0] < 200)

# %% [markdown]
# ### At τ = 50
#
# Now all from the start, negatives and all, with a temperature of 50 for 0.2.

# %% [markdown]
# **Predict.** Section 3 showed what so hot a row knows of its neighbours. Which of our five numbers will tell? Will
# `trace_B` be smaller or larger than in the healthy run?

# %%
runs["τ = 50"] = follow("τ = 50", experiment("low_rank_collapse", config))

# %%
hot = runs["τ = 50"].estimator.summary()
print("trace_B larger than the healthy one:", hot["trace_B"] > now["trace_B"] + 0.1)
print("R² above 0.85:                      ", hot["r_squared"] > 0.85)
print("opnorm_B / trace_B above 0.5:       ", hot["opnorm_B"] / hot["trace_B"] > 0.5)
print("effective rank below 3:             ", hot["effective_rank"] < 3)

# %% [markdown]
# By `trace_B` and $R^2$ this is the *better* network: tight components, far apart. (By $\mathrm{tr} W / \mathrm{tr} B$, too, a
# simple measure of *neural collapse*.) But all of it lies in two directions out of 32, and only the numbers that count
# directions object.

# %% [markdown]
# Why? With $n$ images a batch has $2n$ rows. For a large $\tau$ the exponentials are nearly straight lines, and the loss
# of row $i$ with positive $j$ becomes
#
# $$\ell_i \approx \log(2n - 1) + \frac{1}{\tau}\left(\frac{1}{2n-1}\sum_{k \ne i} s_{ik} - s_{ij}\right).$$
#
# All that the negatives ask is that the *mean* cosine be small: that the rows balance. A ring in a plane balances
# perfectly. Nobody asks for a third direction.

# %% [markdown]
# ### Without augmentation
#
# Two views that are no views: both are the image itself.

# %% [markdown]
# **Predict.** Find the other copy of yourself. Is that harder or easier than before? What will the loss say, and will
# there be an alarm?

# %%
runs["no augmentation"] = follow("no augmentation", experiment("no_augmentation", config))

# %%
alone = runs["no augmentation"].estimator.summary()
print("loss far below the healthy one:", runs["no augmentation"].losses[-1] < kept.losses[-1] - 1)
print("alarms:", [alarm.name for alarm in runs["no augmentation"].estimator.alarms()])
print("effective rank above 25 of 32: ", alone["effective_rank"] > 25)
print("R² below 0.25:                 ", alone["r_squared"] < 0.25)

# %% [markdown]
# Low loss, all directions in use, no alarm; and yet it is the worst of the four, as section 7 will show. Every image keeps
# away from every other, its own kind included. Only `trace_B` and $R^2$ tell (with a spread of 1 they are the
# same number): the components explain next to nothing.

# %% [markdown]
# ### Side by side

# %%
curves = {name: (run.losses[:], run.history) for name, run in runs.items()}
words = (
    "Loss, trace_B, R squared, spread of a batch, opnorm_B over trace_B and effective rank of four runs. Without negatives "
    "the loss drops and the spread falls to nothing. At τ = 50 trace_B and R squared are the highest, the ratio is above its "
    "limit and the rank below its own. Without augmentation the rank is the highest, trace_B and R squared are the lowest."
)
plot.show(plot.signal_curves(curves), words)

# %% [markdown]
# Dotted: the limits of the alarms. Below you can look at the rows themselves. All have length 1, and the circle is where
# a row lies whose whole length is in the plane of the page. Inside it, the rest points elsewhere.

# %% [markdown]
# **Predict**, for step 200 of each run: where in the disc are the rows? On the rim, at one place, all over it, or in the
# middle?

# %%
viewer = FilmViewer(film, moments=(50, 150, 200))
viewer

# %% [markdown]
# Choose a run, then click the slider and use the arrow keys. Go to *no negatives* and walk from 150 to 200.
#
# <details><summary>Open</summary>
#
# Without negatives: one place on the rim. τ = 50: a ring. Without augmentation: the middle, since 32 directions share
# each row's length. Healthy: all over the disc, in groups.
#
# And the ellipses? After step 150 most stay behind, large, empty and dashed: the memory of warm-up **a**. An alarm that
# asked them would be late; ours asks the batch.
#
# </details>

# %% [markdown]
# | | no negatives | τ = 50 | no augmentation |
# |---|---|---|---|
# | loss | *looks wonderful* | near log 511 | *looks wonderful* |
# | kNN of $h$ | *high* | *high* | a little lower |
# | `trace_B`, $R^2$ | falls, but late | *look better* | **low** |
# | spread of a batch | **falls to 0** (alarm) | near 1 | near 1 |
# | `opnorm_B / trace_B` | below ½ | **above ½** (alarm) | low |
# | effective rank | still 8 | **2** (alarm) | *31 of 32* |

# %% [markdown]
# No line is bold all the way. **No one number catches all three.**

# %% [markdown]
# ### Exercise 08.6 · A colleague's run
#
# Loss far lower than ever, spread 1, effective rank 31 of 32, no alarm, $R^2 = 0.1$. What do you say?
#
# - **a**: the best run yet: low loss, every direction in use, no alarm
# - **b**: a complete collapse
# - **c**: a low-rank collapse
# - **d**: the task was too easy: it tells single images apart, and groups nothing

# %% exercise="08.6"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "d"
### END SOLUTION

# %% check="08.6"
check("08.6", answer)

# %% [markdown]
# ★ For those with 90 minutes: where does the ring begin? Try temperatures of 0.5, 1 and 5 with
# `follow("τ = 1", config.changed(temperature=1.0))`. And does another `K` see the same?

# %% [markdown]
# ## 7 · What is lost
#
# Labels at last, to judge. The usual judge is kNN: what share of the images has its digit right, by its five nearest
# neighbours?

# %%
from mixturelab.simclr.evaluate import evaluate, evaluate_raw

pixels = evaluate_raw(digits)
judged = {name: evaluate(run.network, digits) for name, run in runs.items()}
knn_h = {name: evaluate(run.network, digits, layer="h").knn for name, run in runs.items()}

# %%
print("kNN of the raw pixels above 0.97:", pixels.knn > 0.97)
print("kNN of h:", {name: "above 0.95" if knn > 0.955 else "above 0.9" for name, knn in knn_h.items()})

# %% [markdown]
# kNN of $h$ has noticed neither collapse: the projector fell down, the encoder behind it hardly did. (Of $z$ it does see
# the ring, but not the point: a cloud that shrinks keeps its neighbours.) Besides, raw pixels do as well.

# %% [markdown]
# Three harder questions, of $z$: do ten clusters find the ten digits (ARI)? Is *one* labelled example a digit enough? Are
# neighbours right after the image has been moved?

# %%
scores = {"raw pixels": vars(pixels) | {"knn_h": pixels.knn}}
for name, found in judged.items():
    scores[name] = vars(found) | {"knn_h": knn_h[name]}
asked = {"kmeans_ari": "clusters (ARI)", "one_shot": "one example each"}
asked |= {"perturbed_knn": "kNN of moved images", "knn": "kNN of z", "knn_h": "kNN of h"}

# %%
words = (
    "Five scores of four networks, and of raw pixels as the bar to beat. In the upper three the healthy one is first, far beyond "
    "the pixels; no negatives comes second, τ = 50 third, no augmentation far behind. In kNN of h all are high."
)
plot.show(plot.score_dots(scores, names=asked, baseline="raw pixels"), words)

# %%
good, bad, ring, lone = judged.values()
print("healthy beats the pixels by 0.1 in ARI:  ", good.kmeans_ari > pixels.kmeans_ari + 0.1)
print("no negatives has lost, but not all:      ", pixels.kmeans_ari < bad.kmeans_ari < good.kmeans_ari)
print("τ = 50 is below the pixels in ARI:       ", ring.kmeans_ari < pixels.kmeans_ari)
print("no augmentation is far below the pixels: ", lone.kmeans_ari < 0.3)

# %% [markdown]
# **Predict.** The collapsed network (no negatives) still clusters better than pixels. Was the alarm wrong?
#
# <details><summary>Open</summary>
#
# It was early, which is its job. What is left in $z$ are small differences about one point, worse by a tenth already, and
# nothing holds them. What is gone at once is the *scale*, as the next cell shows.
#
# </details>


# %%
def confused(run, threshold=0.9):
    z = torch.nn.functional.normalize(embed(run.network, digits.images)[1], dim=1)
    other = digits.labels[:, None] != digits.labels
    return ((z @ z.T)[other] > threshold).double().mean().item()


print("different digits with a cosine above 0.9")
print("   healthy: under 5 %:     ", confused(kept) < 0.05)
print("   no negatives: over half:", confused(broken) > 0.5)

# %% [markdown]
# With us it was nine in ten. Whoever says "the same digit if the cosine is above 0.9" now says so of almost everything.

# %% [markdown]
# And the mixture that was kept along the way, at no cost: how do its components compare with the digits?

# %%
from sklearn.metrics import adjusted_rand_score

z = torch.nn.functional.normalize(embed(kept.network, digits.images)[1], dim=1)
component = torch.cdist(z, kept.estimator.compute().mu).argmin(dim=1)
print("ARI above 0.6:", adjusted_rand_score(digits.labels, component) > 0.6)

# %%
words = (
    "A table of ten digits by ten components, columns ordered to fit. Most rows lie on the diagonal, "
    "where a digit has a component of its own; some rows of some digits lie elsewhere."
)
plot.show(plot.confusion_map(digits.labels, component, digits.class_names), words)

# %% [markdown]
# No label was used. But we chose K = 10, and digits come in ten equal kinds: elsewhere a component may be half a class,
# or two.

# %% [markdown]
# ## 8 · In your own loop
#
# Three lines, marked below. The loss passes its rows on by itself to whatever mixture is active.

# %%
from textwrap import fill

from mixturelab.simclr import SimCLRNet

net, images = SimCLRNet(), digits.images[:256]
optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
estimator = MixtureStats(K=10, enabled=True)  # 1

# %%
for step in range(5):
    z1, z2 = (net(views(images, Augmentation(), generator))[1] for _ in range(2))
    with active_mixture(estimator):  # 2
        loss = nt_xent(z1, z2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    estimator.log_step(step=step)  # 3

# %%
print(estimator)
print(fill(", ".join(name for name in estimator.summary() if not name.startswith("batch_")), 80))

# %% [markdown]
# With `log_dir="runs/mine"`, each `log_step` adds a line to `runs/mine/mixture.csv`. `estimator.alarms()` says what is
# wrong now, if anything.

# %% [markdown]
# Your loss is another one, and knows nothing of mixtures? Then hook a module: what it puts out while it trains is
# counted.

# %%
from mixturelab.stream import MixtureSettings, mixture_hook

watcher = MixtureStats(K=10, enabled=True)
with mixture_hook(net.encoder, watcher):
    net(images)
print("h is watched:", tuple(watcher.compute().mu.shape))

# %% [markdown]
# Settings live in YAML. All have defaults, `enabled` is off by default, and a misspelt one is named before any training.

# %%
text = "runtime: {mixture: {enabled: true, K: 10, ema_decay: 0.95}}"
print(MixtureStats.from_settings(MixtureSettings.from_yaml(text)))

# %%
try:
    MixtureSettings.from_yaml("runtime: {mixture: {emma_decay: 0.95}}")
except ValueError as error:
    print(str(error).split("?")[0] + "?")

# %% [markdown]
# The same runs from the command line, with a folder of curves, checkpoints and settings. Ctrl-C stops one, `--resume`
# goes on with it:
#
# ```
# mixturelab simclr --config configs/simclr_digits.yaml --out runs/healthy
# mixturelab simclr --config configs/simclr_digits.yaml --out runs/ring --experiment low_rank_collapse
# ```

# %% [markdown]
# While one trains, here or on another machine that shares the disk, its folder is enough to watch it: in a terminal by
# the line below, in a notebook by `plot.LiveMonitor("runs/ring")`, with the same curves and the same map.
#
# ```
# mixturelab watch runs/ring
# ```

# %% [markdown]
# ★ `--config` takes other data, too: `data: mnist`, an array in a file, or a folder of your own images. What do your
# views have to leave alone?

# %% [markdown]
# ## 9 · Look back
#
# - A view says what counts as the same; NT-Xent asks each row to find its own image's other view.
# - Loss is no judge: it was lowest in two of three broken runs. kNN of $h$ is none: it was high in all four.
# - A batch's spread shows the complete collapse, within some thirty steps. The EMA shows it later.
# - `trace_B` and $R^2$ alone mislead: highest on the ring. Read them with `opnorm_B / trace_B` and the effective rank.
# - What raises no alarm can still be worthless: look at $R^2$, too.

# %%
progress("08")

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>A batch of 128 images: how many negatives has a row? (3)</summary>
#
# 254: of 256 rows, all but itself and its positive.
#
# </details>
#
# <details><summary>All rows have length 1 and their mean has length 0.8. What is the spread? (5)</summary>
#
# 1 − 0.64 = 0.36.
#
# </details>
#
# <details><summary>Why does the alarm for the complete collapse not use trace_B? (6)</summary>
#
# It is of the EMA, which goes on telling of the last twenty batches and more. The spread is the batch's own.
#
# </details>
#
# <details><summary>The effective rank is 2, R² is 0.95. Good clusters? (6)</summary>
#
# A ring, or three points: tight, and in a plane. (A line or two points would have rank 1.) Whatever does not fit into two directions is gone.
#
# </details>
#
# <details><summary>What does a loss of 6.22 say if the batch has 256 images? (3, 6)</summary>
#
# That it is near log 511. The network has learnt nothing, or the temperature is so high that the loss cannot show it.
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. T. Chen, S. Kornblith, M. Norouzi and G. Hinton (2020), A simple framework for contrastive learning of visual
#    representations, *ICML*. SimCLR; NT-Xent is eq. 1.
# 2. O. Roy and M. Vetterli (2007), The effective rank: a measure of effective dimensionality, *EUSIPCO*.
# 3. T. Wang and P. Isola (2020), Understanding contrastive representation learning through alignment and uniformity on
#    the hypersphere, *ICML*. What the two halves of the loss ask for.
# 4. L. Jing, P. Vincent, Y. LeCun and Y. Tian (2022), Understanding dimensional collapse in contrastive self-supervised
#    learning, *ICLR*. The collapse that negatives do not prevent.
# 5. Q. Garrido, R. Balestriero, L. Najman and Y. LeCun (2023), RankMe: assessing the downstream performance of
#    pretrained self-supervised representations by their rank, *ICML*.
#
# **Next:** [10, your own table](10_your_own_table.ipynb). You have seen ours; now take one that you want to know
# something about.
