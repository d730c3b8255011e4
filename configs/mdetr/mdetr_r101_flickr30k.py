"""Evaluation of the pre-trained MDETR on Flickr30k Entities; any box of a phrase counts as right (ANY-BOX)."""
_base_ = './mdetr_r101_pretrain.py'

data_root = 'data/mdetr/'
test_dataloader = dict(
    dataset=dict(ann_file='OpenSource/final_flickr_separateGT_test.json'))
test_evaluator = [
    dict(type='PhraseGroundingMetric', entities_root=data_root + 'flickr30k_entities', split_file='test.txt'),
    dict(type='AgnosticCocoMetric')
]
