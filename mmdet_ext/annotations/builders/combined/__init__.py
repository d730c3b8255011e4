"""The mixed pre-training data of MDETR, in which captions of an image are put together."""
