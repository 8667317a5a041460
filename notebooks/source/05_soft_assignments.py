# Source of notebook 05: doubt in pictures, what silhouettes miss, k-means as a limit, calibration, outliers.

# %% [markdown]
# # 05 · Soft assignments
#
# A mixture says of every row how far each component answers for it. Most people throw that away at once and keep a
# label. What do they lose? And when the mixture says "99 % sure", should you believe it?

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md)

# %% [markdown]
# | Section | Minutes | 15-minute path | 50-minute path | 90-minute path |
# |---|---|:-:|:-:|:-:|
# | 1 Warm-up | 4 | | ● | ● |
# | 2 What a hard plot hides | 4 | ● | ● | ● |
# | 3 How much doubt? | 11 | ● | ● | ● |
# | 4 Rows side by side | 8 | | | ● |
# | 5 What a silhouette cannot see | 9 | | ● | ● |
# | 6 k-means, the limit | 10 | | ● | ● and ★ |
# | 7 Is 90 % nine in ten? | 12 | | | ● and ★ |
# | 8 What γ cannot say | 10 | | ● | ● and ★ |
# | 9 Look back | 2 | | ● | ● quiz with a neighbour |

# %% [markdown]
# **By the end you can**
#
# 1. measure a row's doubt, draw it, and refuse to answer where it is too large,
# 2. say what a silhouette sees, and name three cases in which it misleads,
# 3. derive k-means from a mixture, and say what it drops on the way,
# 4. test whether responsibilities keep their promise, and find the rows of which they say nothing.
#
# **You need** responsibilities ([01](01_responsibilities.ipynb)), EM ([02](02_em_derivation.ipynb)) and BIC
# ([04](04_model_selection.ipynb)). Penguins, crabs, tumours and the geyser come along.

# %% [markdown]
# Whatever your path, run this cell first. Skipping a section? Run its cells all the same (*Run All Above Selected
# Cell*): later ones use them.

# %%
import numpy as np

from mixturelab import GaussianMixture, load_dataset
from mixturelab.datasets import make_mixture
from mixturelab.exercises import check, progress
from mixturelab.plot import doubt, doubt_claims, doubt_hardening, doubt_outlier, doubt_rows, doubt_widgets

# %% [markdown]
# The notation is that of notebook 00. New are:
#
# | Symbol | Say | In code |
# |---|---|---|
# | $u_n$ | uncertainty of row $n$, $1 - \max_k \gamma_{nk}$ | `1 - gamma[n].max()` |
# | $H_n$ | entropy of row $n$, $-\sum_k \gamma_{nk} \log \gamma_{nk}$ | `entr(gamma[n]).sum()` |
# | $P_{nm}$ | probability that rows $n$ and $m$ share a component | `together[n, m]` |
# | $s_n$ | silhouette of row $n$, from −1 to 1 | `quality(X, labels)["silhouette"]` (its mean) |
# | $\Delta_n^2$ | squared Mahalanobis distance to a component | `distance[n]` |

# %% [markdown]
# ## 1 · Warm-up
#
# Three questions on notebook 04. Answer first, then open.

# %% [markdown]
# **a.** Why can the log-likelihood of the rows you fitted to not choose $K$?
#
# <details><summary>Open</summary>
#
# With more components it can only rise: a mixture of $K$ is a mixture of $K + 1$ with one of no weight. It has to be
# charged for its parameters, as BIC does, or be tried on rows that it has not seen.
#
# </details>

# %% [markdown]
# **b.** Two fits have the same BIC. In one, components overlap. Which of them has the lower ICL?
#
# <details><summary>Open</summary>
#
# The other. ICL is BIC plus twice the entropy of all responsibilities: it charges for doubt. This notebook looks at
# that entropy row by row.
#
# </details>

# %% [markdown]
# **c.** A row has responsibilities (0.5, 0.5). What is its hard label?
#
# <details><summary>Open</summary>
#
# Whichever comes first: `argmax` breaks the tie without a word. A label has no way to say "I do not know".
#
# </details>

# %% [markdown]
# ## 2 · What a hard plot hides
#
# 342 penguins of three species. We show the mixture two measurements of the bill, and no species.

# %%
penguins = load_dataset("penguins")
bills = penguins.frame[["bill_length", "bill_depth"]]
X = bills.to_numpy()
mixture = GaussianMixture(3, tol=1e-6, max_iter=1000, random_state=0).fit(X)
gamma = mixture.predict_proba(X)

# %% [markdown]
# (With the usual `tol=1e-3` EM stops here on a plateau, with other weights. *Slow is not finished*, as in 00.) Here is
# that one fit, drawn twice.

# %%
doubt.hard_and_soft(mixture, bills, units=["mm", "mm"])

# %% [markdown]
# **Predict.** On the left, which birds would you not like to bet on? How many on the right have less than 0.9 of any
# component?

# %%
largest = gamma.max(axis=1)
print("birds below 0.9:", (largest < 0.9).sum())
print("labels expected to be wrong:", (1 - largest).sum().round(1))

# %% [markdown]
# The left picture hides three things: *how* sure, *between which two*, and *how many* mistakes to expect. If the
# mixture is right, a label is wrong with probability $1 - \max_k \gamma_{nk}$; these add up to seven or eight birds.

