"""Other ways of MMDetection with a model and data of ours: training by iterations over wrapped data sets, a teacher and
a student, a tracker, merged views, and its analysis tools."""
import copy
import pickle
import runpy
import sys
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmengine.structures import InstanceData

ROOT = Path(__file__).resolve().parents[1]
ANALYSIS = Path(mmdet.__file__).parent / '.mim/tools/analysis_tools'
SIZE = 64


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Config:
    """YOLOv9-T on a few small Shapes, without workers."""
    folder = tmp_path_factory.mktemp('ways')
    make_shapes(folder / 'data/shapes', ShapesConfig(train=4, val=2, test=2))
    cfg = Config.fromfile(ROOT / 'configs/yolov9/yolov9t_shapes.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        dataset = loader.dataset.get('dataset', loader.dataset)
        dataset.data_root = f'{folder}/data/shapes/'
    cfg.val_evaluator.ann_file = cfg.test_evaluator.ann_file = None  # that of the data set
    cfg.merge_from_dict(dict(image_size=SIZE, work_dir=str(folder / 'work')))
    return cfg


def sample(boxes: int, **meta) -> DetDataSample:
    corners = torch.tensor([[8., 8, 40, 50]]).repeat(boxes, 1)
    shape = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), batch_input_shape=(SIZE, SIZE), scale_factor=(1., 1.))
    return DetDataSample(gt_instances=InstanceData(bboxes=corners, labels=torch.arange(boxes)), metainfo=shape | meta)


def test_training_by_iterations_over_concatenated_repeated_and_balanced_data_sets(config):
    cfg = copy.deepcopy(config)
    coco = cfg.train_dataloader.dataset.dataset
    balanced = dict(type='ClassBalancedDataset', oversample_thr=0.9, dataset=coco)
    joined = dict(type='ConcatDataset', datasets=[coco, balanced])
    cfg.train_dataloader.dataset.dataset = dict(type='RepeatDataset', times=2, dataset=joined)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler')
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=2)
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.1, end=2, by_epoch=False)]
    for hook in ('warmup', 'close_mosaic', 'patience'):  # which count epochs
        cfg.default_hooks.pop(hook)
    cfg.default_hooks.checkpoint = dict(type='WholeCheckpointHook', by_epoch=False, interval=2)
    runner = Runner.from_cfg(cfg)
    before = {name: p.clone() for name, p in runner.model.named_parameters()}
    runner.train()
    dataset = runner.train_dataloader.dataset
    assert len(dataset) > 16 and runner.iter == 2  # 4 images, some of them more often in the second data set
    assert any(not p.equal(before[name]) for name, p in runner.model.named_parameters())
    assert (Path(cfg.work_dir) / 'iter_2.pth').is_file()
    assert runner.message_hub.get_scalar('val/coco/bbox_mAP').current() >= 0


def test_a_student_learns_from_the_pseudo_boxes_of_its_teacher(config):
    detector = copy.deepcopy(config.model)
    model = MODELS.build(dict(
        type='SemiBaseDetector', detector=detector,
        data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor),
        semi_train_cfg=ConfigDict(freeze_teacher=True, cls_pseudo_thr=0.0, min_pseudo_bbox_wh=(0.01, 0.01)),
        semi_test_cfg=ConfigDict(predict_on='teacher'))).train()
    names = ('sup', 'unsup_teacher', 'unsup_student')
    images = {name: [torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)] for name in names}
    samples = {name: [sample(1, homography_matrix=np.eye(3, dtype=np.float32))] for name in names}
    data = model.data_preprocessor(dict(inputs=images, data_samples=samples), training=True)
    losses = model(**data, mode='loss')
    assert {f'{branch}_{prefix}loss_cls' for branch in ('sup', 'unsup') for prefix in ('', 'aux.')} <= losses.keys()
    total, _ = model.parse_losses(losses)
    total.backward()
    assert all(p.grad is not None for p in model.student.parameters())
    assert all(p.grad is None for p in model.teacher.parameters())
    with torch.no_grad():
        result, = model.eval().predict(torch.rand(1, 3, SIZE, SIZE), [sample(0)])
    assert result.pred_instances.bboxes.isfinite().all()


