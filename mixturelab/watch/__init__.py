"""A run that trains, followed from its folder: numbers, alarms in words, a view of its embeddings. Nothing is drawn."""

from mixturelab.watch.follow import RunReader
from mixturelab.watch.probe import Probe, embeddings_of
from mixturelab.watch.reading import Reading
from mixturelab.watch.record import Record
from mixturelab.watch.view import VIEW, View, read_view
from mixturelab.watch.writer import ViewWriter

__all__ = [
    "VIEW",
    "Probe",
    "Reading",
    "Record",
    "RunReader",
    "View",
    "ViewWriter",
    "embeddings_of",
    "read_view",
]
