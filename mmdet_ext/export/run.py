"""Export a detector: make its graph, write it, check and time it against the detector, and only then put it in place.
"""
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config

from ..exported import ExportedPredictor
from ..exported.evaluation import evaluate_exported
from ..exported.metadata import Metadata
from ..files import check_writable
from ..launch import load_config
from ..models.dense_heads.postprocess import to_original_image
from ..predict import Predictor
from ..predict.loading import load_model, read_config
from .check import TOLERANCES, agrees, difference, time_against_eager
from .describe import describe
from .engine import build_engine, trtexec_command
from .graph import DetectorGraph, GraphOptions
from .half import to_half
from .images import calibration_images, check_image
from .nms import rules_of
from .quantize import to_int8
from .systems import graph_class
from .unpaired import Choice
from .write import OPSET, save_json, save_onnx, save_openvino, save_torchscript, to_onnx

SUFFIXES = dict(onnx='.onnx', openvino='_openvino', torchscript='.torchscript', engine='.engine')
SIDE = 640  # of the example of a graph whose size is dynamic


@dataclass(frozen=True)
class Job:
    """What to export and how; see `tools/export.py --help`."""
    config: str
    checkpoint: str
    format: str = 'onnx'
    out: Path | None = None
    options: GraphOptions = field(default_factory=GraphOptions)
    precision: str = 'fp32'
    calibration: Path | None = None
    image: str | None = None
    opset: int = OPSET
    evaluate: bool = False
    cfg_options: dict | None = None

    @property
    def file(self) -> Path:
        """The file, or for OpenVINO the folder, that is written."""
        return self.out or Path(self.checkpoint).with_name(Path(self.checkpoint).stem + SUFFIXES[self.format])


def export(job: Job) -> Path:
    """Write the file of a job, or nothing at all if it does not agree with the detector.

    Returns:
        The file; for an engine without TensorRT the ONNX file that it is built from.

    Raises:
        OSError: A file is missing or cannot be written.
        ValueError: Arguments do not fit together, the detector cannot be exported, or its file disagrees with it.
        ImportError: A library is missing; names the extra that brings it.
    """
    _check(job)
    cfg, graph_type, options = _adapted(job)
    eager = Predictor(cfg, job.checkpoint, 'cpu')
    graph = graph_type.from_model(eager.model, cfg, options)
    size = options.image_size or _input_size(eager)
    metadata = describe(graph, eager.model, cfg, options, size, job.precision)
    out = job.file
    check_writable(out.parent)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}.') as folder:
        staged = Path(folder, out.name)
        print(f'{job.format}: {", ".join(graph.input_names)} '
              f'({"B" if options.dynamic_batch else options.batch_size}, 3, '
              f'{"H, W" if options.dynamic_size else f"{size[0]}, {size[1]}"}) -> {", ".join(graph.output_names)}')
        file = _write(job, graph, metadata, options, size, staged, cfg)
        graph.write_beside(file)
        if file.suffix != '.engine' or torch.cuda.is_available():
            _compare(job, cfg, eager, ExportedPredictor(file), options)
        for path in sorted(Path(folder).iterdir()):
            _put(path, out.parent / path.name)
    print(f'wrote {out.parent / file.relative_to(folder)}' if file.parent == Path(folder) else f'wrote {out}')
    if job.format == 'engine' and file.suffix == '.onnx':
        command = trtexec_command(out.parent / file.name, out, metadata, options, graph)
        raise ImportError(f'tensorrt is not installed here, so the engine is not built: on the machine that is to run '
                          f'it, with TensorRT installed, run\n{command}\nand keep {out.with_suffix(".json")} beside it')
    return out


def _check(job: Job) -> None:
    if job.precision == 'fp16' and job.format == 'torchscript':
        raise ValueError('--half: a TorchScript file is written in fp32; onnx, openvino and engine have fp16')
    if job.precision == 'int8' and job.format in ('torchscript', 'engine'):
        raise ValueError(f'--int8: {job.format} is not written in 8 bits, onnx and openvino are')
    if job.options.batch_size < 1:
        raise ValueError(f'--batch-size should be at least 1, got {job.options.batch_size}')
    if not job.options.decode and job.format == 'engine':
        raise ValueError('--no-decode: an engine needs decoded boxes')
    if job.out is not None and job.format != 'openvino' and job.out.suffix != SUFFIXES[job.format]:
        raise ValueError(f'--out of the format {job.format} should end in {SUFFIXES[job.format]}, got {job.out}')


def _adapted(job: Job) -> tuple[Config, type[DetectorGraph], GraphOptions]:
    """The config changed as the options say, the kind of graph, and the options with what it makes of them."""
    cfg = read_config(load_config(job.config, options=job.cfg_options))
    graph_type = graph_class(load_model(cfg, job.checkpoint, torch.device('cpu'), deployed=False))
    options = job.options
    if graph_type.dynamic_by_default and options.image_size is None:
        options = replace(options, dynamic_size=True)
    return graph_type.adapt(cfg, options), graph_type, options


def _input_size(eager: Predictor) -> tuple[int, int]:
    """(height, width) that the detector gets for a square image."""
    images, _ = eager.collate([eager.prepare(np.zeros((SIDE, SIDE, 3), np.uint8), 'a' if _takes_text(eager) else None)])
    return tuple(images.shape[-2:])


def _takes_text(eager: Predictor) -> bool:
    try:
        eager._texts(None, 1)
    except ValueError:
        return True
    return False


