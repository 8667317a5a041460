# Source of page 10, the capstone: a table of one's own, from the question to a report, with rubric and checklists.

# %% [markdown]
# # 10 · Your own table
#
# You have learned on tables that somebody else chose. Now take one that *you* want to know something about: your
# measurements, your field's, your town's. By the end you have a page that a stranger can check.

# %% [markdown]
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md) · needs
# [04](04_model_selection.ipynb) and [05](05_soft_assignments.ipynb)

# %% [markdown]
# **How this page works.** It runs as it is, with penguins as a stand-in. Run it once, read along, and then go through it
# again with your table: lines that you change are marked `# yours`. Our remarks are about penguins; what your table
# shows may differ. Where it says *Write down*, write a sentence or two; together they are your report.

# %% [markdown]
# | Step | Minutes | In the end you have |
# |---|---|---|
# | 1 The question | 15 | one sentence, and what would count as an answer |
# | 2 Look | 20 | a picture of every two features |
# | 3 Gaps, units, scale | 20 | a table that can be fitted, and what it cost |
# | 4 Starts | 10 | a fit that more than one start finds |
# | 5 Family and K | 20 | a choice, and the criteria that disagree with it |
# | 6 What the groups are | 20 | each group in the units of your field |
# | 7 Doubt and surprise | 15 | rows between groups, rows outside of all |
# | 8 Would it happen again? | 20 | how stable each choice is |
# | 9 Labels, if you have any | 10 | what they say, and what they do not |
# | 10 The report | 40 | one page |

# %% [markdown]
# **What makes a good table.** Two to ten numeric columns, a hundred rows or more, measured and not computed from each
# other, and a question behind it. Have none? The library's `crabs` is good, and so is `wine` (choose
# some of its thirteen columns); `galaxies` is short and hard.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from mixturelab import GaussianMixture, plot, select
from mixturelab.exercises.own_table import check_report, check_search, check_table
from mixturelab.plot.own_table import pairs, stability, surprise
from mixturelab.plot.own_table_widgets import TableExplorer

# %% [markdown]
# ## 1 · The question
#
# Before you open the table. A mixture can answer *"Are there kinds, and how far apart?"*, *"How sure can I be of one
# row?"*, *"What would a new row look like?"*, *"Which rows are unlike all others?"*

# %% [markdown]
# It cannot say *why* there are kinds, whether they are what you would like them to be, or that one causes another.
#
# **Write down:** your question in one sentence; what you expect; and which result would make you change your mind.

# %% [markdown]
# Ours: *penguins were measured on three islands. Do four measurements alone tell kinds apart, and how many?* We expect
# three, the species. If a fourth shows up, we want to know what it is.

# %%
project = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "data" / "penguins.csv").is_file())
path = project / "data" / "penguins.csv"  # yours: "my_table.csv", if it lies beside this notebook
table = pd.read_csv(path)
table.head(4)

# %% [markdown]
# Which columns describe a row, and which only name it? Names, places, dates and numbers of rows are no measurements.
# Keep them aside: they come back when single rows are looked at, and in step 9.

# %%
features = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]  # yours
aside = ["species", "island", "sex", "year"]  # yours; [] if there are none
measured = table[features]
check_table(measured)

# %% [markdown]
# Two things to do, and the list says which; step 3 does them. It looks at properties only: nobody knows the right
# answers for your table.

# %% [markdown]
# ## 2 · Look
#
# Every two features against each other, and each one alone. Five minutes here save an hour later.

# %%
seen = pairs(measured.dropna())
words = "Bill depth against flipper length falls into two clouds; bill length splits the one with deep bills."  # yours
plot.describe(seen, words)

# %% [markdown]
# **Predict,** from the picture alone: how many groups? Are they round, or all tilted alike? Which two features show
# most? Is anything cut off, piled up or rounded?
#
# <details><summary>What we see</summary>
#
# Two groups at once (bill depth against flipper length), a third in bill length. All clouds are tilted in the same
# direction: large birds are large everywhere. One shape for all, *tied*, is a guess to remember. Flippers are rounded
# to whole millimetres and masses to 25 g, fine enough not to matter much.
#
# </details>

# %% [markdown]
# **Write down:** what you saw, before any model told you what to see.

# %% [markdown]
# ## 3 · Gaps, units, scale
#
# First the gaps. What does the library do with them?

# %%
try:
    GaussianMixture(2).fit(measured)
except ValueError as problem:
    print(problem)

# %% [markdown]
# It refuses. Plainly: **this library does not handle missing values yet.** It neither leaves features out row by row nor
# fills gaps in. So the decision is yours, and has to be reported.

