"""A GeoTIFF of Landsat numbers -> outlines of its glaciers, by onnxruntime and NumPy alone.

python map_on_edge.py model.onnx 2020-08.tif outlines.geojson [SR_B4,SR_B3,... as its bands lie]
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import onnxruntime
from landsat_rows import GeoTiff

MIN_AREA_KM2 = 0.01
WAYS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # along the sides of a pixel, which lies on their right


def map_rows(network: onnxruntime.InferenceSession, facts: dict, tiff: GeoTiff) -> Iterator:
    """Rows of the map from top to bottom, True on glacier: windows blended as the product does."""
    size, stride, cut = facts["size_px"], facts["stride_px"], facts["threshold"]
    tops, cols = ([*range(0, n - size, stride), max(0, n - size)] for n in tiff.shape)
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 + 1e-3
    total, weight = np.zeros((2, size, max(size, tiff.shape[1])), np.float32)
    for top, end in pairwise([*tops, tiff.shape[0]]):
        image, rows = tiff.read_image(facts["bands"], top, size), end - top
        for part in (slice(col, col + size) for col in cols):
            if np.isfinite(image[:, :, part]).all(axis=0).any():
                (answer,) = network.run(None, {"image": image[None, :, :, part]})
                odds = answer[0, 0].clip(1e-7, 1 - 1e-7)
                total[:, part] += np.log(odds / (1 - odds)) * np.outer(ramp, ramp)
                weight[:, part] += np.outer(ramp, ramp)
        yield (total >= np.log(cut / (1 - cut)) * np.where(weight > 0, weight, np.nan))[:rows]
        total, weight = (np.pad(sums[rows:], ((0, rows), (0, 0))) for sums in (total, weight))


def trace(ice: np.ndarray) -> list[list[np.ndarray]]:
    """Patches of pixels that touch by sides: of each its rings of (col, row), the outer first."""
    wide, padded, sides, patches, patch_of = ice.shape[1] + 1, np.pad(ice, 1), set(), {}, {}
    for way, (row, col) in enumerate(((0, 0), (0, 1), (1, 1), (1, 0))):  # where a side begins
        beyond = padded[1 + WAYS[way - 1][0] :, 1 + WAYS[way - 1][1] :][: len(ice), : wide - 1]
        rows, cols = np.nonzero(ice & ~beyond)
        sides.update((((rows + row) * wide + cols + col) * 4 + way).tolist())
    for side in sorted(sides):
        if side not in patch_of:
            ring, rings, left = {side // 4: None}, [], (side // 4 + wide) * 4 - 1
            while side % 4 and left not in patch_of:  # a hole, which is of the ice on its left
                left -= 4
            patch = patch_of[left] if side % 4 else side
            while side not in patch_of:
                patch_of[side], way = patch, side % 4
                corner = side // 4 + WAYS[way][0] * wide + WAYS[way][1]
                side = next(s for t in (1, 0, 3) if (s := corner * 4 + (way + t) % 4) in sides)
                loop = [corner]
                while corner in ring:  # at its end, or where it touches itself: around a hole
                    loop.append(ring.popitem()[0])
                rings = [np.array(loop), *rings] if loop[1:] else rings
                ring |= {corner: None} if side % 4 != way else {}
            patches.setdefault(patch, []).extend(np.divmod(each, wide)[::-1] for each in rings)
    return list(patches.values())


def main(model: str, image: str, out: str, bands: str = "") -> None:
    """Map an image, and write its outlines as GeoJSON in its own CRS."""
    network = onnxruntime.InferenceSession(model)
    facts, features = json.loads(network.get_modelmeta().custom_metadata_map["glacier"]), []
    tiff = GeoTiff(image, facts, bands)
    for patch in trace(np.concatenate(list(map_rows(network, facts, tiff)))[:, : tiff.shape[1]]):
        rings = [(tiff.left + x * tiff.pixel_m, tiff.top - y * tiff.pixel_m) for x, y in patch]
        km2 = sum((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() for x, y in rings) / 2e6
        shape = {"type": "Polygon", "coordinates": [np.transpose(ring).tolist() for ring in rings]}
        row = {"type": "Feature", "properties": {"area_km2": km2}, "geometry": shape}
        features += [row] * int(km2 >= MIN_AREA_KM2)
    with open(out, "w") as file:
        json.dump({"type": "FeatureCollection", "crs": tiff.crs, "features": features}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