def _write(job: Job, graph: DetectorGraph, metadata: Metadata, options: GraphOptions, size: tuple[int, int],
           staged: Path, cfg: Config) -> Path:
    """Write the staged file; returns it, or for an engine without TensorRT the ONNX file in its place."""
    if job.format == 'torchscript':
        save_torchscript(graph, replace(metadata, batch_size=None), size, staged)
        return staged
    model = to_onnx(graph, options, size, job.opset)
    print(f'ONNX graph: {len(model.graph.node)} nodes, opset {job.opset}')
    if job.precision == 'fp16' and job.format == 'onnx':
        model = to_half(model)
    elif job.precision == 'int8':
        model = to_int8(model, _batches(job, cfg, metadata, staged, model))
    if job.format == 'openvino':
        staged.mkdir()
        file = staged / f'{staged.name.removesuffix("_openvino")}.xml'
        save_openvino(model, metadata, file)
        return file
    if job.format == 'onnx':
        save_onnx(model, metadata, staged)
        return staged
    file = staged.with_suffix('.onnx')
    save_onnx(model, metadata, file)
    save_json(metadata, staged)
    return build_engine(file, staged, metadata, options, graph)


def _batches(job: Job, cfg: Config, metadata: Metadata, staged: Path, model: object) -> Iterator[dict[str, np.ndarray]]:
    """The inputs of the calibration images."""
    file = staged.with_name('calibration.onnx')
    save_onnx(model, metadata, file)
    predictor = ExportedPredictor(file)
    file.unlink()
    paths = calibration_images(cfg, job.calibration)
    print(f'calibrate with {len(paths)} images from {Path(paths[0]).parent}')
    count = metadata.batch_size or 1
    for start in range(0, len(paths) - count + 1, count):
        images, samples = predictor.collate([predictor.prepare(path) for path in paths[start:start + count]])
        yield predictor.system.feeds(metadata, images, samples)


def _compare(job: Job, cfg: Config, eager: Predictor, exported: ExportedPredictor, options: GraphOptions) -> None:
    """Print differences, times and, if asked, AP of the detector and the file.

    Raises:
        ValueError: They differ more than the number format explains.
    """
    image, name = (job.image, job.image) if job.image else check_image(cfg)
    eager_text = options.text or ('a red circle' if _takes_text(eager) else None)
    file_text = None if exported.takes_no_text else eager_text
    first, second = eager(image, eager_text), exported(image, file_text)
    result = difference(first, second, job.precision, _choice(exported, eager, image, eager_text))
    print(f'check on {name}: {len(first)} detections of the detector, {len(second)} of the file, {result.pairs} pairs, '
          f'{result.alone} without a pair, {result.unexplained} of them without a reason; '
          f'largest difference {result.boxes:.2g} px and {result.scores:.2g} of a score')
    if job.precision != 'int8' and not agrees(result, job.precision):
        pixels, score = TOLERANCES[job.precision]
        raise ValueError(f'the file does not agree with the detector (allowed: {pixels} px, {score} of a score, and '
                         'no detection without a pair but for a tie or a threshold): nothing was written')
    if not len(first):
        print('warning: the detector finds nothing in this image, so the check says little: give --check-image')
    trained = Predictor(cfg, job.checkpoint, 'cpu', deployed=False) if getattr(eager.model, 'deployed', False) else None
    times = time_against_eager(eager, exported, image, eager_text, file_text, trained=trained)
    threads = torch.get_num_threads()
    print(f'time for this image, {threads} thread{"s" * (threads > 1)}: '
          + ', '.join(f'{form} {value:.1f} ms' for form, value in times.items()))
    print(f'the file takes {times["file"] / times["eager"]:.2f} of eager' +
          (f', and {times["file"] / times["as trained"]:.2f} of eager as trained' if trained else ''))
    if job.evaluate or job.precision == 'int8':
        _evaluate(job, cfg, eager, exported)


def _choice(exported: ExportedPredictor, eager: Predictor, image: str | np.ndarray, text: str | None) -> Choice:
    """How the detector and the file choose detections, for the comparison."""
    metadata = exported.metadata
    if metadata.system != 'yolov9':
        return Choice(most=eager.cfg.model.get('test_cfg', {}).get('max_per_img'))
    rules = rules_of(metadata.test_cfg)
    inputs, (sample, ) = eager.collate([eager.prepare(image, text)])
    with torch.inference_mode():
        predictions = eager.model.bbox_head.predictions(*eager.model(inputs, mode='tensor'))
        boxes = to_original_image(predictions.boxes()[0].mT, sample.metainfo)
        scores = predictions.class_logits[0].mT.sigmoid()
    return Choice(rules, rules.max_per_img, 1 / max(sample.scale_factor[:2]), boxes.numpy(), scores.numpy())


def _evaluate(job: Job, cfg: Config, eager: Predictor, exported: ExportedPredictor) -> None:
    try:
        before = evaluate_exported(cfg, eager, quiet=True)
    except (OSError, ValueError) as error:
        if job.evaluate:
            raise
        print(f'warning: no AP before and after, because the validation data cannot be read: {error}')
        return
    after = evaluate_exported(cfg, exported, quiet=True)
    print(f'{"on the validation data":32}{"detector":>10}{"file":>10}')
    for key, value in before.items():
        print(f'{key:32}{value:10.4f}{after[key]:10.4f}')


def _put(path: Path, target: Path) -> None:
    """Move a file or folder to its place, over what is there."""
    if not path.is_dir():
        path.replace(target)
        return
    old = target.with_name(f'.{target.name}.old')
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    path.rename(target)
    shutil.rmtree(old, ignore_errors=True)
