"""Allow-lists of plain tensor mathematics that functional models leave between their layers.

Three notations, one rule: an operation is listed if it computes numbers from numbers. Not listed is what
takes a function (control flow, maps, scans: a function is looked up by name, anything Keras exports),
what reads or writes anything, and what allocates by a number in the file (`Full`, `Arange`, `zeros`).
Taken from the sources of keras 3.15.1 and tf_keras 2.21; `test_scan_keras.py` compares.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Classes of keras.src.ops.{numpy,nn,image,math,linalg,core,einops} and keras.src.activations.activations.
OPERATIONS = _names("""
    Abs Absolute Add All AllClose Amax Amin Angle Any Append Arccos Arccosh Arcsin Arcsinh Arctan Arctan2
    Arctanh Argmax Argmin Argpartition Argsort ArraySplit Average Bincount BitwiseAnd BitwiseInvert
    BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil Clip
    Concatenate Conj Conjugate Copy Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad
    Diag Diagflat Diagonal Diff Digitize Divide DivideNoNan Dot Dsplit Dstack Einsum EmptyLike Equal Exp
    Exp2 ExpandDims Expm1 Fabs Flip Fliplr Flipud Floor FloorDivide Fmax Fmin Fmod FullLike Gcd GetItem
    Greater GreaterEqual Heaviside Histogram Hsplit Hstack Hypot I0 Imag Inner IsIn Isclose Isfinite Isinf
    Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp LeftShift Less LessEqual Log Log10 Log1p Log2 Logaddexp
    Logaddexp2 LogicalAnd LogicalNot LogicalOr LogicalXor Matmul Max Maximum Mean Median Meshgrid Min
    Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod Nancumsum Nanmax Nanmean
    Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative Nextafter
    Nonzero NotEqual OnesLike Outer Pad Percentile Power Prod Ptp Quantile Rad2deg Ravel Real Reciprocal
    Repeat Reshape RightShift Roll Rot90 Round SearchSorted Select Sign Signbit Sin Sinc Sinh Size Slogdet
    Sort Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot
    Tile Trace Transpose Trapezoid Tril Triu TrueDivide Trunc Unique UnravelIndex Vander Var Vdot View
    Vsplit Vstack Where ZerosLike

    AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm BinaryCrossentropy CTCDecode CTCLoss
    CategoricalCrossentropy Celu Conv ConvTranspose DepthToSpace DepthwiseConv DotProductAttention Elu
    Fold Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax
    MaxPool Mish Moments MultiHot Normalize OneHot PSNR Polar RMSNorm ReLU Relu Relu6 Selu SeparableConv
    Sigmoid Silu SoftShrink Softmax Softplus Softsign SpaceToDepth SparseCategoricalCrossentropy
    SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink Threshold Unfold

    AffineTransform CropImages ElasticTransform ExtractPatches GaussianBlur HSVToRGB MapCoordinates
    PadImages PerspectiveTransform RGBToGrayscale RGBToHSV Resize SSIM ScaleAndTranslate SobelEdges

    CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT ISTFT InTopK Logdet Logsumexp RFFT Rsqrt
    STFT SegmentMax SegmentMin SegmentProd SegmentReduction SegmentSum TopK ViewAsComplex ViewAsReal

    Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor MatrixRank Norm Pinv Qr SVD Solve
    SolveTriangular

    Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack
    Rearrange
""")

# Operations that are handed a function, which Keras looks up by name among all it exports.
CONTROL_FLOW = _names("""
    AssociativeScan Cond ForiLoop JVP Map Scan Switch Vectorize VectorizedMap WhileLoop
