"""Stages around models of pictures, as the YAML names them: ``vision.jpeg_to_yolov5``..."""

from edgeflow.pipelines.stages.detectors import nanodet, yolo_nms, yolov8
from edgeflow.pipelines.stages.ready_boxes import centerface, centernet, ssd
from edgeflow.pipelines.stages.vision_inputs import (
    bgr_frame_to_yolov5,
    image_to_nanodet,
    image_to_tensor,
    jpeg_to_nanodet,
    jpeg_to_yolov5,
    to_centernet,
    to_classifier,
    to_ssd,
)

__all__ = [
    "bgr_frame_to_yolov5",
    "centerface",
    "centernet",
    "image_to_nanodet",
    "image_to_tensor",
    "jpeg_to_nanodet",
    "jpeg_to_yolov5",
    "nanodet",
    "ssd",
    "to_centernet",
    "to_classifier",
    "to_ssd",
    "yolo_nms",
    "yolov8",
]