# %% [markdown]
# | What you may do | When | What it costs |
# |---|---|---|
# | leave the rows out | few, and missing for no reason that matters | rows; and a bias, if large ones are missing more often |
# | leave the column out | it is nearly empty | a feature |
# | fill in by a model, several times | many gaps, you know how | work; report all the filled tables, not one |
# | fill in the mean, or 0 | never here | a spike that no group made: a component without width |

# %%
complete = measured.dropna()
print(f"{len(measured) - len(complete)} of {len(measured)} rows are left out")
table[measured.isna().any(axis=1)][aside]

# %% [markdown]
# Two birds that were never measured, of two species: nothing to worry about. With a fifth of the rows missing it would
# be, and the same two lines would be the first figure of your report.

# %% [markdown]
# Now the scale. Grams spread 406 times as widely as bill depth in millimetres. Does a mixture mind?
#
# **Predict.** A *spherical* and a *full* mixture, K = 3, each in the units given and with each column brought to standard
# deviation 1. Which of the two changes its groups? (Adjusted Rand index: 1 means equal groups, 0 no more than chance.)

# %%
scaled = (complete - complete.mean()) / complete.std()  # yours: or leave as it is, and say why
for family in ("spherical", "full"):
    model = GaussianMixture(3, covariance_type=family, n_init=10, random_state=0)
    given, brought = model.fit_predict(complete), model.fit_predict(scaled)
    print(f"{family:9} as given and scaled agree by {adjusted_rand_score(given, brought):.2f}")

# %% [markdown]
# <details><summary>Open</summary>
#
# The spherical one: a ball in grams and millimetres sees little but grams. The full one adapts, and so do the
# likelihoods of *diag* and *tied*. Their *starts* do not: k-means makes them, and it is spherical. (Try `"diag"`: 0.45.
# The hills are the same; ten starts in grams and ten scaled ones end on different ones.) So scale, that each column
# has its say in the starts, and take many. The exception: columns of one unit whose spreads mean something.
#
# </details>

# %%
check_table(scaled)

# %% [markdown]
# **Write down:** rows and columns left out and why; how the columns were scaled.

# %% [markdown]
# ## 4 · Starts
#
# EM ends where its start lets it. So take many, and see how many different ends there are.

# %%
# yours: K and family as you saw them in the picture
search = GaussianMixture(3, covariance_type="tied", n_init=20, tol=1e-6, max_iter=500, random_state=0)
ends = np.array([model.bic(scaled) for model in search.fit_restarts(scaled)]).round(1)
print("BIC of the different ends:", np.unique(ends).tolist())
print("the best was reached more than once:", bool((ends == ends.min()).sum() > 1))

# %% [markdown]
# Two ends, 175 apart. A single start might have met the worse one (lower is better), and you would never have known. If
# your best end was reached only once in twenty, take a hundred; if it still is, look at it closely in the next step.

# %% [markdown]
# ## 5 · Family and K
#
# All four families, K from 1 (no groups at all) to more than you believe in, ten starts each.

# %%
result = select(scaled, range(1, 7), n_init=10, random_state=0)  # yours: range(1, 10)
check_search(result)

# %%
plot.selection_curve(result)

# %% [markdown]
# *Tied* wins, as the picture promised, but with K = 4, not 3. ([04](04_model_selection.ipynb) had K = 3 for the same four
# columns: with one start for each K, in grams, it missed this fit, whose BIC is better by 14.) Before believing it, ask
# the others.

# %%
honest = result.table[~result.table.spurious]
for criterion in ("bic", "aic", "icl"):
    best = honest.loc[honest[criterion].idxmin()]
    print(f"{criterion}: {best.covariance_type}, K = {best.n_components}, {best[criterion]:.1f}")
print("degenerate fits in the table:", int(result.table.spurious.sum()))

# %% [markdown]
# **Three criteria, three answers.** This is the rule for real tables, not the exception. BIC and AIC ask for the density;
# ICL asks for groups that stand apart ([04](04_model_selection.ipynb)).

# %% [markdown]
# Numbers choose, but you have to live with the groups. So look at what each choice *does* to the rows: slide K, change
# the family, and pick the two features that are shown.
#
# **Predict.** From *tied*, K = 3 to K = 4: which of the three groups will be split, and in which feature?

# %%
TableExplorer(scaled, unit="standardised")

# %% [markdown]
# <details><summary>Open</summary>
#
# The one with the short bills, into deeper and shallower ones (bill depth *up*). The other two hardly change. The four of
# AIC (*full*) split another group, the one with shallow bills: the same K, and not the same groups.
#
# </details>

