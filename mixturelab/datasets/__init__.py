"""Tables: named ones with provenance, synthetic ones with their truth, readers that yield chunks."""

from mixturelab.datasets.catalogue import dataset_names, load_dataset
from mixturelab.datasets.chunks import iter_chunks
from mixturelab.datasets.digit_stream import ImageBatch, stream_digits
from mixturelab.datasets.synthetic import StreamBatch, make_drifting_stream, make_mixture, make_two_moons
from mixturelab.datasets.table import Dataset, MixtureTruth

__all__ = [
    "Dataset",
    "ImageBatch",
    "MixtureTruth",
    "StreamBatch",
    "dataset_names",
    "iter_chunks",
    "load_dataset",
    "make_drifting_stream",
    "make_mixture",
    "make_two_moons",
    "stream_digits",
]
