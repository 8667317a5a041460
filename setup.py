"""The one thing that pyproject.toml cannot say: the tables of data/ travel inside the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["mixturelab", "mixturelab.*"]), "mixturelab.data"],
    package_dir={"mixturelab.data": "data"},
    package_data={
        "mixturelab": ["py.typed", "lab_settings/*.json"],
        "mixturelab.serve.page": ["*.html", "*.css", "*.js"],
        "mixturelab.data": ["*.csv", "README.md"],
    },
)