# %%
from scipy.optimize import linear_sum_assignment

counts = np.zeros((3, 3), dtype=int)
np.add.at(counts, (gamma.argmax(axis=1), penguins.target), 1)
species = linear_sum_assignment(-counts)[1]  # of each component, by most rows in common
correct = species[gamma.argmax(axis=1)] == penguins.target
print("labels that are wrong:", (~correct).sum())

# %% [markdown]
# Twelve, not 7.5. Remember the difference: section 7 asks whether that is bad luck, and section 8 meets one of the
# twelve in person.

# %% [markdown]
# ## 3 · How much doubt?
#
# Two numbers are in use. The **uncertainty** is the probability that the label is wrong,
#
# $$u_n = 1 - \max_k \gamma_{nk}.$$

# %% [markdown]
# ### Exercise 05.1 · Uncertainty
#
# One line: the uncertainty of each row of `gamma`, whatever $N$ and $K$.


# %% exercise="05.1"
def uncertainty(gamma):
    result = ...  # N numbers
    ### BEGIN SOLUTION
    result = 1 - gamma.max(axis=1)
    ### END SOLUTION
    return result


# %% check="05.1"
check("05.1", uncertainty)

# %% [markdown]
# The **entropy** is the mean surprise of learning which component it was:
#
# $$H_n = -\sum_{k=1}^{K} \gamma_{nk} \log \gamma_{nk}.$$
#
# It is 0 for a certain row and $\log K$ for an even split.

# %% [markdown]
# **Predict.** Of two rows with $K = 3$ one has γ = (0.6, 0.4, 0), the other (0.6, 0.2, 0.2). Which is more uncertain?
# Which has more entropy?

# %%
from scipy.special import entr  # −γ log γ, and 0 at 0

pair = np.array([[0.6, 0.4, 0.0], [0.6, 0.2, 0.2]])
print("uncertainty:", (1 - pair.max(axis=1)).round(2))
print("entropy, nats:", entr(pair).sum(axis=1).round(2))

# %% [markdown]
# The uncertainty sees the leader alone; the entropy sees all. If *three* are possible, that is more doubt than two.

# %% [markdown]
# One entropy, three units:
#
# | Unit | Formula | Even split of 3 | Good for |
# |---|---|---|---|
# | nats | $-\sum \gamma \log \gamma$ | 1.10 | sums with log-likelihoods, as in ICL |
# | bits | the same with $\log_2$ | 1.58 | yes-or-no questions still to ask |
# | share of $\log K$ | $H / \log K$ | 1 | comparing different $K$ |

# %% [markdown]
# ### Exercise 05.2 · Entropy, with zeros
#
# Write the entropy in nats, with NumPy alone. Some rows have a γ of exactly 0, which must add nothing.


# %% exercise="05.2"
def row_entropy(gamma):
    result = ...  # N numbers
    ### BEGIN SOLUTION
    logs = np.log(np.where(gamma > 0, gamma, 1.0))
    result = -(gamma * logs).sum(axis=1)
    ### END SOLUTION
    return result


# %% check="05.2"
check("05.2", row_entropy)

# %% [markdown]
# Responsibilities are a function of $x$: they exist where no bird has ever been. So does their entropy.
#
# **Predict.** Where on the plane is it high? And what is it far away, at a bill 25 mm long and 22 mm deep?

# %%
doubt.entropy_map(mixture, bills, units=["mm", "mm"])

# %% [markdown]
# Dark along the borders, darkest where three kinds meet. And far outside *light*: there the mixture is certain about
# birds such as nobody has seen. Section 8 comes back to that.

# %% [markdown]
# What is doubt good for? To **refuse**: answer where the entropy is low, and leave the rest to somebody who knows
# penguins. The slider sets the limit, as a share of $\log K$.

# %% [markdown]
# **Predict**, before you move it: twelve labels are wrong. If you refuse the 32 most doubtful birds, how many of the
# rest are wrong? Can you get rid of all the crosses?

# %%
doubt_widgets.RefusalExplorer(mixture, bills, correct, units=["mm", "mm"])

# %% [markdown]
# Click the slider and use the arrow keys.
#
# <details><summary>Open</summary>
#
# At 0.20, 32 birds are refused and two crosses are left among 310: ten of twelve mistakes are where the doubt is. But
# one cross stays, even when 80 birds are refused. It lies on the far right, at a bill of 58 mm, and the mixture is *sure*.
#
# </details>

# %% [markdown]
# The curve on the right is called **accuracy–coverage**. In code a refusal is one line:

# %%
entropy = entr(gamma).sum(axis=1) / np.log(3)
for limit in (1.0, 0.4, 0.2, 0.1):
    kept = entropy <= limit
    print(f"refuse above {limit:.1f}: {kept.sum()} answered, {correct[kept].mean():.1%} right")

# %% [markdown]
# ## 4 · Rows side by side
#
# A scatter plot needs two features. With thirteen there is still a picture of γ itself: each row a thin bar of height 1,
# shared out among the components, the bars in order. Geneticists call it a **structure plot** [1]. (Two colours in a bar
# of theirs may mean mixed descent. In ours they mean doubt: the bird is of *one* kind.)