# %% [markdown]
# **Degenerate fits.** None here. If your table has some, `result.table[result.table.spurious]` says why: a component
# hangs on a few equal or collinear rows. Go back to step 2: what do these rows have in common? They never win, but they
# tell you something about how the table was made.

# %% [markdown]
# **Write down:** the two or three candidates that remain. From now on carry all of them; do not fall in love with one.

# %% [markdown]
# ## 6 · What the groups are
#
# Numbers of components mean nothing, so put them in an order that does: here, that of the first feature. One M-step from
# the reordered responsibilities gives the same fit, renumbered.


# %%
def candidate(family, n_components):
    model = GaussianMixture(
        n_components, covariance_type=family, n_init=10, tol=1e-8, max_iter=1000, random_state=0
    )
    gamma = model.fit(scaled).predict_proba(scaled)
    in_order = gamma[:, np.argsort(model.means_[:, 0])]
    return GaussianMixture(n_components, covariance_type=family, init_params=in_order, max_iter=0).fit(scaled)


# %%
three, four = candidate("tied", 3), candidate("tied", 4)  # yours: the candidates of step 5

# %% [markdown]
# Describe each group in the units of your field, not in standard deviations. The same responsibilities and one M-step on
# the rows as they were measured give the same mixture in millimetres and grams. (With *spherical*, the same means only: a
# ball in standard deviations is none in grams. Draw it scaled.)


# %%
def in_units(model):
    gamma = model.predict_proba(scaled)
    same = GaussianMixture(
        model.n_components, covariance_type=model.covariance_type, init_params=gamma, max_iter=0
    )
    return same.fit(complete)


# %%
pd.DataFrame(in_units(four).means_, columns=features).round(1).assign(weight=four.weights_.round(2))

# %%
plot.soft_assignments(in_units(four), complete, columns=(0, 1))

# %% [markdown]
# The ellipses are *marginals*: what is left of four dimensions when two are looked at. Components may overlap here and lie
# apart in the other two.

# %% [markdown]
# Components 0 and 1 have bills and flippers of about one length; those of 0 are 1.6 mm deeper. Component 2 is heavy, 3
# has a long bill. **Write down** a sentence for each of yours, with units.

# %% [markdown]
# ## 7 · Doubt and surprise
#
# Which rows lie between groups?

# %%
for model in (three, four):
    largest = model.predict_proba(scaled).max(axis=1)
    print(f"K = {model.n_components}: {int((largest < 0.9).sum())} of {len(scaled)} rows in doubt")

# %% [markdown]
# Ten rows in doubt with three, 58 with four: the fourth component shares its rows with a neighbour. That is what ICL
# charges for.

# %% [markdown]
# And which rows lie outside of all groups? Responsibilities cannot say; densities can ([05](05_soft_assignments.ipynb)).
#
# **Predict.** Will the rows of the lowest density be rows in doubt?

# %%
surprise(three, scaled)

# %%
lowest = scaled.index[np.argsort(three.score_samples(scaled))[:3]]
table.loc[lowest, [*aside, *features]]

# %% [markdown]
# Row 293 is sure of its component (responsibility 1.00) and like no other row: a bill of 58.0 mm on a female with
# flippers of 181 mm. A slip of the pen, or a remarkable bird? Ask whoever measured it. Never delete a row *because* it
# is improbable; fit with and without it, and report both.

# %% [markdown]
# **Write down:** how many rows are in doubt, and between what; the surprising rows, and what you did about them.

# %% [markdown]
# ## 8 · Would it happen again?
#
# Other rows of the same kind would have given another fit. Redraw the table: as many rows, with replacement (a
# *bootstrap*), fit again, and compare what old and new fit say of the original rows.


# %%
def redrawn_fit(model, seed):
    rng = np.random.default_rng(seed)
    drawn = scaled.iloc[rng.integers(len(scaled), size=len(scaled))]
    settings = {"covariance_type": model.covariance_type, "n_init": 5, "max_iter": 500, "random_state": seed}
    return GaussianMixture(model.n_components, **settings).fit(drawn)


# %%
def agreement(model, draws=20):
    found = [redrawn_fit(model, seed).predict(scaled) for seed in range(draws)]
    return [adjusted_rand_score(model.predict(scaled), labels) for labels in found]


# %% [markdown]
# **Predict.** Which of the two choices will come back more reliably?

# %%
stability({f"{m.covariance_type}, K = {m.n_components}": agreement(m) for m in (three, four)})

# %% [markdown]
# Three groups come back every time, nearly row by row. With four, the border between components 0 and 1 moves from table
# to table, sometimes far. A stable result may still be wrong; an unstable one should not be believed in detail.

