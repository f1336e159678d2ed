"""The classes that belong to Keras and are refused all the same, each with the reason its owner reads."""

from service.builder.scan.operations import CONTROL_FLOW
from service.errors import ModelError, UnsafeModelError, UnsupportedModelError

Refusal = tuple[type[ModelError], str]

_LAMBDA = (
    "is a Lambda layer, that is Python code stored inside the file, and Convoy runs no code from a model"
    " file. Replace it by stock layers (Rescaling, Resizing, Reshape, Activation) or by plain keras.ops"
    " calls, and save the model again."
)
_OTHER_FILE = (
    "is a {name} layer, which loads a program from another file. Convoy runs no code from a model file:"
    " rebuild the model from stock Keras layers, or export that program's own weights into them."
)
_CONTROL_FLOW = (
    "is the operation {name}, which calls functions that the file names. Replace the branch or loop by"
    " plain operations such as keras.ops.where, and save the model again."
)
_ANY_ATTRIBUTE = (
    "is a {name} layer, which reaches for any attribute of a TensorFlow object by name. Rebuild the model"
    " without ragged or sparse tensors."
)
_COLUMNS = (
    "is a {name} layer, made for tables and able to read vocabulary files from disk. Convoy serves models"
    " that take images."
)
_TYPE_SPEC = (
    "describes a sparse, ragged or otherwise special tensor ({name}). Convoy serves models that take plain arrays."
)

_TEXTS: tuple[tuple[type[ModelError], str, tuple[str, ...]], ...] = (
    (UnsafeModelError, _LAMBDA, ("Lambda", "__lambda__")),
    (UnsafeModelError, _OTHER_FILE, ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")),
    (UnsafeModelError, _CONTROL_FLOW, tuple(sorted(CONTROL_FLOW))),
    (UnsafeModelError, _ANY_ATTRIBUTE, ("ClassMethod", "InstanceMethod", "InstanceProperty")),
    (UnsupportedModelError, _COLUMNS, ("DenseFeatures", "SequenceFeatures", "FeatureSpace")),
    (UnsupportedModelError, _TYPE_SPEC, ("__typespec__", "TypeSpec", "CompositeTensor")),
)

REFUSED: dict[str, Refusal] = {name: (error, text.format(name=name)) for error, text, names in _TEXTS for name in names}