# %%
doubt_rows.responsibility_bars(gamma)

# %% [markdown]
# **Predict.** Component 0 is the one with the blue circles above. Which two kinds are never mistaken for each other?
# Check it in the bars.
#
# <details><summary>Open</summary>
#
# Blue (0) and green (2): no bar has as much as a twentieth of both. Their ellipses lie apart, with vermilion (1) in
# between, and the doubtful ones share with 1.
#
# </details>

# %% [markdown]
# Bars are about one row each. What about two? Given the parameters, rows are independent, so that both come from
# component $k$ with probability $\gamma_{nk} \gamma_{mk}$, and from *the same one*, whichever it is, with
#
# $$P_{nm} = \sum_{k=1}^{K} \gamma_{nk}\, \gamma_{mk} \quad (n \ne m), \qquad P_{nn} = 1.$$

# %% [markdown]
# ### Exercise 05.3 · Which rows belong together?
#
# Return all $P_{nm}$ as an $N \times N$ array. Mind the diagonal.


# %% exercise="05.3"
def posterior_similarity(gamma):
    result = ...  # [N, N]
    ### BEGIN SOLUTION
    result = gamma @ gamma.T
    np.fill_diagonal(result, 1.0)
    ### END SOLUTION
    return result


# %% check="05.3"
check("05.3", posterior_similarity)

# %%
together = gamma @ gamma.T
np.fill_diagonal(together, 1.0)
doubt_rows.similarity_map(together, gamma)

# %% [markdown]
# Three blocks, and pale strips where a row belongs to two of them in part. A hard labelling would be plain dark blue and
# white.

# %% [markdown]
# **Predict.** Renumber the components: 0 becomes 1, 1 becomes 2, 2 becomes 0. What changes in the bars, what in the map?

# %%
renumbered = gamma[:, [2, 0, 1]]
same = renumbered @ renumbered.T
np.fill_diagonal(same, 1.0)
print("the same map:", np.allclose(same, together))

# %% [markdown]
# The map knows no numbers of components, only who belongs with whom. That makes it a way to compare two fits, or to
# average many, without any label switching ([02](02_em_derivation.ipynb)).

# %% [markdown]
# ## 5 · What a silhouette cannot see
#
# No species, no likelihood, only rows and labels: are the labels any good? The **silhouette** [2] compares two mean
# distances of a row,
#
# $$s_n = \frac{b_n - a_n}{\max(a_n, b_n)}, \qquad
# \begin{aligned} a_n &: \text{to the others of its own group,} \\ b_n &: \text{to the nearest other group.} \end{aligned}$$

# %% [markdown]
# By hand, for the first of four rows on a line, in two groups:

# %%
line = np.array([0.0, 1.0, 5.0, 6.0])
a = abs(line[0] - line[1])
b = np.mean([abs(line[0] - line[2]), abs(line[0] - line[3])])
print("silhouette of row 0:", round((b - a) / max(a, b), 2))

# %% [markdown]
# The library has its mean over the rows, and three companions:
#
# | Name | Good is | What it compares |
# |---|---|---|
# | silhouette | high, at most 1 | distance to the own group with that to the next |
# | Davies–Bouldin | low | width of groups with the gap between their means |
# | Calinski–Harabasz | high | variance between groups with that within |
# | adjusted Rand index | high, at most 1 | the labels with the *truth*, where it is known |

# %%
from mixturelab.quality import quality

mean = quality(line[:, None], [0, 0, 1, 1])["silhouette"]
print("mean of all four:", round(mean, 2))

# %% [markdown]
# The first three need no truth, which is their charm. Now three tables whose truth we know, because we made them.

# %%
eye = np.eye(2)
long = [[9.0, 0.0], [0.0, 0.1]]
tables = {
    "long, side by side": make_mixture(400, [0.5, 0.5], [[0, -0.8], [0, 0.8]], [long, long], 3),
    "small beside large": make_mixture(400, [0.9, 0.1], [[0, 0], [4, 0]], [3 * eye, 0.06 * eye], 1),
    "tight within wide": make_mixture(400, [0.7, 0.3], [[0, 0], [1.5, 0.8]], [6 * eye, 0.06 * eye], 1),
}

# %% [markdown]
# Two ways to group each: k-means with the $K$ whose silhouette is best, and a mixture with the $K$ whose BIC is best.
# (The mixture starts from random rows. The usual start *is* k-means, and hands on its blind spot.)

# %%
from sklearn.cluster import KMeans


def by_silhouette(rows):
    tried = [KMeans(k, n_init=10, random_state=0).fit_predict(rows) for k in range(2, 6)]
    return max(tried, key=lambda labels: quality(rows, labels)["silhouette"])


# %%
def by_mixture(rows):
    search = {"init_params": "random_from_data", "n_init": 10, "max_iter": 500, "random_state": 0}
    tried = [GaussianMixture(k, **search).fit(rows) for k in range(1, 6)]
    return min(tried, key=lambda model: model.bic(rows)).predict(rows)


# %% [markdown]
# **Predict.** All three tables have two components. What will the silhouette make of each?

