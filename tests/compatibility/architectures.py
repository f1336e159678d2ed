"""Owns what the writers write: nets in plain Keras code that Keras 2 and every Keras 3 understand, compiled.

Each function takes the Keras module to build with, so that one process can write with two of them.
"""

from typing import Any

_ONE_OF_MANY = "sparse_categorical_crossentropy"


def mnist(keras: Any) -> Any:
    """Build the zoo's digit CNN, [N, 28, 28, 1] to softmax [N, 10]."""
    layers = keras.layers
    stack = [*_digit_layers(layers), layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10, "softmax")]
    return _trained_for(_sequential(keras, (28, 28, 1), *stack), _ONE_OF_MANY)


def mnist_dense(keras: Any) -> Any:
    """Build the zoo's ten sigmoids over pixels without a channel axis, trained with a one-of-many loss."""
    stack = [keras.layers.Flatten(), keras.layers.Dense(10, "sigmoid")]
    return _trained_for(_sequential(keras, (28, 28), *stack), _ONE_OF_MANY)


def mnist_gap(keras: Any) -> Any:
    """Build the zoo's digit CNN for pictures of any size."""
    layers = keras.layers
    last = [layers.Conv2D(128, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(10, "softmax")]
    return _trained_for(_sequential(keras, (None, None, 1), *_digit_layers(layers), *last), _ONE_OF_MANY)


def fashion_mnist(keras: Any) -> Any:
    """Build the zoo's CNN of one convolution."""
    layers = keras.layers
    stack = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    return _trained_for(_sequential(keras, (28, 28, 1), *stack, layers.Dense(10, "softmax")), _ONE_OF_MANY)


def cats_dogs(keras: Any) -> Any:
    """Build the zoo's photo CNN, which ends in one sigmoid."""
    layers = keras.layers
    stack = [
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(1, "sigmoid")),
    ]
    return _trained_for(_sequential(keras, (64, 64, 3), *stack), "binary_crossentropy")


def cats_dogs_gray(keras: Any) -> Any:
    """Build the zoo's functional net on grey pictures."""
    layers = keras.layers
    image = _image(keras, (64, 64, 1))
    hidden = layers.Dense(10, "relu")(_two_convolutions(layers, image))
    return _trained_for(keras.Model(image, layers.Dense(1, "sigmoid")(hidden)), "binary_crossentropy")


def cats_dogs_shared_input(keras: Any) -> Any:
    """Build the zoo's functional net of two branches on one input."""
    layers = keras.layers
    image = _image(keras, (64, 64, 1))
    fine = _through(image, layers.Conv2D(32, 4, activation="relu"), layers.MaxPooling2D(), layers.Flatten())
    coarse = _through(image, layers.Conv2D(16, 8, activation="relu"), layers.MaxPooling2D(), layers.Flatten())
    hidden = layers.Dense(10, "relu")(layers.Concatenate()([fine, coarse]))
    return _trained_for(keras.Model(image, layers.Dense(1, "sigmoid")(hidden)), "binary_crossentropy")


def cats_dogs_two_inputs(keras: Any) -> Any:
    """Build the zoo's functional net of two inputs, whose names do not sort in their order."""
    layers = keras.layers
    gray, color = _image(keras, (64, 64, 1), "gray"), _image(keras, (32, 32, 3), "color")
    seen = layers.Concatenate()([_two_convolutions(layers, gray), _two_convolutions(layers, color)])
    hidden = _through(seen, layers.Dense(10, "relu"), layers.Dense(10, "relu"))
    return _trained_for(keras.Model([gray, color], layers.Dense(1, "sigmoid")(hidden)), "binary_crossentropy")


def normalised(keras: Any) -> Any:
    """Build a CNN with batch normalisation, activations and softmax as layers of their own, and dropout."""
    layers = keras.layers
    stack = [
        *(layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization()),
        *(layers.Activation("relu"), layers.MaxPooling2D(), layers.SpatialDropout2D(0.1)),
        *(layers.Conv2D(32, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.LeakyReLU()),
        *(layers.AveragePooling2D(2), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10), layers.Softmax()),
    ]
    return _trained_for(_sequential(keras, (28, 28, 1), *stack), _ONE_OF_MANY)


