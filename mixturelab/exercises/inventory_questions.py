"""The ten questions of the concept inventory: choices, and what somebody believes who takes one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LETTERS", "QUESTIONS", "Choice", "Question"]

LETTERS = "abcd"


@dataclass(frozen=True)
class Choice:
    """One of a question's four answers.

    Attributes
    ----------
    text : str
        What it says.
    misconception : str
        What somebody believes who takes it, in a few words; empty for the right answer.
    message : str
        What to tell them: why it is tempting, and what holds instead. For the right answer: why it is right.
    """

    text: str
    misconception: str
    message: str

    @property
    def is_right(self) -> bool:
        """Whether this is the answer."""
        return not self.misconception


@dataclass(frozen=True)
class Question:
    """One question about a concept; nothing has to be worked out.

    Attributes
    ----------
    number : int
        From 1.
    concept : str
        What it is about, for the teacher.
    text : str
        What it asks.
    choices : tuple of four Choice
        a, b, c and d; one of them is right.
    notebook : str
        The number of the notebook that teaches it, as "01".
    """

    number: int
    concept: str
    text: str
    choices: tuple[Choice, Choice, Choice, Choice]
    notebook: str

    @property
    def key(self) -> str:
        """The letter of the right answer."""
        return next(letter for letter, choice in zip(LETTERS, self.choices, strict=True) if choice.is_right)

    def choice(self, letter: str) -> Choice:
        """The answer with that letter."""
        return self.choices[LETTERS.index(letter)]


def _right(text: str, message: str) -> Choice:
    return Choice(text, "", message)


QUESTIONS: tuple[Question, ...] = (
    Question(
        1,
        "density and probability",
        "The lifetime of a lamp, in years, is normal with mean 2 and standard deviation 0.1. The density "
        "at 2 years is about 4. What does the 4 say?",
        (
            Choice(
                "Something went wrong: no probability is larger than 1.",
                "density taken for probability",
                "a density is probability *per unit*, here per year. Only the area under the curve has to "
                "be 1, so a narrow bell is a high one.",
            ),
            Choice(
                "A lamp is four times as likely to last 2 years as to last any other time.",
                "height taken for odds",
                "two heights can be compared with each other; the 4 alone is compared with nothing. It is "
                "4 per year, and in other units it is another number.",
            ),
            _right(
                "About 4 % of the lamps fail in an interval of 0.01 years around it.",
                "density times width is probability, as long as the interval is small: 4 per year × 0.01 "
                "years.",
            ),
            Choice(
                "About 4 % of the lamps last exactly 2 years.",
                "a point given a probability",
                "under a density, no single value has a probability above 0: it takes an interval. In one of "
                "0.1 years around 2 it is 38 %, in an instant nothing.",
            ),
        ),
        "01",
    ),
    Question(
        2,
        "what responsibilities sum to",
        "A mixture of 3 components is fitted to 200 rows. Its responsibilities fill a table of 200 rows "
        "and 3 columns. What do they sum to?",
        (
            _right(
                "Each row of the table to 1, and so the whole table to 200.",
                "each row of the data is handed out exactly once, in parts.",
            ),
            Choice(
                "Each column of the table to 1, and so the whole table to 3.",
                "normalised over the rows",
                "a responsibility shares out one row among the components, so the sum over *components* "
                "is 1. A column sums to N_k, the rows that its component answers for.",
            ),
            Choice(
                "The whole table to 1, as probabilities have to.",
                "one joint distribution",
                "the table is 200 distributions, one for each row: each time the question is which of the "
                "three components it came from.",
            ),
            Choice(
                "Each column to a third of 200, since there are three components.",
                "equal shares",
                "that would hold if all components had the same weight. Columns sum to N_k, and N_k / N "
                "is the weight π_k: groups may differ in size.",
            ),
        ),
        "01",
    ),
    Question(
        3,
        "responsibility far away from everything",
        "A row lies 40 standard deviations away from both components of a mixture, a little nearer to the "
        "first. Its responsibility for the first is 0.9999. What follows?",
        (
            Choice(
                "It is a typical member of the first component.",
                "responsibility taken for typicality",
                "a responsibility compares the components with each other, not the row with the others of "
                "its component. Whether the row fits at all is said by p(x), and that is next to nothing "
                "here.",
            ),
            Choice(
                "There is a mistake: so far out, both should be near 0.5.",
                "far taken for doubtful",
                "doubt is greatest where the two are equally dense, which is between them. Far out their "
                "*ratio* grows without limit: densities fall with the square of the distance, inside an "
                "exponential.",
            ),
            Choice(
                "The mixture has a high density at this row.",
                "responsibility taken for density",
                "the density has been divided out: γ is a share of p(x), and a share of very little can "
                "be nearly all of it.",
            ),
            _right(
                "If it came from either, then from the first; it may have come from neither.",
                "a responsibility is a probability *given* that the row came from this mixture. It cannot "
                "say 'none of these'.",
            ),
        ),
        "05",
    ),
    Question(
        4,
        "likelihood and the number of components",
        "On the very rows that both were fitted to, a fit with 6 components has a log-likelihood 10 nats "
        "above that of a fit with 3. What follows?",
        (
            Choice(
                "New rows, too, will be described better by 6.",
                "likelihood of fitted rows as quality",
                "rows that were fitted flatter the fit: part of the 10 nats describes what was chance in "
                "them. Rows that were not fitted decide, or a criterion that charges for parameters.",
            ),
            _right(
                "Nothing yet: 6 components can always reach what 3 reach.",
                "two of six components may copy a third one, so the best likelihood never falls when K "
                "grows.",
            ),
            Choice(
                "There are 6 groups, or the likelihood would not have risen.",
                "likelihood counts groups",
                "it would have risen for rows from a single bell as well: the largest likelihood never "
                "falls when K grows, whatever groups there are.",
            ),
            Choice(
                "With 3, EM had not converged: finished fits have equal likelihoods.",
                "one likelihood for all K",
                "each K has a maximum of its own, and more freedom makes it no lower. A difference says "
                "nothing about who has finished.",
            ),
        ),
        "04",
    ),
    Question(
        5,
        "local optima and the numbering of components",
        "EM has converged. You run it again with the same data and the same number of components, from "
        "another start. What will you find?",
        (
            Choice(
                "The same fit, since EM finds the maximum of the likelihood.",
                "EM as a global search",
                "EM goes uphill from where it starts, and stays at the top that it reaches. Another start may lead "
                "to a higher one.",
            ),
            Choice(
                "The same fit, and the largest group is component 0 again.",
                "numbers of components with a meaning",
                "components are numbered by where they start, not by size: the same fit may come back "
                "with its numbers exchanged. And it need not be the same fit.",
            ),
            _right(
                "Perhaps another fit, which may be better or worse.",
                "EM climbs the hill that it starts on; hence several starts, of which the best honest one is kept.",
            ),
            Choice(
                "A better fit, since the second run goes on where the first stopped.",
                "a restart as a continuation",
                "a new start knows nothing of the first run. It may end higher, at the same height, or "
                "lower.",
            ),
        ),
        "02",
    ),
    Question(
        6,
        "component and cluster",
        "A table holds two species. Within each, sizes are skewed: many small animals, a few very large "
        "ones. BIC chooses 4 components. Which explanation is the most likely?",
        (
            _right(
                "One bell cannot follow a skewed group, so that each takes two.",
                "components are pieces of a density. Which pieces make up one group is a second question.",
            ),
            Choice(
                "There are four groups; two of them were unknown so far.",
                "component taken for cluster",
                "four bells describe the density best; that is all BIC says. Look at the pairs first: do "
                "two components sit within one species and make up one skewed hill?",
            ),
            Choice(
                "BIC failed: a criterion that works would have chosen 2.",
                "BIC asked for groups",
                "BIC answered the question it was asked, which density describes the rows. For the number "
                "of groups that stand apart, ask ICL, or merge components.",
            ),
            Choice(
                "The species overlap, and two more components fill the gap between them.",
                "components as patches for overlap",
                "where two bells overlap their sum fills the gap already. Overlap makes assignments "
                "doubtful, and a criterion rather finds fewer components than more.",
            ),
        ),
        "04",
    ),
    Question(
        7,
        "soft and hard assignment",
        "Two groups of equal size and spread overlap. You give each row wholly to its most responsible "
        "component, and take mean and variance of each part. How do they compare with those of the M-step, "
        "which uses the responsibilities?",
        (
            Choice(
                "They are equal, as each row went to its likeliest component.",
                "hard taken for soft",
                "they would be if every row were certain. A row with 0.6 and 0.4 is a part of both "
                "groups; the hard assignment forgets the 0.4.",
            ),
            _right(
                "The means lie too far apart, and the variances are too small.",
                "the cut takes the tail that reaches across it from each group, and gives it to the other.",
            ),
            Choice(
                "They are more exact, because each row did come from one component.",
                "one origin, so hard is right",
                "it did, but nobody knows from which. The cut errs in one direction each time: tails that "
                "reach across it are given to the neighbour.",
            ),
            Choice(
                "The means are equal, and only the variances are too large.",
                "hard taken for rough",
                "hard labels are not a noisy version of soft ones. The cut takes a tail away from each "
                "group, which makes it narrower and moves its mean.",
            ),
        ),
        "05",
    ),
    Question(
        8,
        "underflow",
        "In single precision, the densities of one row come out as 0.0 for every component. What about "
        "its responsibilities?",
        (
            Choice(
                "It has none: the row is impossible under this mixture.",
                "zero taken for impossible",
                "a Gaussian is nowhere 0. The number was too small for the computer, and that says as "
                "much about the computer as about the row.",
            ),
            Choice(
                "They are 1/K each: no component knows anything about the row.",
                "zero taken for ignorance",
                "the components do differ, often enormously: log densities of −800 and −900 are both 0.0, "
                "and the first is e^100 times as large.",
            ),
            Choice(
                "They are right again once 1e-10 is added to each density.",
                "underflow patched with a constant",
                "then every component has the density 1e-10, and all such rows get the same shares, "
                "whatever they are. The information was lost before the constant came.",
            ),
            _right(
                "They are as definite as any: logarithms bring them out.",
                "shares depend on ratios, and ratios of densities are differences of logarithms: log-sum-"
                "exp.",
            ),
        ),
        "01",
    ),
    Question(
        9,
        "what BIC says",
        "BIC is printed as −2ℓ + p log N. On the same 272 rows, model A has p = 11 and BIC 2320; model B "
        "has p = 17 and BIC 2334. Which is right?",
        (
            Choice(
                "B is preferred, because its BIC is higher.",
                "the sign of BIC",
                "in this form lower is better: −2ℓ is a badness of fit, and the penalty is added. R's "
                "mclust prints the negative, and there higher is better.",
            ),
            Choice(
                "They cannot be compared, because their p differs.",
                "a criterion for equal p only",
                "charging for parameters is what makes models with different p comparable. What has to be "
                "equal are the rows, and their units.",
            ),
            _right(
                "A is preferred, although the likelihood of B is higher.",
                "−2ℓ is 2258 for A and 2239 for B: six more parameters cost 34, and earned 20.",
            ),
            Choice(
                "A is preferred, because the likelihood of A is higher.",
                "BIC taken for likelihood",
                "take the penalty off, p log 272 = 5.6 p: −2ℓ is 2258 for A and 2239 for B, so B fits its "
                "rows better. It does not pay for its six parameters.",
            ),
        ),
        "04",
    ),
    Question(
        10,
        "averages of parameters",
        "Two computers fit the same kind of mixture, each to one half of the rows. You average: mean 0 "
        "with mean 0, covariance 0 with covariance 0, and so on. What is wrong with it?",
        (
            Choice(
                "Nothing, if both halves have equally many rows.",
                "parameters averaged",
                "not even the variance of one group is the average of its halves' variances: what lies "
                "between the two means is missing. Add the sums N_k, S1_k, S2_k, and divide at the end.",
            ),
            _right(
                "Number 0 may be another group there, and the spread between means is lost.",
                "numbers of components are arbitrary, and the covariance of all is within plus between.",
            ),
            Choice(
                "The half with the higher likelihood should have counted more.",
                "likelihood as a weight",
                "rows count, not how likely they were: a half with more outliers has a lower likelihood, "
                "and is no less a half of the data.",
            ),
            Choice(
                "Only the weights: averaged, they do not sum to 1 any more.",
                "shares taken for fragile",
                "the average of shares that sum to 1 sums to 1 as well. It is the means and the "
                "covariances that go wrong, and the numbering.",
            ),
        ),
        "07",
    ),
)