# %%
panels = {"k-means": [], "mixture": []}
for name, table in tables.items():
    for way, label in [("k-means", by_silhouette), ("mixture", by_mixture)]:
        labels = label(table.data)
        q = quality(table.data, labels, table.target)
        panels[way].append(doubt.Panel(f"{way}: {name}", table.data, labels))
        found = f"{way:8s} K = {labels.max() + 1}, silhouette {q['silhouette']:.2f}"
        print(f"{name:19s} {found}, adjusted Rand {q['adjusted_rand']:.2f}")

# %%
words = "Three tables. Above, k-means cuts the long pair across, and cuts the large and the wide group into pieces. "
below = "Below, the mixture finds the two long groups, the small one beside and the tight one inside the wide one."
doubt.label_panels(panels["k-means"] + panels["mixture"], words + below, columns=3)

# %% [markdown]
# Each time the silhouette is *higher* for labels that are worth next to nothing. It measures with one ruler in all
# directions and for all groups, and so it likes round, equally wide groups far apart. Nature need not.

# %% [markdown]
# One draw of each table, to be sure. Change the last number in `make_mixture` and look again: in three more draws of
# each the silhouettes kept this order. Once BIC found 3 components where there are 2: adjusted Rand 0.60, not 0.9.

# %% [markdown]
# Are its companions better? (Davies–Bouldin: low is good. Calinski–Harabasz: high is good.)

# %%
for (name, table), cut in zip(tables.items(), panels["k-means"], strict=True):
    for way, labels in [("k-means", cut.labels), ("the truth", table.target)]:
        q = quality(table.data, labels)
        found = f"Davies–B. {q['davies_bouldin']:.1f}, Calinski–H. {q['calinski_harabasz']:.0f}"
        print(f"{name:19s} {way:9s} {found}")

# %% [markdown]
# Hardly. Only Davies–Bouldin, and only on the middle table, prefers the truth. Each index has its own blind spot, and
# none says when you stand in it.

# %% [markdown]
# A real case: 200 crabs, two species and two sexes, five measurements in millimetres. (Tied
# covariance: all four groups grow in much the same way. `renumbered` lets equal groups have equal colours.)

# %%
crabs = load_dataset("crabs")
search = {"init_params": "random_from_data", "n_init": 10, "max_iter": 500, "random_state": 0}
tied = GaussianMixture(4, covariance_type="tied", **search).fit(crabs.data)
ways = {
    "k-means": KMeans(4, n_init=10, random_state=0).fit_predict(crabs.data),
    "mixture": doubt.renumbered(tied.predict(crabs.data), crabs.target),
    "the truth": crabs.target,
}

# %%
for way, labels in ways.items():
    q = quality(crabs.data, labels, crabs.target)
    print(f"{way:9s} silhouette {q['silhouette']:5.2f}, adjusted Rand {q['adjusted_rand']:.2f}")

# %% [markdown]
# The *true* groups have a negative silhouette! Two crabs in three are nearer to another group than to their own.

# %%
from sklearn.decomposition import PCA

turned = PCA().fit_transform(crabs.data)
size, shape = turned[:, [0, 1]], turned[:, [1, 2]]
first, second = ("direction 1 (mm): size", "direction 2 (mm)"), ("direction 2 (mm)", "direction 3 (mm)")


# %%
crab_panels = [
    doubt.Panel("k-means", size, ways["k-means"], first),
    doubt.Panel("the mixture", shape, ways["mixture"], second),
    doubt.Panel("species and sex", shape, ways["the truth"], second),
]
words = "k-means cuts the crabs into four slices along direction 1, their size. In directions 2 and 3 the mixture "
words = words + "finds four slanted groups, in the places and colours of species and sex beside it."
doubt.label_panels(crab_panels, words, columns=3)

# %% [markdown]
# 98 % of the variance is size: large crabs and small ones. What tells the groups apart is thin, and k-means never looks there.

# %%
share = PCA().fit(crabs.data).explained_variance_ratio_
print("share of the variance, direction 1 to 3:", share[:3].round(3))

# %% [markdown]
# ### Exercise 05.4 · Read two silhouettes
#
# For one table, the labels of k-means have silhouette 0.50 and those of a mixture 0.13. What follows from that alone?
#
# - **a**: k-means' labels are nearer to the true groups
# - **b**: the mixture with k-means' groups would have the higher likelihood
# - **c**: the mixture's responsibilities are uncertain
# - **d**: k-means' groups are more compact and further apart, in Euclidean distance; no more

# %% exercise="05.4"
answer = ...  # "a", "b", "c" or "d"
### BEGIN SOLUTION
answer = "d"
### END SOLUTION

# %% check="05.4"
check("05.4", answer)

# %% [markdown]
# ## 6 · k-means, the limit
#
# k-means gives each row to the nearest mean, then moves each mean to the middle of its rows. It looks like EM with hard
# labels. It is more than a likeness: let all components be round and equally wide, $\Sigma_k = \sigma^2 I$, hold σ fixed,
# and let it go to 0.

# %% [markdown]
# **Predict.** A bird is at squared distance 1.0 from one mean and 1.2 from another. Weights are equal. What is γ for
# σ = 1? For σ = 0.1?

