# Source of the concept inventory: ten questions for before and after the course; the teacher's page has the key.

# %% [markdown]
# # Concept inventory
#
# Ten questions about ideas; nothing has to be worked out. Ten minutes before the course, ten minutes after it, and you
# see what has changed.
#
# [Glossary and notation](reference/glossary.md) · [Bibliography](reference/bibliography.md) · [00 Start here](00_start_here.ipynb)

# %% [markdown]
# **How it works.** Answer from what you know now, without looking anything up, and write `"?"` where you do not know: a
# lucky guess helps nobody. Nobody else sees your answers; the first ones are kept on this computer, for comparison.

# %% [markdown]
# **Why you are not told the answers at once.** The same questions come again after the course. Until then you learn how
# many were right, and which notebooks to look forward to.

# %% [markdown]
# ## The questions

# %% [markdown]
# **1.** The lifetime of a lamp, in years, is normal with mean 2 and standard deviation 0.1. The density at 2 years is
# about 4. What does the 4 say?
#
# - **a** · Something went wrong: no probability is larger than 1.
# - **b** · A lamp is four times as likely to last 2 years as to last any other time.
# - **c** · About 4 % of the lamps fail in an interval of 0.01 years around it.
# - **d** · About 4 % of the lamps last exactly 2 years.

# %% [markdown]
# **2.** A mixture of 3 components is fitted to 200 rows. Its responsibilities fill a table of 200 rows and 3 columns.
# What do they sum to?
#
# - **a** · Each row of the table to 1, and so the whole table to 200.
# - **b** · Each column of the table to 1, and so the whole table to 3.
# - **c** · The whole table to 1, as probabilities have to.
# - **d** · Each column to a third of 200, since there are three components.

# %% [markdown]
# **3.** A row lies 40 standard deviations away from both components of a mixture, a little nearer to the first. Its
# responsibility for the first is 0.9999. What follows?
#
# - **a** · It is a typical member of the first component.
# - **b** · There is a mistake: so far out, both should be near 0.5.
# - **c** · The mixture has a high density at this row.
# - **d** · If it came from either, then from the first; it may have come from neither.

# %% [markdown]
# **4.** On the very rows that both were fitted to, a fit with 6 components has a log-likelihood 10 nats above that of
# a fit with 3. What follows?
#
# - **a** · New rows, too, will be described better by 6.
# - **b** · Nothing yet: 6 components can always reach what 3 reach.
# - **c** · There are 6 groups, or the likelihood would not have risen.
# - **d** · With 3, EM had not converged: finished fits have equal likelihoods.

# %% [markdown]
# **5.** EM has converged. You run it again with the same data and the same number of components, from another start.
# What will you find?
#
# - **a** · The same fit, since EM finds the maximum of the likelihood.
# - **b** · The same fit, and the largest group is component 0 again.
# - **c** · Perhaps another fit, which may be better or worse.
# - **d** · A better fit, since the second run goes on where the first stopped.

# %% [markdown]
# **6.** A table holds two species. Within each, sizes are skewed: many small animals, a few very large ones. BIC
# chooses 4 components. Which explanation is the most likely?
#
# - **a** · One bell cannot follow a skewed group, so that each takes two.
# - **b** · There are four groups; two of them were unknown so far.
# - **c** · BIC failed: a criterion that works would have chosen 2.
# - **d** · The species overlap, and two more components fill the gap between them.

# %% [markdown]
# **7.** Two groups of equal size and spread overlap. You give each row wholly to its most responsible component, and
# take mean and variance of each part. How do they compare with those of the M-step, which uses the responsibilities?
#
# - **a** · They are equal, as each row went to its likeliest component.
# - **b** · The means lie too far apart, and the variances are too small.
# - **c** · They are more exact, because each row did come from one component.
# - **d** · The means are equal, and only the variances are too large.

# %% [markdown]
# **8.** In single precision, the densities of one row come out as 0.0 for every component. What about its
# responsibilities?
#
# - **a** · It has none: the row is impossible under this mixture.
# - **b** · They are 1/K each: no component knows anything about the row.
# - **c** · They are right again once 1e-10 is added to each density.
# - **d** · They are as definite as any: logarithms bring them out.

