"""mmdet's COCO data set, with checks of the annotation file and of the images."""
import logging
from collections import defaultdict
from collections.abc import Sequence

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ..annotations.annotation_file import check_masks, match_categories, read_coco
from .shared_items import SharedItems, mask_readers


@DATASETS.register_module()
class CheckedCocoDataset(SharedItems, CocoDataset):
    """mmdet's `CocoDataset` with checks of the file and of the images; it gives the same items.

    `area` and `iscrowd` may be absent. Masks are checked if the pipeline reads them.

    Raises:
        ValueError: For a file that is no json, a field that is missing or of a wrong type, an id that comes twice, or
            that belongs to no row, a class that the file lacks, classes in another order than the file's, a broken
            mask; and, when an item is read, for an image of another size than the file says.
    """
    malformed_boxes_are_errors = True

    def load_data_list(self) -> list[dict]:
        content = read_coco(self.ann_file, self.backend_args, check_boxes=self.malformed_boxes_are_errors)
        if readers := mask_readers(self.pipeline.transforms):
            check_masks(content, self.ann_file, needed='LoadAnnotations' in readers)
        self.cat_ids = match_categories(content['categories'], self.metainfo['classes'], self.ann_file)
        self.cat2label = {cat_id: label for label, cat_id in enumerate(self.cat_ids)}
        if not (content['annotations'] or self.test_mode):
            print_log(f'{self.ann_file} has no annotations: all of its images are background', 'current',
                      level=logging.WARNING)
        self.cat_img_map, rows = defaultdict(list), defaultdict(list)
        for annotation in content.pop('annotations'):
            self.cat_img_map[annotation['category_id']].append(annotation['image_id'])
            rows[annotation['image_id']].append(annotation)
        return [self.read_image(dict(image, img_id=image['id']), rows.pop(image['id'], ()))
                for image in content['images']]

    def read_image(self, image: dict, annotations: Sequence[dict]) -> dict:
        """The item of one image: its row of the file, which also has its id as `img_id`, and its annotations."""
        return self.parse_data_info(dict(raw_img_info=image, raw_ann_info=annotations))

    def filter_data(self) -> list[dict]:
        data_list = super().filter_data()
        self.cat_img_map = {}  # read once, and as long as the file: not for the workers
        return data_list
