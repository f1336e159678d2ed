"""Owns decoding JPEG with libjpeg-turbo itself, for what Pillow does not offer: the fast DCT, the luma alone, CMYK."""

from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from service.image.decode import OpenedImage

Space = Literal["RGB", "GRAY", "CMYK"]
CMYK_MODE = "CMYK"


def decode_jpeg(opened: OpenedImage, space: Space, *, fast_dct: bool) -> NDArray[np.uint8]:
    """Return the pixels (height, width, channels) of a JPEG in the colours of `space`.

    `fast_dct` takes JDCT_IFAST, which is TensorFlow's default, in place of JDCT_ISLOW. Raises what a decoder can end in
    for a file that is damaged or cut short.
    """
    try:
        return _decoded(opened.data, space, fast_dct=fast_dct, strict=True)
    except ValueError:
        # What is merely odd is a warning to Pillow and TensorFlow, and an error to strict reading: Pillow tells which.
        opened.load()
    return _decoded(opened.data, space, fast_dct=fast_dct, strict=False)


def _decoded(data: bytes, space: Space, *, fast_dct: bool, strict: bool) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace=space, fastdct=fast_dct, strict=strict)
    return pixels
