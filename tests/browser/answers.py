"""For each notebook a wrong answer, as a learner types it, and a right one; and what is said to them."""

from dataclasses import dataclass
from pathlib import Path

import nbformat

SOLUTIONS = Path(__file__).parents[2] / "notebooks" / "solutions"


@dataclass(frozen=True)
class Answer:
    """What is typed into a cell of a notebook, and what the cell that looks at it says.

    `stub` and `verdict` are texts by which the two cells are found; `refused` and `praised` parts of the messages.
    """

    notebook: str
    stub: str
    verdict: str
    wrong: str
    refused: str
    praised: str
    typed: str = ""

    @property
    def right(self) -> str:
        """What is typed, or what the teacher's notebook says."""
        cells = nbformat.read(SOLUTIONS / self.notebook, as_version=4).cells
        return self.typed or next(cell.source for cell in cells if self.stub in cell.source)


ANSWERS = (
    Answer(
        "00_start_here.ipynb",
        "weights = ...",
        'check("00.1"',
        wrong="weights = counts",
        refused="divide each count by 272",
        praised="never negative",
    ),
    Answer(
        "01_responsibilities.ipynb",
        "heights = ...",
        'check("01.1"',
        wrong="heights = counts",
        refused="Make that area 1",
        praised="A density is a share per minute",
    ),
    Answer(
        "02_em_derivation.ipynb",
        "bound = ...",
        'check("02.1"',
        wrong="def lower_bound(log_joint, q):\n    return (q * log_joint).sum()",
        refused="The other half of the bracket",
        praised="Only the first contains θ",
    ),
    Answer(
        "03_covariance_families.ipynb",
        "lengths = ...",
        'check("03.1"',
        wrong="def half_axes(covariance, mass):\n"
        "    return np.sqrt(-2 * np.log(1 - mass)) * np.linalg.eigvalsh(covariance)[::-1]",
        refused="A length is a standard deviation times r",
        praised="R times the root of an eigenvalue",
    ),
    Answer(
        "04_model_selection.ipynb",
        "def bic_of(",
        'check("04.1"',
        wrong="def bic_of(log_likelihood, n_parameters, n_rows):\n"
        "    return 2 * log_likelihood - n_parameters * np.log(n_rows)",
        refused="turn both signs round",
        praised="Misfit plus price",
    ),
    Answer(
        "05_soft_assignments.ipynb",
        "def uncertainty(",
        'check("05.1"',
        wrong="def uncertainty(gamma):\n    return gamma.max(axis=1)",
        refused="The uncertainty is what is left",
        praised="the number of mistakes to expect",
    ),
    Answer(
        "06_bayesian_mixtures.ipynb",
        "def expected_weights(",
        'check("06.1"',
        wrong="def expected_weights(alpha, N_k):\n    return N_k / N_k.sum()",
        refused="Add α to each count first",
        praised="with many rows α is forgotten",
    ),
    Answer(
        "07_mixtures_in_motion.ipynb",
        "def mean_and_variance(",
        'check("07.1"',
        wrong="def mean_and_variance(chunks):\n"
        "    n, s1, s2 = chunks.T\n"
        "    return [(s1 / n).mean(), (s2 / n - (s1 / n) ** 2).mean()]",
        refused="Add the sums first, then divide once",
        praised="You never needed a second look at a row",
    ),
    Answer(
        "08_simclr_live.ipynb",
        "def positives(",
        'check("08.1"',
        wrong="def positives(n):\n    return np.arange(2 * n)",
        refused="each row is its own partner",
        praised="Row i belongs to row i ± n",
    ),
    Answer(
        "10_your_own_table.ipynb",
        "report = {",
        "check_report(report)",
        wrong='report["question"] = "Groups?"',
        refused="question has 1 word: say it so that a stranger understands it",
        praised="Your report: 7 of 7 in order",
        typed="report = dict.fromkeys(report, 'Three groups of penguins, and one of them in two halves.')",
    ),
    Answer(
        "concept_inventory.ipynb",
        "answers_before = ",
        'inventory("before"',
        wrong='answers_before = {1: "a", 2: "q"}',
        refused="not scored yet",
        praised="Concept inventory, before the course: 2 of 10",
        typed='answers_before = "a" * 10',
    ),
)
