"""The allow-list: which of TensorFlow's operations the graph of a SavedModel may hold.

An operation is listed if it computes from what it is given, or reads and changes the model's own variables, and
nothing else. Everything else is refused, also what does not exist yet. TensorFlow's own word for it, stateless, says
too little: by its registry ReadFile, ImmutableConst (reads any file), DebugIdentity (writes to any address) and
PyFuncStateless (runs Python) are stateless.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NUMBERS = _names("""
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin Asinh Assert Atan
    Atan2 Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchToSpace BatchToSpaceND BesselI0e BesselI1e BiasAdd
    BiasAddGrad BiasAddV1 Bincount Bitcast BitwiseAnd BitwiseOr BitwiseXor BroadcastArgs BroadcastGradientArgs
    BroadcastTo Bucketize Cast Ceil CheckNumerics CheckNumericsV2 Cholesky ClipByValue Complex ComplexAbs Concat
    ConcatOffset ConcatV2 Conj ConjugateTranspose Const Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp DenseBincount
    Diag DiagPart Digamma Div DivNoNan DynamicPartition DynamicStitch Einsum EnsureShape Equal Erf Erfc Erfinv
    EuclideanNorm Exp ExpandDims Expm1 FFT FFT2D FFT3D FakeParam Fill Floor FloorDiv FloorMod Gather GatherNd GatherV2
    Greater GreaterEqual GuaranteeConst HistogramFixedWidth IFFT IFFT2D IFFT3D IRFFT IRFFT2D IRFFT3D Identity IdentityN
    Igamma Igammac Imag InTopK InTopKV2 Inv InvGrad Invert InvertPermutation IsFinite IsInf IsNan L2Loss LeftShift Less
    LessEqual Lgamma LinSpace ListDiff Log Log1p LogMatrixDeterminant LogicalAnd LogicalNot LogicalOr LowerBound MatMul
    MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2
    MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve MatrixTriangularSolve Max
    Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NoOp NotEqual NthElement OneHot OnesLike Pack Pad
    PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault Polygamma
    PopulationCount Pow PreventGradient Prod Qr RFFT RFFT2D RFFT3D RaggedGather RaggedRange RaggedTensorToTensor Range
    Rank Real RealDiv Reciprocal ReciprocalGrad Reshape Reverse ReverseSequence ReverseV2 RightShift Rint Roll Round
    Rsqrt RsqrtGrad ScatterNd SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 SelfAdjointEigV2
    Shape ShapeN Sigmoid SigmoidGrad Sign Sin Sinh Size Slice Snapshot SpaceToBatch SpaceToBatchND SparseFillEmptyRows
    SparseMatMul SparseReorder SparseReshape SparseSegmentMean SparseSegmentSqrtN SparseSegmentSum SparseSlice
    SparseTensorDenseMatMul SparseToDense Split SplitV Sqrt SqrtGrad Square SquaredDifference Squeeze StopGradient
    StridedSlice StridedSliceGrad Sub Sum Svd Tan Tanh TanhGrad TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2 Transpose TridiagonalMatMul
    TridiagonalSolve TruncateDiv TruncateMod Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex
    UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound Where Xdivy Xlog1py Xlogy
    ZerosLike Zeta
""")

_NETS = _names("""
    AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BatchNormWithGlobalNormalization CTCGreedyDecoder Conv Conv2D
    Conv2DBackpropFilter Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInput Conv3DBackpropInputV2
    DataFormatDimMap DataFormatVecPermute DepthToSpace DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter
    DepthwiseConv2dNativeBackpropInput Dequantize Dilation2D Elu EluGrad FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsPerChannel FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormGrad
    FusedBatchNormGradV2 FusedBatchNormGradV3 FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D
    LRN LRNGrad LeakyRelu LeakyReluGrad LogSoftmax MaxPool MaxPool3D MaxPool3DGrad MaxPoolGrad MaxPoolV2
    MaxPoolWithArgmax MirrorPad MirrorPadGrad QuantizeAndDequantize QuantizeAndDequantizeV2 QuantizeAndDequantizeV3
    QuantizeAndDequantizeV4 QuantizeV2 Relu Relu6 Relu6Grad ReluGrad Selu SeluGrad Softmax
    SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad Softsign SoftsignGrad SpaceToDepth
    SparseSoftmaxCrossEntropyWithLogits
