"""A copy of timm's EfficientNet-Lite0 per planted defect, each one line of its pipeline; runs where timm does."""

import io
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from harness.adapters import timm
from harness.adapters.base import Steps
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode, functional

MODEL = "tf_efficientnet_lite0"
SHORT, CROP = 256, 224  #: pixels
NETWORK_MEAN = NETWORK_STD = (0.5, 0.5, 0.5)
BICUBIC, NEAREST = InterpolationMode.BICUBIC, InterpolationMode.NEAREST


def decode(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("RGB")


def turned(image: bytes) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB")


def centre(image: Image.Image, size: int = CROP) -> Image.Image:
    return functional.center_crop(image, size)


def resize(image: Image.Image) -> Image.Image:
    return functional.resize(image, SHORT, BICUBIC)


def normalise(pixels: np.ndarray, mean=NETWORK_MEAN, std=NETWORK_STD, scale: float = 255) -> np.ndarray:
    return (pixels / scale - np.array(mean)) / np.array(std)


def pipeline(decode=decode, resize=resize, crop=centre, normalise=normalise) -> Callable[[bytes], Steps]:
    def steps(image: bytes) -> Steps:
        decoded = decode(image)
        resized = resize(decoded)
        cropped = crop(resized)
        normalised = normalise(np.asarray(cropped)).transpose(2, 0, 1).astype(np.float32)
        results = {"decode": decoded, "resize": resized, "crop": cropped, "normalise": normalised}
        return {step: np.asarray(result) for step, result in results.items()}

    return steps


def size_of(image: Image.Image, rounding: Callable[[float], int] = int) -> tuple[int, int]:
    """Width and height with a short side of SHORT."""
    short = min(image.size)
    width, height = (SHORT if side == short else rounding(SHORT * side / short) for side in image.size)
    return width, height


def opencv(image: Image.Image) -> Image.Image:
    return Image.fromarray(cv2.resize(np.asarray(image), size_of(image), interpolation=cv2.INTER_CUBIC))


def without_antialias(image: Image.Image) -> Image.Image:
    width, height = size_of(image)
    affine = (image.width / width, 0, 0, 0, image.height / height, 0)
    return image.transform((width, height), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC)


def beside_the_centre(image: Image.Image) -> Image.Image:
    return functional.crop(image, (image.height - CROP + 1) // 2, (image.width - CROP + 1) // 2, CROP, CROP)


DEFECTS: Mapping[str, Callable[[bytes], Steps]] = {
    "bgr_decoded": pipeline(decode=lambda image: Image.merge("RGB", decode(image).split()[::-1])),
    "bgr": pipeline(normalise=lambda pixels: normalise(pixels[..., ::-1])),
    "scale_missing": pipeline(normalise=lambda pixels: normalise(pixels, scale=1)),
    "imagenet_statistics": pipeline(
        normalise=lambda pixels: normalise(pixels, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    ),
    "no_normalisation": pipeline(normalise=lambda pixels: normalise(pixels, (0, 0, 0), (1, 1, 1))),
    "bilinear": pipeline(resize=lambda image: functional.resize(image, SHORT)),
    "nearest": pipeline(resize=lambda image: functional.resize(image, SHORT, NEAREST)),
    "opencv_resize": pipeline(resize=opencv),
    "no_antialias": pipeline(resize=without_antialias),
    "square_resize": pipeline(resize=lambda image: functional.resize(image, (SHORT, SHORT), BICUBIC)),
    "crop_ratio": pipeline(resize=lambda image: functional.resize(image, 235, BICUBIC)),
    "short_side_is_crop": pipeline(resize=lambda image: functional.resize(image, CROP, BICUBIC)),
    "long_side_rounded": pipeline(resize=lambda image: image.resize(size_of(image, round), Image.Resampling.BICUBIC)),
    "crop_rounded": pipeline(crop=beside_the_centre),
    "corner_crop": pipeline(crop=lambda image: functional.crop(image, 0, 0, CROP, CROP)),
    "orientation_applied": pipeline(decode=turned),
    "undamaged": pipeline(),
}


class Adapter(timm.Adapter):
    """Models are the names of the defects."""

    def models(self) -> list[str]:
        return list(DEFECTS)

    def checkpoint_url(self, model: str) -> None:  # noqa: ARG002 (publishes none)
        return None

    def build(self, model: str, *arguments, **named):
        network = super().build(MODEL, *arguments, **named)
        network.preprocessing_steps = DEFECTS[model]
        return network