""")

# What TFOpLambda and SlicingOpLambda of Keras 2 may call: names under `tf.`, without a leading `compat.v1.`.
TF_FUNCTIONS = _names("""
    __operators__.add __operators__.eq __operators__.getitem __operators__.ne __operators__.ragged_getitem

    batch_to_space boolean_mask broadcast_to cast clip_by_norm clip_by_value concat convert_to_tensor
    einsum ensure_shape expand_dims gather gather_nd identity norm one_hot ones_like pad rank realdiv
    repeat reshape reverse roll shape size slice sort space_to_batch split squeeze stack stop_gradient
    strided_slice tensordot tile transpose truncatediv truncatemod unstack where zeros_like

    math.abs math.acos math.acosh math.add math.add_n math.argmax math.argmin math.asin math.asinh
    math.atan math.atan2 math.atanh math.ceil math.cos math.cosh math.count_nonzero math.cumprod
    math.cumsum math.divide math.divide_no_nan math.equal math.erf math.erfc math.exp math.expm1
    math.floor math.floordiv math.floormod math.greater math.greater_equal math.is_finite math.is_inf
    math.is_nan math.l2_normalize math.less math.less_equal math.log math.log1p math.log_sigmoid
    math.logical_and math.logical_not math.logical_or math.logical_xor math.maximum math.minimum
    math.multiply math.multiply_no_nan math.negative math.not_equal math.pow math.reciprocal
    math.reciprocal_no_nan math.reduce_all math.reduce_any math.reduce_euclidean_norm
    math.reduce_logsumexp math.reduce_max math.reduce_mean math.reduce_min math.reduce_prod
    math.reduce_std math.reduce_sum math.reduce_variance math.rint math.round math.rsqrt math.scalar_mul
    math.sigmoid math.sign math.sin math.sinh math.softplus math.sqrt math.square math.squared_difference
    math.subtract math.tan math.tanh math.top_k math.truediv math.xdivy math.xlogy

    nn.atrous_conv2d nn.avg_pool nn.avg_pool1d nn.avg_pool2d nn.avg_pool3d nn.batch_normalization
    nn.bias_add nn.conv1d nn.conv2d nn.conv2d_transpose nn.conv3d nn.convolution nn.crelu
    nn.depth_to_space nn.depthwise_conv2d nn.dropout nn.elu nn.gelu nn.l2_normalize nn.leaky_relu
    nn.local_response_normalization nn.log_softmax nn.max_pool nn.max_pool1d nn.max_pool2d nn.max_pool3d
    nn.moments nn.pool nn.relu nn.relu6 nn.selu nn.separable_conv2d nn.sigmoid nn.silu nn.softmax
    nn.softplus nn.softsign nn.space_to_depth nn.swish nn.tanh nn.weighted_moments

    image.adjust_brightness image.adjust_contrast image.adjust_gamma image.adjust_hue
    image.adjust_saturation image.central_crop image.convert_image_dtype image.crop_to_bounding_box
    image.extract_patches image.flip_left_right image.flip_up_down image.grayscale_to_rgb image.hsv_to_rgb
    image.image_gradients image.pad_to_bounding_box image.per_image_standardization image.resize
    image.resize_bicubic image.resize_bilinear image.resize_nearest_neighbor image.resize_with_crop_or_pad
    image.resize_with_pad image.rgb_to_grayscale image.rgb_to_hsv image.rgb_to_yiq image.rgb_to_yuv
    image.rot90 image.sobel_edges image.total_variation image.transpose image.yiq_to_rgb image.yuv_to_rgb

    linalg.adjoint linalg.cross linalg.diag linalg.diag_part linalg.matmul linalg.matrix_transpose
    linalg.matvec linalg.norm linalg.normalize linalg.trace
""")

# What a TensorFlowOpLayer (TensorFlow 2.0 to 2.3) may hold: kernels, by their name in the graph.
TF_KERNELS = _names("""
    Abs Add AddN AddV2 ArgMax AvgPool BiasAdd BroadcastTo Cast Ceil ConcatV2 Conv2D Cos DepthToSpace
    DepthwiseConv2dNative Div DivNoNan Elu Equal Erf Exp ExpandDims Floor FloorDiv FloorMod
    FusedBatchNormV3 GatherV2 Greater GreaterEqual Identity L2Loss LRN LeakyRelu Less LessEqual Log Log1p
    LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul BatchMatMulV2 Max MaxPool Maximum Mean Min Minimum
    MirrorPad Mul Neg NotEqual OnesLike Pack Pad PadV2 Pow Prod Rank RealDiv Reciprocal Relu Relu6 Reshape
    ResizeBicubic ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt SelectV2 Selu Shape Sigmoid
    Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split SplitV Sqrt Square SquaredDifference
    Squeeze StopGradient StridedSlice Sub Sum Tanh Tile Transpose Unpack ZerosLike
""")
