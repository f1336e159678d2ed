"""Every model of keras.applications, the cheapest to build first, and what its `preprocess_input` does to pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.model.recipe import NamedScale

PICTURES = ("first.png", "second.png")
ANSWERS = "answers.npy"
"""What the writer leaves beside the models folder: two pictures, and Keras' answers to them (2, classes)."""


@dataclass(frozen=True, slots=True)
class Family:
    """One module of keras.applications: its name, and the scale that says the same as its `preprocess_input`."""

    module: str
    scale: NamedScale


_CONVNEXT = Family("convnext", "0..255")
_DENSENET = Family("densenet", "torch")
_EFFICIENTNET = Family("efficientnet", "0..255")
_EFFICIENTNET_V2 = Family("efficientnet_v2", "0..255")
_MOBILENET_V3 = Family("mobilenet_v3", "0..255")
_NASNET = Family("nasnet", "-1..1")
_RESNET = Family("resnet", "caffe")
_RESNET_V2 = Family("resnet_v2", "-1..1")

CATALOGUE: Mapping[str, Family] = {
    "MobileNetV3Small": _MOBILENET_V3,
    "MobileNetV2": Family("mobilenet_v2", "-1..1"),
    "MobileNet": Family("mobilenet", "-1..1"),
    "MobileNetV3Large": _MOBILENET_V3,
    "EfficientNetB0": _EFFICIENTNET,
    "EfficientNetV2B0": _EFFICIENTNET_V2,
    "EfficientNetB1": _EFFICIENTNET,
    "EfficientNetV2B1": _EFFICIENTNET_V2,
    "DenseNet121": _DENSENET,
    "EfficientNetB2": _EFFICIENTNET,
    "EfficientNetV2B2": _EFFICIENTNET_V2,
    "NASNetMobile": _NASNET,
    "Xception": Family("xception", "-1..1"),
    "InceptionV3": Family("inception_v3", "-1..1"),
    "ResNet50": _RESNET,
    "ResNet50V2": _RESNET_V2,
    "ConvNeXtTiny": _CONVNEXT,
    "DenseNet169": _DENSENET,
    "DenseNet201": _DENSENET,
    "EfficientNetB3": _EFFICIENTNET,
    "EfficientNetV2B3": _EFFICIENTNET_V2,
    "ResNet101": _RESNET,
    "ResNet101V2": _RESNET_V2,
    "ConvNeXtSmall": _CONVNEXT,
    "EfficientNetV2S": _EFFICIENTNET_V2,
    "EfficientNetB4": _EFFICIENTNET,
    "ResNet152": _RESNET,
    "ResNet152V2": _RESNET_V2,
    "InceptionResNetV2": Family("inception_resnet_v2", "-1..1"),
    "VGG16": Family("vgg16", "caffe"),
    "VGG19": Family("vgg19", "caffe"),
    "ConvNeXtBase": _CONVNEXT,
    "EfficientNetB5": _EFFICIENTNET,
    "EfficientNetV2M": _EFFICIENTNET_V2,
    "EfficientNetB6": _EFFICIENTNET,
    "NASNetLarge": _NASNET,
    "ConvNeXtLarge": _CONVNEXT,
    "EfficientNetV2L": _EFFICIENTNET_V2,
    "EfficientNetB7": _EFFICIENTNET,
    "ConvNeXtXLarge": _CONVNEXT,
}
