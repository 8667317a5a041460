"""Save and load fitted mixtures: parameters with schema and provenance; loading runs no code."""

from mixturelab.files import write_all_atomically, write_atomically
from mixturelab.persistence.model_file import (
    encode,
    encode_joblib,
    load,
    load_described,
    read_header,
    save,
    save_joblib,
)
from mixturelab.persistence.provenance import data_checksum

__all__ = [
    "data_checksum",
    "encode",
    "encode_joblib",
    "load",
    "load_described",
    "read_header",
    "save",
    "save_joblib",
    "write_all_atomically",
    "write_atomically",
]