def augmented(keras: Any) -> Any:
    """Build a net with augmentation and Rescaling inside, on 0..255, that ends in logits."""
    layers = keras.layers
    stack = [
        *(layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)),
        layers.Rescaling(1 / 255),
        *(layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Dropout(0.2), layers.Flatten(), layers.Dense(5)),
    ]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _trained_for(_sequential(keras, (32, 32, 3), *stack), loss)


def transfer(keras: Any) -> Any:
    """Build a MobileNetV2 nested in a functional net with `preprocess_input` written into it: x / 127.5 - 1."""
    image, pooled = _transfer(keras, keras.applications.mobilenet_v2.preprocess_input)
    return _trained_for(keras.Model(image, keras.layers.Dense(4, "softmax")(pooled)), "categorical_crossentropy")


def transfer_caffe(keras: Any) -> Any:
    """Build one with the caffe kind of `preprocess_input`, channels reversed and means subtracted, to one logit."""
    image, pooled = _transfer(keras, keras.applications.resnet50.preprocess_input)
    return _trained_for(
        keras.Model(image, keras.layers.Dense(1)(pooled)), keras.losses.BinaryCrossentropy(from_logits=True)
    )


def nested(keras: Any) -> Any:
    """Build a Sequential in a Sequential in a functional net, as Teachable Machine does."""
    layers = keras.layers
    body = _sequential(
        keras,
        (48, 48, 3),
        *(layers.Conv2D(8, 3, strides=2, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)),
        *(layers.DepthwiseConv2D(3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)),
        layers.SeparableConv2D(16, 3, activation="relu"),
        name="body",
    )
    features = keras.Sequential([body, layers.GlobalAveragePooling2D()], name="features")
    classifier = _sequential(
        keras, (16,), layers.Dense(20, "relu"), layers.Dense(3, "softmax", use_bias=False), name="classifier"
    )
    image = _image(keras, (48, 48, 3))
    return _trained_for(keras.Model(image, classifier(features(image))), "categorical_crossentropy")


def small_augmented(keras: Any) -> Any:
    """Build `augmented` small enough for the repository."""
    layers = keras.layers
    stack = [
        *(layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.Rescaling(1 / 255)),
        *(layers.Conv2D(4, 3, activation="relu"), layers.Dropout(0.2), layers.Flatten(), layers.Dense(3)),
    ]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _trained_for(_sequential(keras, (8, 8, 3), *stack), loss)


def small_transfer(keras: Any) -> Any:
    """Build `transfer_caffe` small enough for the repository: a nested net with the layers that MobileNets have."""
    layers = keras.layers
    body = _sequential(
        keras,
        (8, 8, 3),
        *(layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)),
        *(layers.DepthwiseConv2D(3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)),
        name="body",
    )
    image = _image(keras, (8, 8, 3))
    features = body(keras.applications.resnet50.preprocess_input(image))
    pooled = layers.GlobalAveragePooling2D()(features)
    return _trained_for(keras.Model(image, layers.Dense(1, "sigmoid")(pooled)), "binary_crossentropy")


def small_dense(keras: Any) -> Any:
    """Build `mnist_dense` small enough for the repository."""
    stack = [keras.layers.Flatten(), keras.layers.Dense(4, "sigmoid")]
    return _trained_for(_sequential(keras, (8, 8), *stack), _ONE_OF_MANY)


def _transfer(keras: Any, preprocess_input: Any) -> tuple[Any, Any]:
    layers = keras.layers
    body = keras.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    image = _image(keras, (96, 96, 3))
    features = body(preprocess_input(image), training=False)
    return image, layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(features))


def _digit_layers(layers: Any) -> list[Any]:
    return [
        *(layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()),
    ]


def _two_convolutions(layers: Any, image: Any) -> Any:
    return _through(
        image,
        *(layers.Conv2D(32, 4, activation="relu"), layers.MaxPooling2D()),
        *(layers.Conv2D(16, 4, activation="relu"), layers.MaxPooling2D()),
        layers.Flatten(),
    )


def _image(keras: Any, shape: tuple[int | None, ...], name: str = "image") -> Any:
    return keras.Input(shape, name=name)


def _sequential(keras: Any, shape: tuple[int | None, ...], *stack: Any, name: str | None = None) -> Any:
    return keras.Sequential([_image(keras, shape, "image" if name is None else f"{name}_image"), *stack], name=name)


def _through(tensor: Any, *stack: Any) -> Any:
    for layer in stack:
        tensor = layer(tensor)
    return tensor


def _trained_for(model: Any, loss: Any) -> Any:
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model