# %% [markdown]
# **9.** BIC is printed as −2ℓ + p log N. On the same 272 rows, model A has p = 11 and BIC 2320; model B has p = 17
# and BIC 2334. Which is right?
#
# - **a** · B is preferred, because its BIC is higher.
# - **b** · They cannot be compared, because their p differs.
# - **c** · A is preferred, although the likelihood of B is higher.
# - **d** · A is preferred, because the likelihood of A is higher.

# %% [markdown]
# **10.** Two computers fit the same kind of mixture, each to one half of the rows. You average: mean 0 with mean 0,
# covariance 0 with covariance 0, and so on. What is wrong with it?
#
# - **a** · Nothing, if both halves have equally many rows.
# - **b** · Number 0 may be another group there, and the spread between means is lost.
# - **c** · The half with the higher likelihood should have counted more.
# - **d** · Only the weights: averaged, they do not sum to 1 any more.

# %% [markdown]
# ## Before the course
#
# Replace each row of dots by a letter in quotes, `"a"` to `"d"`, or by `"?"`. Then run both cells.

# %%
from mixturelab.exercises.inventory import inventory

answers_before = {1: ..., 2: ..., 3: ..., 4: ..., 5: ..., 6: ..., 7: ..., 8: ..., 9: ..., 10: ...}

# %%
inventory("before", answers_before)

# %% [markdown]
# Now close this page, and go to the first of the notebooks that it names, or to [00](00_start_here.ipynb).

# %% [markdown]
# ## After the course
#
# Read the questions again as if they were new, and do not look at what you wrote above.

# %%
answers_after = {1: ..., 2: ..., 3: ..., 4: ..., 5: ..., 6: ..., 7: ..., 8: ..., 9: ..., 10: ...}

# %%
inventory("after", answers_after)

# %% [markdown]
# Now each answer gets a remark. A wrong one is named by the idea behind it, and the notebook that puts it right is
# worth another half hour.

# %% [markdown]
# **To begin anew,** or to leave nothing behind: `from mixturelab.exercises import progress`, then `progress.forget()`. It
# also forgets which exercises are done.

# %% [markdown] teacher=true
# ## For the teacher
#
# The rest of this page is in the teacher's folder only.

# %% teacher=true
from mixturelab.exercises.inventory import gain, inventory_key

inventory_key()

# %% [markdown] teacher=true
# **What the table says.** Next to each number stands the concept, then what somebody believes who takes that choice. Two who
# both have a wrong answer may need different help.

# %% [markdown] teacher=true
# **How to use it.** Ten minutes at the beginning of the first class and of the last, the same questions, alone, on paper or on
# screen. Not for marks: a mark makes people guess. Do not discuss the answers in between.

# %% [markdown] teacher=true
# **Before:** the concepts most often missed show which notebooks need the most time. The questions themselves stay closed
# until the end; take others for the discussion, the warm-ups for instance.

# %% [markdown] teacher=true
# **After:** the *normalised gain* [1] is the share of what was open that has been won,
#
# $$g = \frac{\text{after} - \text{before}}{10 - \text{before}}.$$
#
# Take it of the class means, not the mean of single gains: somebody who began at 9 would count for too much.

# %% teacher=true
import numpy as np

before, after = [2, 4, 3, 6, 5], [6, 7, 8, 9, 7]  # five learners
print(f"gain of the class: {gain(np.mean(before), np.mean(after)):.2f}")

# %% [markdown] teacher=true
# For scale: in Hake's physics courses [1] lectures alone gained about 0.2, classes in which learners discuss and do about
# 0.5. His test was another one, so take this as a rough guide. Who lost points has no gain: report both numbers [2].

# %% [markdown] teacher=true
# **Which belief is common?** Count the choices of a question over the class. Here each string is one learner's sheet,
# questions 1 to 10.

# %% teacher=true
sheets = ["babacbcccb", "aacbcdabca", "aabbaabdab", "cadcaaddcb", "dbdbcbbbcb"]
for number in (1, 5, 8):
    print(number, "".join(sorted(sheet[number - 1] for sheet in sheets)))

# %% [markdown] teacher=true
# And this is what a learner sees after the course, with a
# score of 4 before:

# %% teacher=true
inventory("after", "cadbaabdc?", before=4)

# %% [markdown] teacher=true
# **References**
#
# 1. R. R. Hake (1998), Interactive-engagement versus traditional methods: a six-thousand-student survey of mechanics test
#    data for introductory physics courses, *American Journal of Physics* 66, 64-74.
# 2. J. D. Marx and K. Cummings (2007), Normalized change, *American Journal of Physics* 75, 87-91.