def test_bytetrack_follows_the_boxes_of_our_detector(config):
    pytest.importorskip('lap')
    detector = dict(copy.deepcopy(config.model), test_cfg=ConfigDict(score_thr=0.0, max_per_img=5))
    model = MODELS.build(dict(
        type='ByteTrack', data_preprocessor=dict(type='TrackDataPreprocessor'), detector=detector,
        tracker=dict(
            type='ByteTracker', motion=dict(type='KalmanFilter'), obj_score_thrs=dict(high=0.0, low=0.0),
            init_track_thr=0.0, weight_iou_with_det_scores=False,
            match_iou_thrs=dict(high=0.1, low=0.5, tentative=0.3)))).eval()
    image = torch.rand(1, 1, 3, SIZE, SIZE)
    ids = []
    for frame in range(3):
        shown = TrackDataSample(video_data_samples=[sample(0, frame_id=frame, video_length=3)],
                                metainfo=dict(key_frames_inds=[0], ref_frames_inds=[]))
        with torch.no_grad():
            result, = model.predict(image, [shown])
        ids.append(result[0].pred_track_instances.instances_id.tolist())
    assert ids[0] and ids[0] == ids[1] == ids[2]


def test_merged_views_of_an_image_have_the_boxes_of_one(config):
    detector = MODELS.build(copy.deepcopy(config.model)).eval()
    model = DetTTAModel(module=detector, tta_cfg=ConfigDict(nms=dict(type='nms', iou_threshold=0.6), max_per_img=10))
    image = torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8)
    views = dict(inputs=[[image], [image.flip(-1)]],
                 data_samples=[[sample(0, flip=False, flip_direction=None)],
                               [sample(0, flip=True, flip_direction='horizontal')]])
    with torch.no_grad():
        merged, = model.test_step(views)
        plain, = detector.test_step(dict(inputs=[image], data_samples=[sample(0)]))
    merged, plain = merged.pred_instances, plain.pred_instances
    assert 0 < len(merged) <= 10 and (merged.bboxes >= 0).all() and (merged.bboxes <= SIZE).all()
    assert merged.scores.max() >= plain.scores.max() - 1e-6


@pytest.fixture
def results(config, tmp_path) -> tuple[str, str]:
    """A config file, and a file of results on its validation images: the annotated boxes."""
    cfg = copy.deepcopy(config)
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)  # eval_metric reads the val_evaluator for test results
    cfg.dump(tmp_path / 'config.py')
    dataset = Runner.build_dataloader(cfg.test_dataloader).dataset
    predictions = []
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        instances = dict(bboxes=torch.tensor([row['bbox'] for row in info['instances']], dtype=torch.float32),
                         labels=torch.tensor([row['bbox_label'] for row in info['instances']]),
                         scores=torch.full((len(info['instances']), ), 0.9))
        predictions.append(dict(pred_instances=instances, img_id=info['img_id'], img_path=info['img_path'],
                          ori_shape=(info['height'], info['width'])))
    with open(tmp_path / 'results.pkl', 'wb') as file:
        pickle.dump(predictions, file)
    return str(tmp_path / 'config.py'), str(tmp_path / 'results.pkl')


@pytest.mark.parametrize('tool, arguments, written', [
    ('analyze_results', ['out', '--topk', '1', '--cfg-options', 'train_dataloader.dataset.type=MultiImageMixDataset'],
     'out/good/*'),
    ('confusion_matrix', ['out'], 'out/confusion_matrix.png'),
    ('eval_metric', [], ''),
])
def test_tools_of_mmdet_read_our_data_sets(tool, arguments, written, results, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [tool, *results, *arguments])
    runpy.run_path(str(ANALYSIS / f'{tool}.py'), run_name='__main__')
    if written:
        assert [*tmp_path.glob(written)]
    else:
        assert "'coco/bbox_mAP': 1.0" in capfd.readouterr().out