# %% [markdown]
# ★ More of the same kind: leave one feature out; leave the surprising rows out; scale by ranges instead of standard
# deviations; another seed. What stays in all of them is your result.

# %% [markdown]
# ## 9 · Labels, if you have any
#
# The mixture has not seen the species. Now it may be asked about them. (No labels? Go on to step 10.)

# %%
species = table.loc[complete.index, "species"]  # yours
print(f"K = 3: {adjusted_rand_score(species, three.predict(scaled)):.2f}")
print(f"K = 4: {adjusted_rand_score(species, four.predict(scaled)):.2f}")
pd.crosstab(species, three.predict(scaled), colnames=["component"])

# %% [markdown]
# Four measurements tell the species apart but for five birds. And the fourth component? It splits the Adelie penguins.
# By what?

# %%
adelie = (
    table.loc[complete.index]
    .assign(component=four.predict(scaled))
    .query("species == 'Adelie' and component < 2")
)
pd.crosstab(adelie.component, adelie.year)

# %%
pd.crosstab(adelie.component, adelie.sex)

# %% [markdown]
# **Predict** what you would write in a report: a subspecies?
#
# <details><summary>What we would write</summary>
#
# No. Component 0, with the deeper bills, holds 30 of the 49 birds of 2007 and 24 of the 101 of later years. It also
# holds more males than females. Sex would explain larger birds, but not why the year matters, in either sex. Another
# observer, another calliper, another season? The table cannot say. It can say that a component may be a *habit of
# measuring* as well as a kind.
#
# </details>

# %% [markdown]
# **Careful with labels.** They tell whether *these* groups are found, not whether others are real. And whoever chooses K so
# that labels agree best has used them up: then they are no test any more.

# %% [markdown]
# ## 10 · The report
#
# One page, for somebody who knows your field and not these notebooks. Seven parts, two or three sentences each, and two
# figures with axes, units and a text that says what is to be seen.

# %%
report = {
    "question": ...,  # yours: what you asked, and what you expected
    "data": ...,  # who measured what; rows left out; units and scale
    "choice": ...,  # family and K; the criteria that disagree
    "groups": ...,  # each one in units
    "doubt": ...,  # rows between groups, rows outside of all
    "stability": ...,  # what came back, and what did not
    "limits": ...,  # what this does not show
}

# %%
check_report(report)

# %% [markdown]
# <details><summary>Ours, as an example</summary>
#
# **Question.** Do four measurements tell kinds of penguins apart, and how many? We expected the three species.
#
# **Data.** 344 adult penguins from three islands, 2007 to 2009 (Gorman and others 2014, CC0). Two were not measured and
# are left out. Each column was brought to mean 0 and standard deviation 1.
#
# **Choice.** One shape for all components (*tied*). ICL chooses K = 3, BIC K = 4 (2497.2 against 2511.8), AIC four
# components of free shape. We report three groups, and the fourth component as a finding of its own.
#
# **Groups.** Short bills (39 mm) and 3.7 kg; long flippers (217 mm), shallow bills and 5.1 kg; long bills (49 mm) and 3.8 kg.
#
# **Doubt.** Ten of 342 rows are below 0.9, all between the two lighter groups. One row (a bill of 58.0 mm) fits no
# group and was kept; hardly anything changes without it.
#
# **Stability.** In 20 redrawn tables three groups came back with an agreement of 0.97 or more; the fourth component's
# border moved.
#
# **Limits.** The groups agree with the species (adjusted Rand index 0.96), which were not used. The fourth component goes
# with the year 2007 and with males among the Adelies; we do not take it for a kind. Three islands, three seasons.
#
# </details>

# %% [markdown]
# ## Rubric
#
# For yourself, your neighbour, or your teacher. Ten criteria, 0 to 3 points each; 24 of 30 is very good work.

# %% [markdown]
# | Criterion | 0 · missing | 1 · begun | 2 · good | 3 · excellent |
# |---|---|---|---|---|
# | **Question** | none | a topic | one sentence that a mixture can answer | also: what was expected, and what would refute it |
# | **Data** | not described | source or units missing | source, units, gaps and scale stated | also: what the gaps and the rounding may have done |
# | **Looking** | no picture before the fit | a picture | a picture, and what it shows in words | also: a guess, compared with the fit later |
# | **Search** | one fit | several K *or* families | K from 1, several families, ten starts | also: how many starts found the best |
# | **Degenerate fits** | not mentioned | list printed | none wins, and the reason is given | also: traced back to how the table was made |
# | **Choice** | the computer's | one criterion, no reason | criteria compared, choice argued | also: the runner-up carried to the end |
# | **Groups** | component numbers | means in standard deviations | each group in a sentence, with units | also: component and group kept apart |
# | **Doubt** | hard labels only | doubtful rows counted | doubtful and surprising rows, both looked at | also: what was done, and what changes with it |
# | **Stability** | not tried | another seed | bootstrap, with a picture or numbers | also: which part is stable and which is not |
# | **Limits and craft** | claims beyond the data | limits in general words | limits of *this* table; runs from the top | also: figures readable, described, nothing left over |

