"""From the files of published data sets to annotation files in MDETR's format (https://arxiv.org/abs/2104.12763)."""
