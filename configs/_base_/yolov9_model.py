"""The parts of the model that all sizes of YOLOv9 share."""
model = dict(
    type='PGIDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[0, 0, 0],
        std=[255, 255, 255],
        bgr_to_rgb=True,
        pad_size_divisor=32,
        pad_value=114),
    backbone=dict(type='GELAN'),
    neck=dict(type='GELANPAN'),
    bbox_head=dict(type='YOLOv9Head', num_classes=80),
    train_cfg=dict(assigner=dict(type='BatchTaskAlignedAssigner', topk=10, alpha=0.5, beta=6.0)),
    test_cfg=dict(
        multi_label=True, score_thr=0.001, nms_pre=30000, nms=dict(type='nms', iou_threshold=0.7), max_per_img=300))