# %% [markdown]
# ## For the one who reads it
#
# Twenty minutes, with the notebook open. Say first what you liked.

# %% [markdown]
# - ☐ I can say in one sentence what was asked, and what was found.
# - ☐ I ran it from top to bottom, and got the same.
# - ☐ I know how many rows were left out, and why.
# - ☐ K = 1 was tried, and the chosen K is not the largest that was.
# - ☐ The best fit was reached from more than one start.
# - ☐ I looked at one group's mean, and it is a possible animal, wine, or whatever it is.
# - ☐ I know which rows are in doubt. I also know which are unlike all others: that is not the same.
# - ☐ The groups came back in redrawn tables, or the report says that they did not.
# - ☐ Labels, if any, were used after the choice, not for it.
# - ☐ I found one sentence that claims more than the table can show (there nearly always is one).

# %% [markdown]
# ## Where tables bite
#
# | Pitfall | How it shows | Way out |
# |---|---|---|
# | rounded values, many equal | a degenerate fit wins nearly everything | see the reasons in the table; `reg_covar` in the size of the rounding, squared |
# | filled gaps | a component without width at the mean | leave the rows out, or fill in several times |
# | one column in grams, one in kilometres | groups along one column only | scale |
# | skewed columns (incomes, counts, masses) | two components for one group: a narrow one and a wide one | take logarithms, look again |
# | columns computed from each other | a smallest variance near 0 | leave one of them out |
# | shares that sum to 1 | the same | leave one out, or take log ratios |
# | a code as a number (postcode, 1 = yes) | components on a grid | not a feature: keep it for step 9 |
# | rows that belong together (one patient, ten visits) | stable groups that are single patients | one row each, or redraw patients, not rows |
# | few rows, many columns | *full* degenerate, *spherical* wins everything | fewer columns, a simpler family |
# | a long tail of strange rows | one wide component with a small weight | say so; it is a bin for the rest, no group |

# %% [markdown]
# ## Look back
#
# You asked before you looked, looked before you fitted, searched honestly, carried more than one answer, and said what
# you do not know. That is most of what there is to data analysis; the mixture was the occasion.

# %% [markdown]
# **Further reading**
#
# 1. U. von Luxburg, R. C. Williamson and I. Guyon (2012), Clustering: science or art?, *JMLR Workshop and Conference
#    Proceedings* 27, 65-79. Judge a clustering by what it is for.
# 2. C. Hennig (2007), Cluster-wise assessment of cluster stability, *Computational Statistics & Data Analysis* 52,
#    258-271. Redraw, and judge each group by itself.
# 3. U. von Luxburg (2010), Clustering stability: an overview, *Foundations and Trends in Machine Learning* 2, 235-274.
#    What stability does not tell.
# 4. K. B. Gorman, T. D. Williams and W. R. Fraser (2014), Ecological sexual dimorphism and environmental variability
#    within a community of Antarctic penguins (genus *Pygoscelis*), *PLoS ONE* 9, e90081. The data.
#
# Done? Then take the [concept inventory](concept_inventory.ipynb) once more, and see what has changed.

# %% [markdown] teacher=true
# ## For the teacher
#
# **Time.** Three to four hours in all: steps 1 and 2 in class (45 minutes, tables already chosen), steps 3 to 9 at home,
# the report and the reading of a neighbour's in a second class.

# %% [markdown] teacher=true
# **Choosing tables.** Ask for the table and the question a week before. Turn down: time series (rows are not
# independent), texts, fewer than 50 rows, only codes. Personal data stay at home: nothing here needs names.

# %% [markdown] teacher=true
# **Marking.** Read the report first, run the notebook second. Most points are lost on *Choice* (the computer's) and *Limits*
# (none). Somebody who finds no groups and says so with evidence has earned all the points. Two markers who differ by more than
# three points usually differ on *Question*: agree on that row first.

# %% [markdown] teacher=true
# **The checklists** look at properties alone and give no marks. A filled report passes like this:

# %% teacher=true
example = dict.fromkeys(report, "Two or three sentences that somebody from the field understands without us.")
check_report(example)
