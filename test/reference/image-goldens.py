"""Makes test/images/goldens.json: what Python and Pillow compute, for size.pure.test.ts, bicubic.pure.test.ts and
image-loader.test.ts.

    pip install pillow==11.3.0 && python3 test/reference/image-goldens.py > test/images/goldens.json

test/images/structured-image.ts draws the same numbers and pictures.
"""

import base64
import hashlib
import io
import json
import math

from PIL import Image


class Draws:
    """The linear congruential generator of Numerical Recipes."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) % limit


def target_size(height, width, maximum):
    if max(height, width) / min(height, width) > 200:
        return None
    h, w = round(height / 28) * 28, round(width / 28) * 28
    if h * w > maximum:
        beta = math.sqrt((height * width) / maximum)
        return max(28, math.floor(height / beta / 28) * 28), max(28, math.floor(width / beta / 28) * 28)
    if h * w < 3136:
        beta = math.sqrt(3136 / (height * width))
        return math.ceil(height * beta / 28) * 28, math.ceil(width * beta / 28) * 28
    return h, w


def sizes():
    draws = Draws(1)
    text = ""
    for _ in range(10000):
        limit = (40, 300, 3000, 20000)[draws.below(4)]
        width, height, tokens = 1 + draws.below(limit), 1 + draws.below(limit), (768, 768, 256, 4)[draws.below(4)]
        size = target_size(height, width, tokens * 784)
        text += "refused\n" if size is None else f"{size[1]}x{size[0]}\n"
    return hashlib.sha256(text.encode()).hexdigest()


def picture(draws, width, height):
    """Edges, flat areas and rows that repeat, as on a page."""
    rows = []
    for y in range(height):
        if y > 0 and draws.below(4) == 0:
            rows.append(rows[-1])
            continue
        row = bytearray()
        for x in range(width):
            kind = draws.below(8)
            if x > 0 and kind < 4:
                row += row[-3:]
            elif kind < 7:
                row += bytes([255 * (kind & 1)] * 3)
            else:
                row += bytes(draws.below(256) for _ in range(3))
        rows.append(row)
    return Image.frombytes("RGB", (width, height), b"".join(rows))


def resizes():
    draws = Draws(2)
    limits = (2, 12, 90, 400)
    hashes = {}
    while len(hashes) < 200:
        side = lambda: 1 + draws.below(limits[draws.below(4)])
        width, height, to_width, to_height = side(), side(), side(), side()
        resized = picture(draws, width, height).resize((to_width, to_height), Image.Resampling.BICUBIC)
        name = f"{width}x{height} to {to_width}x{to_height}"
        hashes[name] = hashlib.sha256(resized.tobytes()).hexdigest()[:16]
    return hashes


def files():
    """Small files of each format, and what the model sees of them: converted to RGB, and resized."""
    picture = Image.new("RGB", (61, 47))
    for y in range(47):
        for x in range(61):
            picture.putpixel((x, y), (x * 4, y * 5, 255 if (x // 9 + y // 7) % 2 else (x * y) % 256))
    kinds = {
        "JPEG": (picture, "JPEG", {"quality": 60, "subsampling": 2}),
        "progressive JPEG": (picture, "JPEG", {"quality": 80, "subsampling": 1, "progressive": True}),
        "grey JPEG": (picture.convert("L"), "JPEG", {"quality": 40}),
        "CMYK JPEG": (picture.convert("CMYK"), "JPEG", {"quality": 30}),
        "WebP": (picture, "WEBP", {"quality": 50}),
        "GIF": (picture.quantize(16), "GIF", {}),
        "palette PNG": (picture.quantize(16), "PNG", {}),
    }
    made = {}
    for name, (image, kind, options) in kinds.items():
        file = io.BytesIO()
        image.save(file, kind, **options)
        height, width = target_size(47, 61, 768 * 784)
        seen = Image.open(file).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        made[name] = {
            "base64": base64.b64encode(file.getvalue()).decode(),
            "sha256": hashlib.sha256(seen.tobytes()).hexdigest(),
        }
    return made


print(json.dumps({"sizes": sizes(), "resizes": resizes(), "files": files()}, indent=2))