# %%
for sigma in (1.0, 0.5, 0.2, 0.1):
    numerators = np.exp(-np.array([1.0, 1.2]) / (2 * sigma**2))
    print(f"σ = {sigma:.1f}: γ =", (numerators / numerators.sum()).round(3))

# %% [markdown]
# The same two distances: nearly a tie, then all or nothing. The quotient of two responsibilities shows why.

# %% [markdown]
# ### Exercise 05.5 · The exponent that hardens
#
# Take equal weights and $\Sigma_k = \sigma^2 I$. Fill in the last line of the derivation, as a function:
#
# $$\log \frac{\gamma_1}{\gamma_2}
# = \log \frac{\exp(-\lVert x - \mu_1 \rVert^2 / 2\sigma^2)}{\exp(-\lVert x - \mu_2 \rVert^2 / 2\sigma^2)} = \; ?$$


# %% exercise="05.5"
def log_odds(x, mu_1, mu_2, sigma):
    result = ...  # log(γ₁ / γ₂), one number
    ### BEGIN SOLUTION
    difference = ((x - mu_2) ** 2).sum() - ((x - mu_1) ** 2).sum()
    result = difference / (2 * sigma**2)
    ### END SOLUTION
    return result


# %% check="05.5"
check("05.5", log_odds)

# %% [markdown]
# With unequal weights $\log(\pi_1/\pi_2)$ comes on top, and stays what it is while the other term grows without
# bound:
#
# $$\log \frac{\gamma_1}{\gamma_2} = \log\frac{\pi_1}{\pi_2} +
# \frac{\lVert x - \mu_2 \rVert^2 - \lVert x - \mu_1 \rVert^2}{2\sigma^2}
# \;\longrightarrow\; \pm\infty \quad (\sigma \to 0).$$

# %% [markdown]
# So the nearest mean takes all (unless two are *equally* near), whatever the weights. The E-step has become "nearest
# mean", and the M-step, $\mu_k = \sum_n \gamma_{nk} x_n / N_k$, the middle of the rows: **Lloyd's algorithm**, k-means
# [3, section 9.3.2].

# %% [markdown]
# Do not take our word for it. The bills, each column in its own standard deviations; three means in a huddle as the start.

# %%
Z = (X - X.mean(axis=0)) / X.std(axis=0)
soft = hard = np.array([[0.0, 0.0], [0.31, 0.17], [-0.23, 0.41]])


# %%
def squared(mu):
    return ((Z[:, None] - mu) ** 2).sum(axis=2)  # [N, K]


# %%
def em_step(mu, sigma):
    logs = -squared(mu) / (2 * sigma**2)
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares = shares / shares.sum(axis=1, keepdims=True)
    return shares.T @ Z / shares.sum(axis=0)[:, None]


# %%
def lloyd_step(mu):
    nearest = squared(mu).argmin(axis=1)
    return np.array([Z[nearest == k].mean(axis=0) for k in range(3)])


# %%
for step in range(1, 7):
    soft, hard = em_step(soft, 0.001), lloyd_step(hard)
    print(f"step {step}: EM and Lloyd agree: {np.allclose(soft, hard, atol=1e-8)}")

# %% [markdown]
# Step for step the same. Now the whole way, from wide to narrow. Weights stay equal and σ stays fixed, only
# the means learn; at each σ, EM has run to its end. The circles have radius σ; colours are those of section 2.

# %% [markdown]
# **Predict**, before you press play:
#
# 1. Where are the three means when σ is very large?
# 2. Do they begin to part at once, or only below a certain σ?
# 3. How many birds are in doubt at the end?

# %%
middles = (mixture.means_ - X.mean(axis=0)) / X.std(axis=0)
path = doubt_hardening.harden(Z, 3, like=middles)
doubt_hardening.HardeningExplorer(path, ["bill length (sd)", "bill depth (sd)"])

# %% [markdown]
# Press ▶, or click the slider and use the arrow keys.
#
# <details><summary>Open</summary>
#
# 1. All on one spot, the mean of all birds: every γ is ⅓, and nothing tells the three apart.
# 2. They do not stir until σ falls below 1.11 (the dashed line), then all three part within a step or two of the
#    slider. 1.11 is the standard deviation along the widest direction.
# 3. None. Every bird has one colour, also those on the border, where section 2 had good reasons for doubt.
#
# </details>

# %% [markdown]
# ★ Why 1.11? Let the means be off the middle by tiny $\delta_k$ that sum to 0. To first order
# $\gamma_{nk} \approx \tfrac1K \bigl(1 + (x_n - \bar x)^\top \delta_k / \sigma^2\bigr)$, and the M-step makes of $\delta_k$
#
# $$\delta_k' = \frac{1}{\sigma^2} S \, \delta_k, \qquad S = \tfrac1N \textstyle\sum_n (x_n - \bar x)(x_n - \bar x)^\top.$$
#
# That grows only if $S$ has an eigenvalue above $\sigma^2$ [4].

# %%
widest = np.linalg.eigvalsh(np.cov(Z.T, bias=True))[-1]
print("means part below σ =", np.sqrt(widest).round(2))

