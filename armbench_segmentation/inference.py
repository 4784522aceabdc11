"""Run an exported model over the images of a data set.

**Conventions**: one image at a time, so that a fixed batch of 1 works and results do not depend on neighbours; a larger
fixed batch is filled with copies. Class ids are positions in the list of categories, which must be the model's order.
An image whose pixels cannot be read is set aside with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.dataset import read_sample
from armbench_segmentation.decode import decode_predictions
from armbench_segmentation.detections import Detections, encode_window
from armbench_segmentation.instances import Instances
from armbench_segmentation.model import open_session, read_facts
from armbench_segmentation.resize import Resize, ResizeMode
from armbench_segmentation.samples import Sample, SetAside
from latent_space.onnx_session import runtime_errors
from latent_space.progress import track

if TYPE_CHECKING:
    import onnxruntime


@dataclass(frozen=True)
class Detector:
    """An exported model, ready to find objects in photographs.

    Attributes
    ----------
    session : onnxruntime.InferenceSession
    input_size : (height, width)
        Pixels.
    batch_size : int
        Images the model asks for at once.
    names : tuple of str, optional
        Class names in the model's order, where the file says.
    resize : {"stretch", "letterbox"}
    confidence, nms_iou : float
        Of `decode_predictions`.
    max_detections : int
        Per image, over all classes.
    """

    session: "onnxruntime.InferenceSession"
    input_size: tuple[int, int]
    batch_size: int
    names: tuple[str, ...] | None
    resize: ResizeMode = "stretch"
    confidence: float = 0.001
    nms_iou: float = 0.5
    max_detections: int = 300

    @classmethod
    def open(
        cls, path: Path, *, image_size: int | None = None, resize: ResizeMode | None = None, **options: Any
    ) -> "Detector":
        """Open an ONNX model; `options` are the attributes from `confidence` on.

        `resize` is by default what the file says, else "stretch".

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it cannot be read, has no fixed input size and none is given, or its size is not the given one.
        """
        session = open_session(path)
        facts = read_facts(session)
        wanted = None if image_size is None else (image_size, image_size)
        size = facts.image_size or wanted
        if size is None:
            raise ValueError(f"image_size must be given for {path}, whose input size is dynamic; got None.")
        if wanted is not None and wanted != size:
            raise ValueError(f"image_size must be the model's own {size}; got {image_size}.")
        return cls(session, size, facts.batch_size or 1, facts.names, resize or facts.resize or "stretch", **options)

    def plan(self, original_size: tuple[int, int]) -> Resize:
        """How an image of this (height, width) becomes the input."""
        return Resize.plan(original_size, self.input_size, self.resize)

    def find(self, image: NDArray[np.uint8], plan: Resize, *, n_classes: int) -> Instances:
        """Find the objects of one image.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB, of the original size or decoded smaller.
        plan : Resize
            From `plan`.
        n_classes : int

        Returns
        -------
        Instances
            Boxes and masks at the original size.

        Raises
        ------
        ValueError
            If the model does not run on this input, or is not one of the known heads for `n_classes`.
        """
        pixels = plan.apply(image).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        return decode_predictions(
            [output[:1] for output in self._run(pixels)],
            n_classes=n_classes,
            image_size=self.input_size,
            original_sizes=[plan.original_size],
            resize=self.resize,
            confidence=self.confidence,
            iou=self.nms_iou,
            max_detections=self.max_detections,
        )[0]

    def _run(self, pixels: NDArray[np.float32]) -> list[NDArray[Any]]:
        source = self.session.get_inputs()[0]
        batch = np.repeat(pixels, self.batch_size, axis=0)
        if source.type == "tensor(float16)":
            batch = batch.astype(np.float16)
        try:
            return [np.asarray(output, np.float32) for output in self.session.run(None, {source.name: batch})]
        except runtime_errors() as error:
            raise ValueError(f"The model must run on an input of shape {batch.shape}: {error}") from error


def detect(
    detector: Detector, samples: Sequence[Sample], *, n_classes: int
) -> tuple[dict[str, Detections], list[SetAside]]:
    """Find the objects of every sample.

    Returns
    -------
    found : dict
        Sample id -> detections.
    set_aside : list of SetAside
        Samples whose image could not be read.
    """
    found, set_aside = {}, []
    for sample in track(samples, "Running the model", total=len(samples)):
        plan = detector.plan(sample.size)
        try:
            image = read_sample(sample, at_least=plan.inner_size)
        except ValueError as error:
            set_aside.append(SetAside(sample.sample_id, str(error)))
            continue
        found[sample.sample_id] = _compress(detector.find(image, plan, n_classes=n_classes))
    return found, set_aside


def _compress(objects: Instances) -> Detections:
    corners = objects.boxes_xyxy.astype(np.float64)
    runs = [encode_window(mask, box) for mask, box in zip(objects.masks, corners, strict=True)]
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return Detections.sorted(runs, boxes, objects.class_ids, objects.confidence)
