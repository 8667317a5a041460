"""The real tables: for each its columns, units, source and licence, and where its numbers lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixturelab.datasets.chunks import exact_numbers
from mixturelab.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "Column", "Table", "data_file"]

UCI = "CC BY 4.0 (UCI Machine Learning Repository)"
FACTS = "Measurements published in a paper, passed on with R (GPL-2 or GPL-3)"


@dataclass(frozen=True)
class Column:
    """A feature: the name we use, its unit, and its name in the file where that differs."""

    name: str
    unit: str = ""
    in_file: str = ""


@dataclass(frozen=True)
class Table:
    """How one real table is read. The columns of `group`, joined by a space, name the group of a row."""

    name: str
    read: Callable[[], pd.DataFrame]
    columns: tuple[Column, ...]
    source: str
    licence: str
    description: str
    group: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def data_file(filename: str) -> Path:
    """Where one of the project's CSV files lies: inside an installed wheel, or in `data/` of a clone."""
    installed = Path(str(resources.files("mixturelab"))) / "data" / filename
    return installed if installed.is_file() else Path(__file__).parents[2] / "data" / filename


def _csv(filename: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        import pandas as pd

        path = data_file(filename)
        if not path.is_file():
            raise DataError(f"{filename} is missing: reinstall mixturelab, or restore data/ in the clone")
        return pd.read_csv(path, **exact_numbers())

    return read


def _sklearn(loader: str) -> Callable[[], pd.DataFrame]:
    def read() -> pd.DataFrame:
        from sklearn import datasets

        bunch: Any = getattr(datasets, loader)(as_frame=True)
        names = np.asarray([str(name) for name in bunch.target_names])
        return bunch.data.assign(group=names[bunch.target])

    return read


def _columns(unit: str, names: str, suffix: str = "") -> tuple[Column, ...]:
    """Columns that share a unit; the file adds the suffix to their names."""
    return tuple(Column(name, unit, name + suffix) for name in names.split())


WINE_COLUMNS = (
    *_columns("", "alcohol malic_acid ash alcalinity_of_ash magnesium total_phenols flavanoids"),
    *_columns("", "nonflavanoid_phenols proanthocyanins color_intensity hue"),
    Column("od280_od315", "", "od280/od315_of_diluted_wines"),
    Column("proline"),
)
NUCLEUS = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
    *("concave points", "symmetry", "fractal dimension"),
)
CANCER_NAMES = (
    *(f"mean {part}" for part in NUCLEUS),
    *(f"{part} error" for part in NUCLEUS),
    *(f"worst {part}" for part in NUCLEUS),
)

TABLES = (
    Table(
        name="old_faithful",
        read=_csv("dataset.csv"),
        columns=_columns("min", "eruptions waiting"),
        source="Azzalini, A. and Bowman, A. W. (1990). A look at some data on the Old Faithful geyser. "
        "Applied Statistics 39, 357-365. The 272 rows of R's datasets::faithful.",
        licence=FACTS,
        description="The geyser Old Faithful: how long each eruption lasted, and the wait until the next.",
    ),
    Table(
        name="penguins",
        read=_csv("penguins.csv"),
        columns=(
            *_columns("mm", "bill_length bill_depth flipper_length", "_mm"),
            *_columns("g", "body_mass", "_g"),
        ),
        group=("species",),
        extra=("island", "sex", "year"),
        source="Gorman, K. B., Williams, T. D. and Fraser, W. R. (2014). Ecological sexual dimorphism and "
        "environmental variability within a community of Antarctic penguins (genus Pygoscelis). PLoS ONE "
        "9(3), e90081. Table: Horst, A. M., Hill, A. P. and Gorman, K. B. (2020), palmerpenguins.",
        licence="CC0 1.0",
        description="Penguins of three species near Palmer Station, Antarctica: bill, flipper and mass.",
    ),
    Table(
        name="crabs",
        read=_csv("crabs.csv"),
        columns=_columns("mm", "frontal_lobe rear_width carapace_length carapace_width body_depth", "_mm"),
        group=("colour", "sex"),
        source="Campbell, N. A. and Mahon, R. J. (1974). A multivariate study of variation in two species of "
        "rock crab of genus Leptograpsus. Australian Journal of Zoology 22, 417-425. The 200 rows of R's "
        "MASS::crabs.",
        licence=FACTS,
        description="Rock crabs of two colours and both sexes, 50 of each: five sizes that grow together.",
    ),
    Table(
        name="galaxies",
        read=_csv("galaxies.csv"),
        columns=_columns("km/s", "velocity"),
        source="Roeder, K. (1990). Density estimation with confidence sets exemplified by superclusters and "
        "voids in the galaxies. Journal of the American Statistical Association 85, 617-624. The 82 rows "
        "of R's MASS::galaxies.",
        licence=FACTS,
        description="Velocities of 82 galaxies towards the Corona Borealis: how many clusters are there?",
        notes=("row 78 is 26960 as in the paper; R's copy has the misprint 26690",),
    ),
    Table(
        name="iris",
        read=_sklearn("load_iris"),
        columns=tuple(
            Column(f"{part}_{side}", "cm", f"{part} {side} (cm)")
            for part in ("sepal", "petal")
            for side in ("length", "width")
        ),
        group=("group",),
        source="Fisher, R. A. (1936). The use of multiple measurements in taxonomic problems. Annals of "
        "Eugenics 7, 179-188. Read from scikit-learn.",
        licence=UCI,
        description="Iris flowers of three species, 50 of each: sepals and petals.",
    ),
    Table(
        name="wine",
        read=_sklearn("load_wine"),
        columns=WINE_COLUMNS,
        group=("group",),
        source="Forina, M. et al. (1988). PARVUS: an extendable package of programs for data exploration, "
        "classification and correlation. Read from scikit-learn.",
        licence=UCI,
        description="Chemical analyses of wines from three growers of one region of Italy.",
    ),
    Table(
        name="digits",
        read=_sklearn("load_digits"),
        columns=tuple(Column(f"pixel_{row}_{column}") for row in range(8) for column in range(8)),
        group=("group",),
        source="Alpaydin, E. and Kaynak, C. (1998). Optical recognition of handwritten digits (test set). "
        "Read from scikit-learn.",
        licence=UCI,
        description="Handwritten digits 0 to 9 as 8x8 images of counts from 0 to 16.",
    ),
    Table(
        name="breast_cancer",
        read=_sklearn("load_breast_cancer"),
        columns=tuple(Column(name.replace(" ", "_"), "", name) for name in CANCER_NAMES),
        group=("group",),
        source="Wolberg, W. H., Street, W. N. and Mangasarian, O. L. (1995). Breast cancer Wisconsin "
        "(diagnostic). Read from scikit-learn.",
        licence=UCI,
        description="Cell nuclei of breast masses seen in a needle aspirate: 30 measures of each mass.",
    ),
)