# %% [markdown]
# What did the limit cost? Shapes ($\Sigma_k$), sizes ($\pi_k$) and doubt ($\gamma_{nk}$). Those are just what section 5's
# tables needed. What remains is quick, and often good enough to *start* a mixture.

# %% [markdown]
# ## 7 · Is 90 % nine in ten?
#
# A weather service that says 90 % should see rain nine times in ten. Responsibilities can be tested in the same way,
# wherever true groups are known: sort the rows by what was claimed and count how many were right.

# %% [markdown]
# First where the truth is a mixture. Two components differ in the first of 20 columns, by three standard deviations. We
# fit 200 rows, with 2 columns or with all 20, and judge on 500 others; and all that eight times.

# %%
centres = np.zeros((2, 20))
centres[:, 0] = -1.5, 1.5


# %%
def sample(n, seed):
    return make_mixture(n, [0.5, 0.5], centres, [np.eye(20)] * 2, seed)


# %% [markdown]
# EM starts from the true groups, so that nothing can be blamed on a bad start.


# %%
def fitted(seed, d):
    seen = sample(200, seed)
    start = np.eye(2)[seen.target]
    return GaussianMixture(2, init_params=start, tol=1e-6, max_iter=1000).fit(seen.data[:, :d])


# %%
def judged(model, d, n, seed):
    unseen = sample(n, 100 + seed)
    shares = model.predict_proba(unseen.data[:, :d])
    return shares.max(axis=1), shares.argmax(axis=1) == unseen.target


# %%
known = GaussianMixture.from_parameters([0.5, 0.5], centres, [np.eye(20)] * 2)
claims = {"true parameters": judged(known, 20, 4000, 0)}
for d in (2, 20):
    eight = [judged(fitted(seed, d), d, 500, seed) for seed in range(8)]
    claims[f"fitted, {d} columns"] = np.concatenate(eight, axis=1)

# %% [markdown]
# **Predict.** On a plot of *right* against *claimed*, where does each of the three lie: on the diagonal, above, below?

# %%
for name, (claimed, right) in claims.items():
    print(f"{name:18s} claimed {claimed.mean():.2f}, right {right.mean():.2f}")

# %%
doubt_claims.reliability_diagram(claims)

# %% [markdown]
# With true parameters the claims are kept: that is what a posterior probability *means*. With 2 columns the
# fits claim a little too much. With 20 a fit has $2 \cdot (20 + 210) + 1 = 461$ parameters for 200 rows: it fits the noise,
# takes it for structure, and is sure of it.

# %% [markdown]
# **More columns than the rows can pay for do not make a mixture doubtful. They make it cocksure.**

# %% [markdown]
# Now real rows: 569 tumours, malignant or benign. One fit has three measurements, the other all 30 (logarithms,
# standardised). Each row is judged by a fit to the other half. Which half is which is left to chance: ten times over.

# %%
tumours = load_dataset("breast_cancer")
logs = np.log(tumours.data + 0.01)
logs = (logs - logs.mean(axis=0)) / logs.std(axis=0)
few = [tumours.feature_names.index(f"worst_{name}") for name in ("radius", "texture", "smoothness")]


# %%
def judged_by_the_other_half(rows, groups, seed):
    half = np.random.default_rng(seed).permutation(len(rows)) % 2
    shares = np.empty((len(rows), groups.max() + 1))
    for own in (0, 1):
        start = np.eye(shares.shape[1])[groups[half == own]]
        fit = GaussianMixture(shares.shape[1], init_params=start, tol=1e-6, max_iter=1000)
        shares[half != own] = fit.fit(rows[half == own]).predict_proba(rows[half != own])
    return shares.max(axis=1), shares.argmax(axis=1) == groups


# %%
def ten_times(rows, groups):
    judged = [judged_by_the_other_half(rows, groups, seed) for seed in range(10)]
    return np.concatenate(judged, axis=1)


# %%
real = {
    "penguins, 2 columns": ten_times(X, penguins.target),
    "tumours, 3 columns": ten_times(logs[:, few], tumours.target),
    "tumours, 30 columns": ten_times(logs, tumours.target),
}
for name, (claimed, right) in real.items():
    print(f"{name:20s} claimed {claimed.mean():.2f}, right {right.mean():.2f}")

# %%
doubt_claims.reliability_diagram(real, repeats=10)

# %% [markdown]
# Twenty-seven more columns, and no more tumours are told right: only the claim has gone from 94 to 99 %. Of the tumours
# on which it claims 96 %, about 72 % are right. For a patient that is the difference between a second look and none.

# %% [markdown]
# The bars are 95 % intervals of a binomial share (Wilson's); here each row counts once, though ten fits have judged it.
# Where a bin holds ten rows they are long, and one point off the diagonal proves little.

# %% [markdown]
# Why ten splits? In a single one the two fits of the tumours may differ by 2 % of the rows, in either direction. Only the claim of 30
# columns is too high by over 3 % in *every* split:

# %%
for name, (claimed, right) in real.items():
    splits = right.reshape(10, -1).mean(axis=1)
    gap = claimed.reshape(10, -1).mean(axis=1) - splits
    ends = f"right {splits.min():.2f} to {splits.max():.2f}"
    print(f"{name:20s} {ends}, claimed too much: in {(gap > 0.03).sum()} of 10 by over 3 %")

