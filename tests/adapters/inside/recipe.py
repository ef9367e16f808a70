"""Tells how a source prepares images, plants defects, swaps steps; run inside its environment: source, model, folder.

Prints one JSON object: what was told of the source itself ("own"), of every planted defect ("planted"), of a decoder
that the images leave "open", and which images a check failed on ("again": steps done anew; "by_hand": steps done
otherwise, both here and by recipe.prepare).
"""

import dataclasses
import importlib
import io
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from harness.adapters import identification, recipe
from harness.adapters.base import STEPS
from PIL import Image, ImageFilter, ImageOps

source, model, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
ORIENTATION = 0x0112  #: the EXIF tag

# -- images --------------------------------------------------------------------------------------

#: width, height: every rounding of the long side and of the crop's offset shows, and small images grow
SHAPES = [
    (400, 300), (301, 400), (256, 256), (500, 375), (333, 500), (257, 391), (640, 201), (203, 607), (180, 251),
    (256, 300), (431, 285),
]  # fmt: skip


def write_images() -> None:
    """Noise on a ramp, in every shape and in several formats."""
    draw = np.random.default_rng(0)
    for number, (width, height) in enumerate(SHAPES):
        ramp = np.linspace(40, 200, width)[None, :, None] * np.array([1.0, 0.8, 0.5])
        pixels = np.clip(ramp + draw.normal(0, 40, (height, width, 3)), 0, 255).astype(np.uint8)
        image, start = Image.fromarray(pixels), f"{folder}/{number:02}"
        exif = Image.Exif()
        exif[ORIENTATION] = (6, 3, 8, 5, 1)[number // 3]
        if number % 3 == 0:
            image.save(f"{start}.png")
            image.convert("L").save(f"{start}-grey.jpg")
        elif number % 3 == 1:
            image.save(f"{start}.jpg", quality=92, subsampling=0)
            image.convert("L").save(f"{start}-grey.png")
        else:
            image.save(f"{start}.jpg", quality=80, progressive=True)
        image.save(f"{start}-turned.jpg", quality=90, exif=exif)
    # of these the two libraries make different pixels
    image.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 151).save(folder / "deep.png")


write_images()
names = sorted(path.name for path in folder.iterdir())
images = [(folder / name).read_bytes() for name in names]

# -- the source itself ---------------------------------------------------------------------------

adapter = importlib.import_module(f"harness.adapters.{source}").Adapter()
network = adapter.build(model)
results = [network.preprocessing_steps(image) for image in images]
own, reasons = identification.identify(images, results, network.preprocessing)


def told(identified: recipe.Recipe, why: dict[str, str]) -> dict[str, object]:
    return {"recipe": identified, "reasons": why}


def again() -> list[str]:
    """Images on which some steps done anew, with the parameters that were told, are not the source's own."""
    some = [{step: own[step]} for step in STEPS] + [dict(own), {"decode": own["decode"], "crop": own["crop"]}]
    return [
        f"{name}: {', '.join(changed)}"
        for changed in some
        for name, image, steps in zip(names, images, results, strict=True)
        if recipe.prepare(image, steps, own, changed) is not None
    ]


def left_open() -> dict[str, recipe.Parameters | None]:
    """What is told of the decoder where the images cannot tell, by what the source says of itself."""
    plain = [place for place, name in enumerate(names) if "turned" not in name and name not in ("cmyk.jpg", "deep.png")]
    some = [images[place] for place in plain[:3]], [results[place] for place in plain[:3]]
    texts = [f"{library}, EXIF orientation {done}" for library in ("PIL", "OpenCV") for done in ("applied", "ignored")]
    texts[-1] = texts[-1].replace("OpenCV", "cv2")
    described = {text: dataclasses.replace(network.preprocessing, decoder=text) for text in texts}
    return {text: identification.identify(*some, said)[0]["decode"] for text, said in described.items()}