""")

_IMAGES = _names("""
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize
    DecodeAndCropJpeg DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeWebP DrawBoundingBoxes
    DrawBoundingBoxesV2 EncodeJpeg EncodePng ExtractGlimpse ExtractGlimpseV2 ExtractImagePatches ExtractJpegShape
    ExtractVolumePatches GenerateBoundingBoxProposals HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3
    NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeBilinearGrad
    ResizeNearestNeighbor ResizeNearestNeighborGrad SampleDistortedBoundingBox SampleDistortedBoundingBoxV2
    ScaleAndTranslate StatelessSampleDistortedBoundingBox
""")

# What a second signature for strings is made of, and the labels and summaries of TensorFlow 1: text in memory.
_TEXT = _names("""
    AsString DecodeBase64 DecodePaddedRaw DecodeRaw EncodeBase64 HistogramSummary ImageSummary MergeSummary ParseExample
    ParseExampleV2 ParseSingleExample ReduceJoin RegexFullMatch RegexReplace ScalarSummary
    StaticRegexFullMatch StaticRegexReplace StringFormat StringJoin StringLength StringLower StringSplit StringSplitV2
    StringStrip
    StringToHashBucketFast StringToNumber StringUpper Substr TensorSummary TensorSummaryV2
""")

_RANDOM = _names("""
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomPoissonV2 RandomShuffle RandomStandardNormal
    RandomUniform RandomUniformInt RngReadAndSkip RngSkip StatefulStandardNormalV2 StatefulTruncatedNormal
    StatefulUniform StatefulUniformFullInt StatefulUniformInt StatelessMultinomial StatelessRandomGammaV2
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2
    StatelessRandomUniformInt StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle
    StatelessTruncatedNormal StatelessTruncatedNormalV2 TruncatedNormal
""")

_VARIABLES = _names("""
    Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp DestroyResourceOp
    DisableCopyOnRead IsVariableInitialized ReadVariableOp ResourceGather ResourceGatherNd VarHandleOp
    VarIsInitializedOp Variable VariableShape VariableV2
""")

# Tables filled from tensors. Not those that are filled from a file (InitializeTableFromTextFileV2).
_TABLES = _names("""
    AnonymousHashTable AnonymousMutableHashTable HashTable HashTableV2 InitializeTable InitializeTableV2
    LookupTableExport LookupTableExportV2 LookupTableFind LookupTableFindV2 LookupTableImport
    LookupTableImportV2 LookupTableInsertV2 LookupTableSize LookupTableSizeV2 MutableHashTableV2
""")

# Lists and arrays of tensors, loops and branches. A function that one of them calls is in the file and scanned.
_FLOW = _names("""
    Case ControlTrigger EmptyTensorList Enter Exit If LoopCond Merge NextIteration PartitionedCall RefSwitch
    StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch TensorArrayCloseV3 TensorArrayConcatV3
    TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3
    TensorArrayWriteV3 TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
    TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatter
    TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack While
""")

ALLOWED = _NUMBERS | _NETS | _IMAGES | _TEXT | _RANDOM | _VARIABLES | _TABLES | _FLOW

RESTORE = "RestoreV2"
"""Reads a checkpoint; what it is given says which file."""

SAVING = frozenset((RESTORE, "SaveV2", "MergeV2Checkpoints", "ShardedFilename"))
"""Reads and writes checkpoints: in every SavedModel, and allowed where nothing that is run can reach it."""
