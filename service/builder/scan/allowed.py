"""The allow-list: which classes and functions of Keras a model file may name, and under which module.

A name is listed if building and calling it computes numbers from numbers and the file's own weights, and
nothing else. Everything else is refused, also what does not exist yet. The stock layers that run code or
read other files are in `refused.py` with their reasons. Generated from the public names of keras 3.15.1
(`keras.layers`, `keras.initializers`, …) and from tf_keras 2.21 for what only Keras 1 and 2 had.
"""

import re

from service.builder.scan.operations import OPERATIONS


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODELS = _names("Functional Model Sequential")

LAYERS = _names("""
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add
    AdditiveAttention AlphaDropout Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
    AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization Bidirectional CategoryEncoding
    CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D
    Convolution1DTranspose Convolution2D Convolution2DTranspose Convolution3D Convolution3DTranspose
    Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot
    Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention GroupedQueryAttention HashedCrossing Hashing
    Identity InputLayer InputSpec IntegerLookup LSTM LSTMCell LayerNormalization LeakyReLU Masking
    MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum
    MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline
    RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur
    RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling
    Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D
    SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax Solarization
    SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup
    Subtract TextVectorization TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D
    Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D

    AtrousConvolution1D AtrousConvolution2D BatchNormalizationV1 BatchNormalizationV2 CuDNNGRU CuDNNLSTM
    Deconvolution2D GRUCellV1 GRUCellV2 GRUV1 GRUV2 LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 LocallyConnected1D
    LocallyConnected2D RandomHeight RandomWidth SlicingOpLambda SyncBatchNormalization TFOpLambda
    TensorFlowOpLayer ThresholdedReLU
""")

# Layers that keras.applications defines for itself (ConvNeXt, Inception-ResNet).
APPLICATION_LAYERS = _names("CustomScaleLayer LayerScale StochasticDepth")

# tf_keras registers this one of them like a custom class; the name can only lead back to it.
REGISTERED_BY_KERAS = {"Custom>CustomScaleLayer": "CustomScaleLayer"}

INITIALIZERS = _names("""
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal
    LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer
    TruncatedNormal VarianceScaling Zeros constant glorot_normal glorot_uniform he_normal he_uniform
    identity lecun_normal lecun_uniform normal one ones orthogonal random_normal random_uniform stft
    truncated_normal uniform variance_scaling zero zeros
""")
REGULARIZERS = _names("""
    L1 L1L2 L2 OrthogonalRegularizer WeightRegularizer ActivityRegularizer l1 l1_l2 l1l2 l2
    orthogonal_regularizer
""")
CONSTRAINTS = _names("""
    MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm maxnorm min_max_norm non_neg nonneg
    radial_constraint unit_norm unitnorm
""")
ACTIVATIONS = _names("""
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu
    linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softmax_v2
    softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
""")
# Keras 2 also took a layer's name for an activation.
ACTIVATION_LAYERS = _names("ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU")

DTYPE_POLICIES = _names("""
    AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy Policy
    PolicyV1 QuantizedDTypePolicy QuantizedFloat8DTypePolicy
""")
# Not GPTQConfig and AWQConfig: they hold a data set and a tokenizer.
QUANTIZERS = _names("""
    AbsMaxQuantizer Float8QuantizationConfig Int4QuantizationConfig Int8QuantizationConfig
    QuantizationConfig
""")

# A compiled model inside another one is compiled again at load, whatever `compile=` says.
LOSSES = _names("""
    BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy
    CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge Huber
    KLDivergence LogCosh MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
    MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy SquaredHinge Tversky
    LossFunctionWrapper
""")
METRICS = _names("""
    AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy CategoricalCrossentropy
    CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score FBetaScore FalseNegatives
    FalsePositives Hinge IoU KLDivergence LogCoshError Mean MeanAbsoluteError MeanAbsolutePercentageError
    MeanIoU MeanMetricWrapper MeanSquaredError MeanSquaredLogarithmicError OneHotIoU OneHotMeanIoU
    PearsonCorrelation Poisson Precision PrecisionAtRecall R2Score Recall RecallAtPrecision
    RootMeanSquaredError SensitivityAtSpecificity SparseCategoricalAccuracy SparseCategoricalCrossentropy
    SparseTopKCategoricalAccuracy SpecificityAtSensitivity SquaredHinge Sum TopKCategoricalAccuracy
    TrueNegatives TruePositives
""")
OPTIMIZERS = _names("""
    Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon Nadam RMSprop SGD
    ScheduleFreeAdamW CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
    PiecewiseConstantDecay PolynomialDecay
""")
LOSS_FUNCTIONS = _names("""
    accuracy binary_accuracy binary_crossentropy binary_focal_crossentropy categorical_accuracy
    categorical_crossentropy categorical_focal_crossentropy categorical_hinge cosine_similarity ctc dice
    hinge huber kl_divergence log_cosh mean_absolute_error mean_absolute_percentage_error
    mean_squared_error mean_squared_logarithmic_error poisson sparse_categorical_accuracy
    sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge
    top_k_categorical_accuracy tversky
""")

