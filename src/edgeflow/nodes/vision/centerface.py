"""The arithmetic around the CenterFace network: image to tensor, tensors to faces. Pure numpy.

Source: Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point",
arXiv 1911.03599, section 3 (a face is the peak of a heatmap at a quarter of the input's
resolution; log sizes, offsets and landmarks are regressed at the peak), and the conventions of
the published model: channels in the order y, x; cell centres at +0.5; landmarks relative to the
box, in units of its size.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Faces", "decode", "input_size", "suppress", "to_tensor"]

STRIDE = 4
"""Input pixels per heatmap cell."""

MULTIPLE = 32
"""The network halves its input five times, so sides are multiples of this."""

MAX_CANDIDATES = 500
"""Peaks considered before suppression; bounds its quadratic cost on hopeless input."""

Floats = npt.NDArray[np.float32]


class Faces(NamedTuple):
    """Faces in one image, best first.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the original image, inside it.
        scores: float32 [n], 0 to 1.
        landmarks: float32 [n, 5, 2], x, y in pixels: eyes, nose, corners of the mouth, each pair
            from left to right in the image. They may lie outside of the image.
    """

    boxes: Floats
    scores: Floats
    landmarks: Floats


def input_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """Return the (width, height) the network gets for an image of ``width`` x ``height``.

    The longer side becomes ``longest``, both are rounded up to what the network can halve.
    """
    scale = longest / max(width, height)
    return _round_up(width * scale), _round_up(height * scale)


def _round_up(size: float) -> int:
    return max(MULTIPLE, -(-round(size) // MULTIPLE) * MULTIPLE)


def to_tensor(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> Floats:
    """Return a BGR uint8 [h, w, 3] image as float32 [1, 3, height, width], RGB, 0 to 255."""
    import cv2

    resized = image if image.shape[1::-1] == size else cv2.resize(image, size)
    planes = resized[:, :, ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray(planes, dtype=np.float32)[np.newaxis]


def decode(
    heatmap: npt.NDArray[Any],
    scale: npt.NDArray[Any],
    offset: npt.NDArray[Any],
    landmarks: npt.NDArray[Any],
    *,
    image_size: tuple[int, int],
    threshold: float = 0.5,
    overlap: float = 0.3,
) -> Faces:
    """Turn the four output tensors of one image into faces.

    Args:
        heatmap: float32 [1, 1, h, w], probability that a face is centred in the cell.
        scale: float32 [1, 2, h, w], log of height and width in cells.
        offset: float32 [1, 2, h, w], y and x of the centre within the cell.
        landmarks: float32 [1, 10, h, w], five times y and x, relative to the box.
        image_size: (width, height) of the original image.
        threshold: lowest score of a face.
        overlap: intersection over union from which the weaker of two boxes is dropped.
    """
    scores = heatmap[0, 0]
    rows, columns = np.nonzero(scores > threshold)
    found = scores[rows, columns]
    if len(found) > MAX_CANDIDATES:
        best = np.argpartition(-found, MAX_CANDIDATES)[:MAX_CANDIDATES]
        rows, columns, found = rows[best], columns[best], found[best]
    sizes = np.exp(scale[0][:, rows, columns]) * STRIDE
    centres = (offset[0][:, rows, columns] + np.stack([rows, columns]) + 0.5) * STRIDE
    corner = centres - sizes / 2
    points = landmarks[0][:, rows, columns].reshape(5, 2, -1) * sizes + corner

    width, height = image_size
    grid_height, grid_width = scores.shape
    zoom = np.array([width / (grid_width * STRIDE), height / (grid_height * STRIDE)], np.float32)
    top_left = corner[::-1].T * zoom
    bottom_right = top_left + sizes[::-1].T * zoom
    limit = np.array([width, height], np.float32)
    boxes = np.concatenate([top_left.clip(0, limit), bottom_right.clip(0, limit)], axis=1)
    marks = points[:, ::-1].transpose(2, 0, 1) * zoom

    keep = suppress(boxes, found, overlap)
    return Faces(
        boxes[keep].astype(np.float32),
        found[keep].astype(np.float32),
        marks[keep].astype(np.float32),
    )


def suppress(
    boxes: npt.NDArray[Any], scores: npt.NDArray[Any], overlap: float
) -> npt.NDArray[np.intp]:
    """Return the indices of the boxes that no better box covers, best first.

    Args:
        boxes: [n, 4], x1, y1, x2, y2.
        scores: [n].
        overlap: intersection over union from which the weaker box is dropped.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order]
    low = np.maximum(ranked[:, np.newaxis, :2], ranked[np.newaxis, :, :2])
    high = np.minimum(ranked[:, np.newaxis, 2:], ranked[np.newaxis, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area = (ranked[:, 2:] - ranked[:, :2]).prod(axis=1)
    union = area[:, np.newaxis] + area[np.newaxis] - shared
    covers = shared >= overlap * np.maximum(union, np.finfo(np.float32).tiny)
    alive = np.ones(len(order), bool)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= ~covers[index, index + 1 :]
    return order[alive]