# %% [markdown]
# **Predict.** Section 2 expected 7.5 wrong labels and found 12. Bad luck? If row $n$ is wrong with probability $u_n$,
# the number of wrong ones has variance $\sum_n u_n (1 - u_n)$.

# %%
u = 1 - largest
print(f"expected {u.sum():.1f} ± {np.sqrt((u * (1 - u)).sum()):.1f}, found {(~correct).sum()}")

# %% [markdown]
# Nearly two standard deviations: a hint of too much confidence, not more. (Above, on birds that a fit has not seen, it
# claims 98 % and is right in 96.)

# %% [markdown]
# ### Exercise 05.6 · Expected calibration error
#
# ★ Allow yourself 20 minutes. One number for such a diagram [5]. Cut 0 to 1 into `n_bins` equal bins; in each, take
# |share right − mean confidence|; average these, weighted by the rows in each bin. Some rows have a confidence of
# exactly 1.


# %% exercise="05.6"
def calibration_error(confidence, correct, n_bins):
    result = ...  # one number
    ### BEGIN SOLUTION
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    result = 0.0
    for b in np.unique(bins):
        chosen = bins == b
        gap = abs(correct[chosen].mean() - confidence[chosen].mean())
        result += chosen.mean() * gap
    ### END SOLUTION
    return result


# %% check="05.6"
check("05.6", calibration_error)

# %%
for name, (claimed, right) in real.items():
    print(f"{name:20s} calibration error {doubt_claims.reliability(claimed, right).gap:.2f}")

# %% [markdown]
# Two things break the promise: parameters from too few rows, as above, and components that are not Gaussian. For the
# first, judge on rows the fit has not seen, and use fewer columns or a leaner family ([03](03_covariance_families.ipynb)).
# And without labels? Then calibration cannot be seen at all: be modest.

# %% [markdown]
# ## 8 · What γ cannot say
#
# Section 3 left one mistake that no refusal removed. Here it is.

# %%
bird = np.flatnonzero(X[:, 0] == 58.0)[0]
print("bill:", X[bird], "mm, a", penguins.target_names[penguins.target[bird]])
print("γ:", gamma[bird].round(3), "for", [penguins.target_names[s] for s in species])

# %% [markdown]
# Sure, and wrong. γ is a *share*: it says which component explains a row best, not whether any explains it at all. If
# one numerator is $10^{-9}$ and the other $10^{-15}$, then γ = 0.999999.

# %% [markdown]
# For "at all" there is the denominator, $p(x)$, and the distance to the component in its own units:
#
# $$\Delta_n^2 = (x_n - \mu_k)^\top \Sigma_k^{-1} (x_n - \mu_k) \;\sim\; \chi^2_D \quad \text{for rows of component } k.$$

# %% [markdown]
# ### Exercise 05.7 · How far is far?
#
# Return $\Delta_n^2$ for all rows of a table, given one mean and one covariance.


# %% exercise="05.7"
def squared_distance(X, mean, covariance):
    result = ...  # N numbers
    ### BEGIN SOLUTION
    away = X - mean
    result = ((away @ np.linalg.inv(covariance)) * away).sum(axis=1)
    ### END SOLUTION
    return result


# %% check="05.7"
check("05.7", squared_distance)

# %% [markdown]
# **Predict.** 99 % of a $\chi^2_2$ lie below 9.2. How many of 342 birds should lie above it? How many do you expect
# among the *uncertain* ones?

# %%
from scipy.stats import chi2

distance = doubt.squared_distances(mixture, X)
far = distance > chi2.ppf(0.99, df=2)
print(f"expected above {chi2.ppf(0.99, df=2):.1f}: {0.01 * len(X):.1f}, found: {far.sum()}")
print("their largest γ:", largest[far].round(2))

# %%
doubt.distance_map(mixture, X)

# %% [markdown]
# Two kinds of strange rows, and they are not the same rows. To the right: *between* components, γ says so. At the top:
# *outside* all of them, and γ says nothing. Our bird is one of four at the top.

# %%
order = np.argsort(-distance)[:4]
for n in order:
    print(f"bill {X[n]}, distance² {distance[n]:.1f}, log p {mixture.score_samples(X[n : n + 1])[0]:.1f}")

# %% [markdown]
# Four where 3.4 are expected is no alarm: a limit of 99 % *always* finds some 1 % of the rows. Distance says "look at
# these"; our bird was worth the look. The longest bill, 59.6 mm, is rarer still: 0.2 birds are expected so far out.

# %% [markdown]
# So far the rows stood still and we judged them by a fit that had seen them. Does a stray row spoil the fit that is to
# find it? Drop one on the geyser and move it about.

# %% [markdown]
# **Predict**, before you move anything:
#
# 1. One row far below the long eruptions. What does it do to the mean of its component, what to the ellipse? To the
#    other component?
# 2. Five equal rows there, then twenty-five. Is their distance, by the fit that has seen them, larger or smaller?

# %%
geyser = load_dataset("old_faithful")
clean = GaussianMixture(2, random_state=0).fit(geyser.data)
doubt_outlier.OutlierExplorer(clean, geyser)