# Module and names that belong together. `keras.src.…`, `keras.engine.…` and `tf_keras.…` are how Keras 3,
# Keras 2.12 and tf_keras write what has no public name.
_KERAS = r"(?:tf_)?keras(?:\.src|\.api|\._legacy|\.legacy)*"
_FAMILIES: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (re.compile(module), names)
    for module, names in (
        (rf"{_KERAS}(?:\.(?:models|engine)(?:\.\w+)*)?", MODELS),
        (rf"{_KERAS}\.(?:layers|engine)(?:\.\w+)*", LAYERS),
        (rf"{_KERAS}\.applications\.\w+", APPLICATION_LAYERS),
        (rf"{_KERAS}\.initializers(?:\.\w+)*", INITIALIZERS),
        (r"tensorflow\.python\.ops\.init_ops(?:_v2)?", INITIALIZERS),  # EfficientNetV2 of Keras 2
        (rf"{_KERAS}\.regularizers(?:\.\w+)*", REGULARIZERS),
        (rf"{_KERAS}\.constraints(?:\.\w+)*", CONSTRAINTS),
        (rf"{_KERAS}(?:\.(?:dtype_policies|mixed_precision)(?:\.\w+)*)?", DTYPE_POLICIES),
        (rf"{_KERAS}\.quantizers(?:\.\w+)*", QUANTIZERS),
        (rf"{_KERAS}\.losses(?:\.\w+)*", LOSSES),
        (rf"{_KERAS}\.metrics(?:\.\w+)*", METRICS),
        (rf"{_KERAS}\.optimizers(?:\.\w+)*", OPTIMIZERS),
        (rf"{_KERAS}\.random(?:\.\w+)*", _names("SeedGenerator")),
        (r"keras(?:\.src)?\.ops\.(?:numpy|nn|image|math|linalg|core|einops)", OPERATIONS),
        (r"keras\.src\.activations\.activations", OPERATIONS),
    )
)
_ANY_CLASS = frozenset[str]().union(*(names for _, names in _FAMILIES))
_FUNCTIONS: dict[str | None, frozenset[str]] = {
    None: ACTIVATIONS | LOSS_FUNCTIONS,
    "builtins": ACTIVATIONS | LOSS_FUNCTIONS,  # Keras' word for "one of my own, look it up by name"
    "keras.activations": ACTIVATIONS,
    "keras.ops": ACTIVATIONS - {"linear"},
    "keras.ops.nn": ACTIVATIONS - {"linear"},
    "keras.losses": LOSS_FUNCTIONS,
    "keras.metrics": LOSS_FUNCTIONS,
}


def is_stock_class(name: str, *, module: str | None) -> bool:
    """Tell whether Keras' own harmless class of that name is meant.

    HDF5 files record no module. A custom class with the name of an operation passes there: the name is all
    that a loader sees too, so it finds Keras' own or nothing.
    """
    if module is None:
        return name in _ANY_CLASS
    return any(name in names and pattern.fullmatch(module) for pattern, names in _FAMILIES)


def is_stock_module(module: str) -> bool:
    """Tell whether the module is one that holds layers or their parts, so that only the name is unknown."""
    return any(pattern.fullmatch(module) for pattern, _ in _FAMILIES)


def is_stock_function(name: str, *, module: str | None) -> bool:
    """Tell whether a function reference means one of Keras' own activations or losses."""
    return name in _FUNCTIONS.get(module, frozenset())
