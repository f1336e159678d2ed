"""Owns SavedModel folders, which are TensorFlow programs: scanned as data, loaded only where a setting allows it.

The scan reads the graph and refuses what does more than compute. It is one line of defence and no proof: TensorFlow's
own word is that a model is a program and TensorFlow no sandbox. So all of this runs in the builder's child process.
"""

from service.builder.saved_model.load import load_saved_model
from service.builder.saved_model.scan import scan_saved_model

__all__ = ["load_saved_model", "scan_saved_model"]