# %% [markdown]
# Try 6.5 and 40 minutes. Dashed is the fit without the cross, filled with it.
#
# <details><summary>Open</summary>
#
# 1. The mean hardly moves (one row in 176), but the ellipse swells, because distances are squared. The other component
#    does not notice: its share of that row is 0.
# 2. Smaller! 117 by the clean fit; 70 with one row, 27 with five, 6.5 with twenty-five: *below* the limit. The rows
#    have stretched the component until it covers them. This is called **masking**.
#
# </details>

# %%
cross = np.array([6.5, 40.0])
for copies in (1, 5, 25):
    spoilt = doubt_outlier.refit_with(clean, geyser.data, cross, copies)
    far_off = doubt.squared_distances(spoilt, cross[None])[0]
    print(
        f"rows put in: {copies:2d}, γ = {spoilt.predict_proba(cross[None]).max():.2f}, distance² {far_off:.1f}"
    )

# %% [markdown]
# ★ There is a bound. With a covariance worked out from the same $n$ rows (divided by $n$), no squared distance can exceed
# $n - 1$. In a group of ten rows none is ever above 9.2: there, outliers cannot be found in this way.

# %%
ten = np.r_[np.zeros(9), 1e6][:, None]
spread = ten.var()
print("the wildest of ten rows has distance²", round((ten[9, 0] - ten.mean()) ** 2 / spread, 2))

# %% [markdown]
# What to do:
#
# - look at $\log p(x_n)$ or $\Delta_n^2$ beside γ, always;
# - judge a row by a fit *without* it, as in section 7;
# - look for doubt and for distance separately: they ask for different remedies;
# - a stray group may be a real one that $K$ left no room for.

# %% [markdown]
# ## 9 · Look back
#
# - A label hides how sure, between which, and how many mistakes to expect. Uncertainty $1 - \max_k \gamma_{nk}$ sees the
#   leader, entropy all components.
# - $\gamma\gamma^\top$ says who belongs with whom, without numbering anyone.
# - Silhouettes measure compactness in Euclidean distance. Long, unequal or nested groups fail it, however true.
# - k-means is EM with $\Sigma_k = \sigma^2 I$ and $\sigma \to 0$. It gives up shape, size and doubt.
# - A γ is worth what its calibration is, on rows the fit has not seen. Too many columns make it cocksure.
# - γ is a share. Only $p(x)$ or a distance says that *nobody* explains a row.

# %% [markdown]
# **Self-quiz.** If one of these is hard, the section in brackets helps.
#
# <details><summary>Two rows have uncertainty 0.5. Can their entropies differ, if K = 2? If K = 4? (3)</summary>
#
# With K = 2 no: both are (0.5, 0.5). With K = 4 yes: the other half may lie on one component or on three.
#
# </details>
#
# <details><summary>All responsibilities are 0 or 1. What does the posterior similarity look like? (4)</summary>
#
# 1 within the groups and 0 between: a hard labelling, without its numbers.
#
# </details>
#
# <details><summary>A colleague chooses K by the silhouette because "it needs no model". What do you answer? (5)</summary>
#
# It has one: compact groups of equal width, in Euclidean distance. It is just never written down, and never tested.
#
# </details>
#
# <details><summary>σ is halved. By how much do the log odds of two components change, if weights are equal? (6)</summary>
#
# They become four times as large.
#
# </details>
#
# <details><summary>Claims of 99 %, 94 % right. Name two causes, and how you would tell them apart. (7)</summary>
#
# Too many parameters, or components that are not Gaussian. On its *own* rows an overfitted model is right more often
# than on others; the wrong shape misleads on both.
#
# </details>
#
# <details><summary>γ = (1.00, 0.00). Is the row typical of component 0? (8)</summary>
#
# Unknown. It is far more typical of 0 than of 1. Ask for log p(x) or the squared distance.
#
# </details>

# %% [markdown]
# **Further reading**
#
# 1. J. K. Pritchard, M. Stephens and P. Donnelly (2000), Inference of population structure using multilocus genotype
#    data, *Genetics* 155, 945-959. Where structure plots come from.
# 2. P. J. Rousseeuw (1987), Silhouettes: a graphical aid to the interpretation and validation of cluster analysis,
#    *Journal of Computational and Applied Mathematics* 20, 53-65.
# 3. C. M. Bishop (2006), *Pattern Recognition and Machine Learning*, Springer. Section 9.3.2: the limit, eq. 9.42 and
#    9.43.
# 4. K. Rose (1998), Deterministic annealing for clustering, compression, classification, regression, and related
#    optimization problems, *Proceedings of the IEEE* 86, 2210-2239. Why means part all at once.
# 5. C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger (2017), On calibration of modern neural networks, *Proceedings of
#    Machine Learning Research* 70 (ICML), 1321-1330. The expected calibration error, and cures.
# 6. P. J. Rousseeuw and B. C. van Zomeren (1990), Unmasking multivariate outliers and leverage points, *Journal of the
#    American Statistical Association* 85, 633-639. Masking.
#
# **Next:** [06](06_bayesian_mixtures.ipynb), Bayesian mixtures. What if the parameters themselves were uncertain?

# %%
progress("05")