# -- the same by hand ----------------------------------------------------------------------------


def opened(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("RGB")


def turned(image: bytes) -> np.ndarray:
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert("RGB"))


def through_opencv_unturned(image: bytes) -> np.ndarray:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(image, np.uint8), flags), cv2.COLOR_BGR2RGB)


def scaled(pixels: np.ndarray, by: float = 255, mean: tuple = MEAN, std: tuple = STD) -> np.ndarray:
    planes = [(pixels[..., c].astype(np.float64) / by - mean[c]) / std[c] for c in range(3)]
    return np.stack(planes).astype(np.float32)


ByHand = tuple[dict[str, dict[str, object]], Callable[[bytes, dict[str, np.ndarray]], np.ndarray]]


def changed(step: str, **parameters: object) -> dict[str, dict[str, object]]:
    return {step: {**own[step], **parameters}}


def of_any_source() -> dict[str, ByHand]:
    """What takes no other operation of the source."""
    return {
        "not divided": (changed("normalise", scale=1.0), lambda _, steps: scaled(steps["crop"], 1)),
        "other mean": (changed("normalise", mean=HALF), lambda _, steps: scaled(steps["crop"], mean=HALF)),
        "other std": (changed("normalise", std=HALF), lambda _, steps: scaled(steps["crop"], std=HALF)),
        "BGR": (changed("normalise", channels="BGR"), lambda _, steps: scaled(steps["crop"][..., ::-1])),
        "corner": (changed("crop", offset="corner"), lambda _, steps: scaled(steps["resize"][:224, :224])),
        "smaller crop": (
            changed("crop", size=192, offset="ceil"),
            lambda _, steps: scaled(centre(steps["resize"], 192, up=True)),
        ),
    }


