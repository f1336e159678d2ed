"""Owns which step each type of layer and each bare operation is; what is not in the table looks at everything."""

from collections.abc import Mapping

from service.model.regions.mixing import (
    activated,
    along_axis,
    dense,
    global_pooling,
    place_by_place,
    reduction,
    within_examples,
)
from service.model.regions.moving import (
    concatenation,
    flattening,
    permuting,
    repetition,
    reshaping,
    slicing,
    splitting,
    stacking,
    unchanged,
)
from service.model.regions.seen import Seen, Sizes, whole
from service.model.regions.spatial import (
    adaptive_pooling,
    center_cropped,
    convolution,
    cropped,
    padded,
    pooling,
    resized,
    transposed_convolution,
    upsampled,
)
from service.model.regions.step import Maker, Step, Taken

_SIDES = ("1D", "2D", "3D")


def _on_sides(name: str, maker: Maker) -> dict[str, Maker]:
    return {name + side: maker for side in _SIDES}


def _all(maker: Maker, names: str) -> dict[str, Maker]:
    return dict.fromkeys(names.split(), maker)


# Those that augment do nothing outside training.
_UNCHANGED = """
    ActivityRegularization AlphaDropout Cast Copy Dropout GaussianDropout GaussianNoise Identity InputLayer
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform RandomErasing
    RandomFlip RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective
    RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth
    RandomZoom SpatialDropout1D SpatialDropout2D SpatialDropout3D StochasticDepth StopGradient
"""
_PLACE_BY_PLACE = """
    Abs Absolute Activation Add AddV2 BatchNorm BatchNormalization BatchNormalizationV1 BiasAdd Cbrt Ceil Celu Clip
    ClipByValue Cos Cosh Divide DivideNoNan Divide_No_Nan ELU Elu Equal Erf Exp Expm1 Floor FloorDivide Floordiv Gelu
    Greater GreaterEqual HardShrink HardSigmoid HardSilu HardTanh Invert LayerScale LeakyReLU LeakyRelu Less LessEqual
    Log Log1P Log1p LogSigmoid Maximum Minimum Mod Mul Multiply NanToNum Neg Negative Normalization PReLU Power Pow
    Reciprocal ReLU Relu Relu6 Rescaling Round Rsqrt Selu Sigmoid Sign Silu Sin Sinh SoftShrink Softplus Softsign
    SparsePlus SparseSigmoid Sqrt Square Squareplus Sub Subtract Swish Tan Tanh TanhShrink Threshold ThresholdedReLU
    TrueDivide Where
"""
_REDUCTIONS = """
    All Amax Amin Any Argmax Argmin CountNonzero Logsumexp Max Mean Median Min Norm Prod ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceStd ReduceSum Std Sum Var
"""


def _average(taken: Taken) -> Step | None:
    """Tell the layer, which averages several tensors, from the operation, which averages along axes."""
    return place_by_place(taken) if len(taken.sizes) > 1 else None


def _random_crop(taken: Taken) -> Step | None:
    """Follow one that cuts nothing off; what the others do outside training differs between versions of Keras."""
    return unchanged(taken) if tuple(taken.declared[0]) == tuple(taken.only) else None


STEPS: Mapping[str, Maker] = {
    **_all(unchanged, _UNCHANGED),
    **_all(place_by_place, _PLACE_BY_PLACE),
    **_all(reduction, _REDUCTIONS),
    **_on_sides("Conv", convolution),
    **_on_sides("DepthwiseConv", convolution),
    **_on_sides("SeparableConv", convolution),
    **_on_sides("LocallyConnected", convolution),
    **{f"Conv{side}Transpose": transposed_convolution for side in _SIDES},
    **_on_sides("MaxPooling", pooling),
    **_on_sides("AveragePooling", pooling),
    **_on_sides("AdaptiveMaxPooling", adaptive_pooling),
    **_on_sides("AdaptiveAveragePooling", adaptive_pooling),
    **_on_sides("GlobalMaxPooling", global_pooling),
    **_on_sides("GlobalAveragePooling", global_pooling),
    **_on_sides("ZeroPadding", padded),
    **_on_sides("Cropping", cropped),
    **_on_sides("UpSampling", upsampled),
    **_all(pooling, "MaxPool AveragePool"),
    **_all(along_axis, "LayerNormalization LogSoftmax RMSNormalization Softmax UnitNormalization"),
    **_all(reshaping, "ExpandDims Reshape Squeeze"),
    **_all(concatenation, "Concat Concatenate"),
    **_all(permuting, "Permute Transpose"),
    **_all(resized, "Resize Resizing"),
    "Average": _average,
    "CenterCrop": center_cropped,
    "Dense": dense,
    "Flatten": flattening,
    "GetItem": slicing,
    "GroupNormalization": within_examples,
    "Pad": padded,
    "RandomCrop": _random_crop,
    "RepeatVector": repetition,
    "Split": splitting,
    "Stack": stacking,
}


def step_of(taken: Taken) -> Step | None:
    """Return the step of a call; None where it cannot be followed, so that it must be taken to look at everything."""
    layer = taken.layer
    maker = None if layer.is_custom or layer.training else STEPS.get(layer.function or layer.type)
    step = maker(taken) if maker and taken.sizes and taken.declared else None
    return None if step is None else activated(step, taken)


def everything(sizes: list[Sizes | None]) -> list[Seen | None]:
    """Return that each tensor taken is seen whole; None of one whose sizes are not known."""
    return [None if one is None else whole(one) for one in sizes]
