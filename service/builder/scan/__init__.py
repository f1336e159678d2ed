"""The static safety scan: what a saved model file holds, found out before Keras sees it.

Owns the allow-list of what a model file may name and the checks on archives and HDF5. Imports no TensorFlow
and no Keras, builds nothing, follows nothing. Reads with zipfile, json and h5py; run it in the builder's
child process all the same, since HDF5 is a C library.
"""

from service.builder.scan.document import parse_json
from service.builder.scan.report import DEFAULT_LIMITS, JsonValue, Kind, ScanLimits, ScanReport
from service.builder.scan.source import scan_source
from service.builder.scan.weights import WeightsLayout, scan_weights

__all__ = [
    "DEFAULT_LIMITS",
    "JsonValue",
    "Kind",
    "ScanLimits",
    "ScanReport",
    "WeightsLayout",
    "parse_json",
    "scan_source",
    "scan_weights",
]