def centre(pixels: np.ndarray, size: int, up: bool) -> np.ndarray:
    top, left = ((rest + up) // 2 for rest in (pixels.shape[0] - size, pixels.shape[1] - size))
    return pixels[top : top + size, left : left + size]


def by_hand_timm() -> dict[str, ByHand]:
    from timm.data import create_transform

    def own_transform(**options: object) -> Callable[[Image.Image], np.ndarray]:
        asked = {"input_size": (3, 224, 224), "interpolation": "bilinear", "crop_pct": 0.875, **options}
        made = create_transform(**asked)
        return lambda held: np.asarray(made(held), np.float32)

    def from_resized(pixels: np.ndarray) -> np.ndarray:
        made = create_transform(input_size=(3, 224, 224), crop_pct=0.875)
        made.transforms = made.transforms[1:]
        return np.asarray(made(Image.fromarray(pixels)), np.float32)

    def opencv(_: bytes, steps: dict[str, np.ndarray]) -> np.ndarray:
        height, width = steps["resize"].shape[:2]
        return from_resized(cv2.resize(np.array(steps["decode"]), (width, height), interpolation=cv2.INTER_LINEAR))

    bicubic, full = own_transform(interpolation="bicubic"), own_transform(crop_pct=1.0)
    nearest, large = own_transform(interpolation="nearest"), own_transform(input_size=(3, 288, 288), crop_pct=288 / 329)
    plain = own_transform()
    larger = {**changed("resize", short_side=329), **changed("crop", size=288)}
    return {
        **of_any_source(),
        "bicubic": (changed("resize", filter="bicubic"), lambda image, _: bicubic(opened(image))),
        "nearest": (changed("resize", filter="nearest"), lambda image, _: nearest(opened(image))),
        "short side": (changed("resize", short_side=224), lambda image, _: full(opened(image))),
        "input size": (larger, lambda image, _: large(opened(image))),
        "square": (
            changed("resize", aspect_ratio="square"),
            lambda image, _: from_resized(np.asarray(opened(image).resize((256, 256), Image.Resampling.BILINEAR))),
        ),
        "OpenCV resize": (changed("resize", library="OpenCV", antialias=False), opencv),
        "OpenCV decoder": (
            changed("decode", library="OpenCV"),
            lambda image, _: plain(Image.fromarray(through_opencv_unturned(image))),
        ),
        "EXIF": (
            changed("decode", orientation="applied"),
            lambda image, _: plain(Image.fromarray(turned(image))),
        ),
    }


def by_hand_mmcls() -> dict[str, ByHand]:
    from mmcls.datasets.pipelines import Compose

    def own_pipeline(crop: int = 224, **resize: object) -> Callable[[np.ndarray], np.ndarray]:
        steps = [
            {"type": "Resize", **{"size": (256, -1), **resize}},
            {"type": "CenterCrop", "crop_size": crop},
            {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True},
        ]
        made = Compose(steps)
        return lambda bgr: made({"img": bgr, "img_fields": ["img"]})["img"].transpose(2, 0, 1)

    def read(image: bytes) -> np.ndarray:
        return cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)

    bicubic, area = own_pipeline(interpolation="bicubic"), own_pipeline(interpolation="area")
    pillow, square = own_pipeline(backend="pillow"), own_pipeline(size=256)
    full, large, plain = own_pipeline(size=(224, -1)), own_pipeline(288, size=(329, -1)), own_pipeline()
    larger = {**changed("resize", short_side=329), **changed("crop", size=288)}
    return {
        **of_any_source(),
        "bicubic": (changed("resize", filter="bicubic"), lambda image, _: bicubic(read(image))),
        "area": (changed("resize", filter="area", antialias=True), lambda image, _: area(read(image))),
        "PIL resize": (changed("resize", library="PIL", antialias=True), lambda image, _: pillow(read(image))),
        "short side": (changed("resize", short_side=224), lambda image, _: full(read(image))),
        "input size": (larger, lambda image, _: large(read(image))),
        "square": (changed("resize", aspect_ratio="square"), lambda image, _: square(read(image))),
        "EXIF": (
            changed("decode", orientation="ignored"),
            lambda image, _: plain(through_opencv_unturned(image)[..., ::-1].copy()),
        ),
        "PIL decoder": (
            changed("decode", library="PIL"),
            lambda image, _: plain(turned(image)[..., ::-1].copy()),
        ),
    }


def by_hand_ppcls() -> dict[str, ByHand]:
    from ppcls.data.preprocess import CropImage, DecodeImage, NormalizeImage, ResizeImage, ToCHWImage

    def own_operators(crop: int = 224, **resize: object) -> Callable[[np.ndarray], np.ndarray]:
        asked = {} if "size" in resize else {"resize_short": 256}
        operators = [
            ResizeImage(**{**asked, **resize}),
            CropImage(crop),
            NormalizeImage(1 / 255, list(MEAN), list(STD), order=""),
            ToCHWImage(),
        ]

        def run(held: np.ndarray) -> np.ndarray:
            for operator in operators:
                held = operator(held)
            return held

        return run

    read = DecodeImage(to_rgb=True)
    bicubic, area = own_operators(interpolation="bicubic"), own_operators(interpolation="area")
    pillow, square = own_operators(backend="pil", interpolation="bilinear"), own_operators(size=256)
    full, large, plain = own_operators(resize_short=224), own_operators(288, resize_short=329), own_operators()
    larger = {**changed("resize", short_side=329), **changed("crop", size=288)}
    return {
        **of_any_source(),
        "bicubic": (changed("resize", filter="bicubic"), lambda image, _: bicubic(read(image))),
        "area": (changed("resize", filter="area", antialias=True), lambda image, _: area(read(image))),
        "PIL resize": (changed("resize", library="PIL", antialias=True), lambda image, _: pillow(read(image))),
        "short side": (changed("resize", short_side=224), lambda image, _: full(read(image))),
        "input size": (larger, lambda image, _: large(read(image))),
        "square": (changed("resize", aspect_ratio="square"), lambda image, _: square(read(image))),
        "EXIF": (
            changed("decode", orientation="ignored"),
            lambda image, _: plain(through_opencv_unturned(image)),
        ),
        "PIL decoder": (changed("decode", library="PIL"), lambda image, _: plain(turned(image))),
    }


