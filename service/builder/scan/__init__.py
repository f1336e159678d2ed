"""The static safety scan: what a saved model file holds, found out before Keras sees it.

Owns the allow-list of what a model file may name and the checks on archives and HDF5. Imports no TensorFlow
and no Keras, builds nothing, follows nothing. Reads with zipfile, json and h5py; run it in the builder's
child process all the same, since HDF5 is a C library.
"""

from service.builder.scan.report import DEFAULT_LIMITS, JsonValue, Kind, ScanLimits, ScanReport
from service.builder.scan.source import scan_source

__all__ = ["DEFAULT_LIMITS", "JsonValue", "Kind", "ScanLimits", "ScanReport", "scan_source"]
