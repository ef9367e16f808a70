"""Class labels as people have them, what is known of ImageNet's, and the mistakes in them."""

from harness.dataset.labels.identity import not_imagenet_val
from harness.dataset.labels.known import class_names, devkit_ids, synset_indices, val_labels, val_number
from harness.dataset.labels.mistakes import LabelLine, label_shift, label_trap

__all__ = [
    "LabelLine",
    "class_names",
    "devkit_ids",
    "label_shift",
    "label_trap",
    "not_imagenet_val",
    "synset_indices",
    "val_labels",
    "val_number",
]