def by_hand() -> dict[str, dict[str, object]]:
    """Swap -> how many images it changes, and on which the two ways of doing it disagree."""
    made = {"timm": by_hand_timm, "mmcls": by_hand_mmcls, "ppcls": by_hand_ppcls}[source]()
    found = {}
    for swap, (other, do) in made.items():
        prepared = [recipe.prepare(image, steps, own, other) for image, steps in zip(images, results, strict=True)]
        wrong = [
            name
            for name, image, steps, given in zip(names, images, results, prepared, strict=True)
            if not same(do(image, steps), steps["normalise"] if given is None else given)
        ]
        found[swap] = {"changed": sum(given is not None for given in prepared), "wrong": wrong}
    return found


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-5, atol=2e-5))


# -- planted defects -----------------------------------------------------------------------------

#: pixels of the crop and of the short side: small, since there are many defects
CROP, SHORT = 96, 109

Step = Callable[[np.ndarray], np.ndarray]


def pil(pixels: np.ndarray, width: int, height: int, kind: str = "BILINEAR") -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling[kind]))


def to_short(
    pixels: np.ndarray, side: int = SHORT, rounded: Callable[[float], int] = int, kind: str = "BILINEAR"
) -> np.ndarray:
    height, width = pixels.shape[:2]
    long = rounded(side * max(height, width) / min(height, width))
    return pil(pixels, side, long, kind) if height > width else pil(pixels, long, side, kind)


def with_opencv(pixels: np.ndarray, kind: int) -> np.ndarray:
    height, width = to_short(pixels).shape[:2]
    return cv2.resize(np.array(pixels), (width, height), interpolation=kind)


def points(pixels: np.ndarray, kind: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """Without antialiasing."""
    height, width = to_short(pixels).shape[:2]
    held = Image.fromarray(pixels)
    inverse = (held.width / width, 0, 0, 0, held.height / height, 0)
    return np.asarray(held.transform((width, height), Image.Transform.AFFINE, inverse, kind))


def gamma(image: bytes) -> np.ndarray:
    return (255 * (np.asarray(opened(image)) / 255) ** 0.9).astype(np.uint8)


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(to_short(pixels)).filter(ImageFilter.GaussianBlur(1)))


