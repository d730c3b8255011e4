"""Patch features of CLIP, for the vision-language dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.fingerprints import digest, digest_weights
from mmdet_ext.launch import load_config
from mmdet_ext.open_clip_models import load_open_clip

from .image_set import find_images
from .images import ImageSource


class ClipSource(ImageSource):
    """Features of sampled patches of training images from the image tower of an open_clip model.

    An image is resized as a whole to the model's square, so that every part of it is seen; open_clip's own evaluation
    crops the centre of most models' images. Mean and deviation are the model's.

    Args:
        model: Name as in `open_clip.list_models()`, or 'local-dir:FOLDER' or 'hf-hub:NAME', which bring their weights.
        weights: Pretrained tag of open_clip, or file. None: random weights, for tests and controls.
        config: Config of a detector, whose training images are taken.
        ann, images: As in `find_images`.
        joint: Whether patches are projected into the space that images share with texts, as open_clip's own vision
            transformers can. False: the last layer after its final norm, where the tower has one for patches.
        device: Where the model runs.
        seed: Decides which patches, and the random weights.
        options: `per_image` (16 by default) and `batch_size` of `ImageSource`.

    Raises:
        OSError: A file or folder does not exist, or weights cannot be downloaded.
        ValueError: The model is not known or has no such patch features, or the weights are those of another one.
    """
    name = 'clip'

    def __init__(self, model: str, weights: str | None, *, config: str | None = None, ann: str | None = None,
                 images: str | None = None, joint: bool = True, device: str | torch.device = 'cpu', seed: int = 0,
                 per_image: int = 16, **options: Any) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2  # only here: other sources need no open_clip

        super().__init__(find_images(None if config is None else load_config(str(config)), ann, images),
                         per_image=per_image, seed=seed, **options)
        self.device, self.joint = device, joint
        self.tower = load_open_clip(model, weights, seed).visual.to(device)
        if not hasattr(self.tower, 'forward_intermediates'):
            raise ValueError(f'{model}: its image tower, {type(self.tower).__name__}, gives no patch features')
        # A tower that pools its patches by attention does so before the final norm, which is then none of theirs.
        self.pools = getattr(self.tower, 'attn_pool', None) is not None
        if joint and (self.pools or not isinstance(getattr(self.tower, 'proj', None), Tensor)):
            raise ValueError(f'{model}: its image tower, {type(self.tower).__name__}, has no projection of single '
                             'patches into the joint space; joint=False takes its last layer')
        preprocess = PreprocessCfg(**{**self.tower.preprocess_cfg, 'resize_mode': 'squash'})
        self.transform = image_transform_v2(preprocess, is_train=False)
        _, self.width, rows, columns = self._features([self.transform(Image.new('RGB', (8, 8)))]).shape
        self.per_item = min(per_image, rows * columns)
        self.fingerprint |= dict(model=model, joint=joint, weights=digest_weights(self.tower),
                                 preprocess=digest([repr(preprocess)]))

    def load(self, path: str) -> tuple[Tensor, tuple[int, int]]:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            return self.transform(image), image.size

    def maps(self, loaded: list[tuple[Tensor, tuple[int, int]]]) -> list[tuple[Tensor, CellGrid]]:
        inputs, sizes = zip(*loaded)
        features = self._features(inputs)
        shape, grid = np.array(inputs[0].shape[-2:]), np.array(features.shape[-2:])
        patch = getattr(getattr(getattr(self.tower, 'trunk', None), 'patch_embed', self.tower), 'patch_size', None)
        covered = np.ones(2)  # shares of height and width in patches: a border may be too narrow for one more
        if patch is not None and (shape // patch == grid).all():
            covered = grid * patch / shape
        return [(feature, CellGrid((height, width), tuple(grid.tolist()),
                                   (0, 0, width * float(covered[1]), height * float(covered[0]))))
                for feature, (width, height) in zip(features, sizes, strict=True)]

    @torch.no_grad()
    def _features(self, images: Sequence[Tensor]) -> Tensor:
        """Images (3, H, W) -> patches (B, C, rows, columns)."""
        patches = self.tower.forward_intermediates(
            torch.stack(tuple(images)).to(self.device), indices=1, intermediates_only=True,
            normalize_intermediates=not self.pools)['image_intermediates'][-1]
        return torch.einsum('bchw,cd->bdhw', patches, self.tower.proj) if self.joint else patches
