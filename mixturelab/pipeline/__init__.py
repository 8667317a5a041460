"""From a CSV file to a fitted mixture and its artifacts: what the demo and the command line share."""

from mixturelab.pipeline.artifacts import artifacts, check_folder, csv_bytes, write_artifacts, write_file
from mixturelab.pipeline.report import describe_file, report, selection_rows
from mixturelab.pipeline.run import Outcome, component_range, fit_table, select_table
from mixturelab.pipeline.tables import Table, read_table

__all__ = [
    "Outcome",
    "Table",
    "artifacts",
    "check_folder",
    "component_range",
    "csv_bytes",
    "describe_file",
    "fit_table",
    "read_table",
    "report",
    "select_table",
    "selection_rows",
    "write_artifacts",
    "write_file",
]