#: what -> the step that it damages, and what is done instead
PLANTED: dict[str, tuple[str, Callable]] = {
    "EXIF applied": ("decode", turned),
    "OpenCV decoder": ("decode", through_opencv_unturned),
    "channels reversed when decoded": ("decode", lambda image: np.asarray(opened(image))[..., ::-1]),
    "gamma when decoded": ("decode", gamma),
    "square": ("resize", lambda pixels: pil(pixels, SHORT, SHORT)),
    **{
        kind.lower(): ("resize", lambda pixels, kind=kind: to_short(pixels, kind=kind))
        for kind in ("BICUBIC", "LANCZOS", "BOX", "HAMMING", "NEAREST")
    },
    **{
        f"OpenCV {name}": ("resize", lambda pixels, flag=flag: with_opencv(pixels, getattr(cv2, f"INTER_{flag}")))
        for name, flag in (
            ("bilinear", "LINEAR"),
            ("bicubic", "CUBIC"),
            ("area", "AREA"),
            ("lanczos", "LANCZOS4"),
            ("nearest", "NEAREST"),
        )
    },
    "no antialias": ("resize", points),
    "bicubic, no antialias": ("resize", lambda pixels: points(pixels, Image.Resampling.BICUBIC)),
    "other short side": ("resize", lambda pixels: to_short(pixels, 101)),
    "short side of the crop": ("resize", lambda pixels: to_short(pixels, CROP)),
    "long side rounded": ("resize", lambda pixels: to_short(pixels, rounded=round)),
    "long side rounded up": ("resize", lambda pixels: to_short(pixels, rounded=math.ceil)),
    "blurred": ("resize", blurred),
    "short side by the image": ("resize", lambda pixels: to_short(pixels, SHORT + pixels.shape[0] % 3)),
    "long side by the image": ("resize", lambda pixels: pil(pixels, SHORT, SHORT + pixels.shape[0] % 5)),
    "corner": ("crop", lambda pixels: pixels[:CROP, :CROP]),
    "lower right corner": ("crop", lambda pixels: pixels[-CROP:, -CROP:]),
    "crop floor": ("crop", lambda pixels: centre(pixels, CROP, up=False)),
    "crop ceil": ("crop", lambda pixels: centre(pixels, CROP, up=True)),
    "other crop": ("crop", lambda pixels: centre(pixels, 80, up=False)),
    "crop that is no square": ("crop", lambda pixels: pixels[:CROP, :80]),
    "crop by the image": ("crop", lambda pixels: centre(pixels, 80 + pixels.shape[0] % 2, up=False)),
    "BGR": ("normalise", lambda pixels: scaled(pixels[..., ::-1])),
    "not divided": ("normalise", lambda pixels: scaled(pixels, 1)),
    "other mean": ("normalise", lambda pixels: scaled(pixels, mean=HALF)),
    "other std": ("normalise", lambda pixels: scaled(pixels, std=HALF)),
    "mean and std reversed": ("normalise", lambda pixels: scaled(pixels, mean=MEAN[::-1], std=STD[::-1])),
    "squared": ("normalise", lambda pixels: scaled(pixels) ** 2),
    "contrast by the image": ("normalise", lambda pixels: scaled(pixels) / scaled(pixels).std()),
    "not finite": ("normalise", lambda pixels: np.where(scaled(pixels) > 1, np.inf, scaled(pixels))),
    "one value": ("normalise", lambda pixels: scaled(pixels) * 0),
}


def planted() -> dict[str, dict[str, object]]:
    """What is told of timm with one step damaged, and the steps after it as timm does them."""
    from timm.data import create_transform

    small = adapter.build(model, input_size=CROP)
    undamaged = [small.preprocessing_steps(image) for image in images]
    resize, crop, *last = create_transform(
        input_size=(3, CROP, CROP), interpolation="bilinear", crop_pct=0.875, mean=MEAN, std=STD
    ).transforms
    own_steps: dict[str, Step] = {
        "resize": lambda pixels: np.asarray(resize(Image.fromarray(pixels))),
        "crop": lambda pixels: np.asarray(crop(Image.fromarray(pixels))),
        "normalise": lambda pixels: np.asarray(last[1](last[0](Image.fromarray(pixels)))),
    }

    def damaged(step: str, instead: Callable, image: bytes, steps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        at = STEPS.index(step)
        done = {name: steps[name] for name in STEPS[:at]}
        done[step] = instead(steps[STEPS[at - 1]] if at else image)
        for name in STEPS[at + 1 :]:
            done[name] = own_steps[name](np.ascontiguousarray(done[STEPS[STEPS.index(name) - 1]]))
        return done

    return {
        what: told(
            *identification.identify(
                images,
                [damaged(step, instead, *one) for one in zip(images, undamaged, strict=True)],
                small.preprocessing,
            )
        )
        for what, (step, instead) in {"nothing": ("resize", own_steps["resize"]), **PLANTED}.items()
    }


print(
    json.dumps(
        {
            "images": len(images),
            "libraries": recipe.libraries(),
            "said": dataclasses.asdict(network.preprocessing),
            "own": told(own, reasons),
            "again": again(),
            "open": left_open(),
            "by_hand": by_hand(),
            "planted": planted() if source == "timm" else {},
        }
    )
)
