"""Write a detector as a file for other programs, checked and timed against the detector itself.

    python tools/export.py CONFIG CHECKPOINT --format onnx|openvino|torchscript|engine
"""
import argparse
from pathlib import Path

from mmdet_ext.config_options import ConfigOptions

from mmdet_ext.command_line import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config of the detector')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='its checkpoint')
    parser.add_argument('--format', choices=('onnx', 'openvino', 'torchscript', 'engine'), default='onnx',
                        help='kind of file (default: onnx); engine is TensorRT')
    parser.add_argument('--out', type=Path, metavar='FILE',
                        help='file to write, a folder for openvino (default: the name of the checkpoint beside it)')
    parser.add_argument('--image-size', type=int, nargs='+', metavar='PIXELS',
                        help='side, or height and width, of images (default: the config\'s)')
    parser.add_argument('--batch-size', type=int, metavar='N', default=1,
                        help='number of images of a call (default: 1)')
    parser.add_argument('--dynamic-batch', action='store_true', help='any number of images')
    parser.add_argument('--dynamic-size', action='store_true',
                        help='images of any size, multiples of the stride; --image-size is what they are scaled to')
    parser.add_argument('--no-nms', action='store_true', help='leave NMS out: all boxes and scores')
    parser.add_argument('--no-decode', action='store_true', help='leave decoding and NMS out: the raw maps')
    parser.add_argument('--score-thr', type=float, help='least score of a detection (default: test_cfg\'s)')
    parser.add_argument('--iou-thr', type=float, help='overlap above which NMS drops a box (default: test_cfg\'s)')
    parser.add_argument('--max-per-img', type=int, metavar='N',
                        help='largest number of detections (default: test_cfg\'s)')
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument('--half', action='store_true', help='fp16 network')
    precision.add_argument('--int8', action='store_true',
                           help='network in 8 bits, calibrated on training images; prints AP before and after')
    parser.add_argument('--calibration', type=Path, metavar='FOLDER',
                        help='images to calibrate with, in place of the config\'s training images')
    parser.add_argument('--check-image', metavar='IMAGE',
                        help='image to check with (default: one of the config\'s test set, else a drawn one)')
    parser.add_argument('--evaluate', action='store_true', help='print the AP of detector and file on the config\'s '
                        'validation data')
    parser.add_argument('--text', help='MDETR: the caption, encoded once, so that the file takes images alone')
    parser.add_argument('--opset', type=int, metavar='N', default=17, help='version of ONNX\'s operators (default: 17)')
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help="values that replace the config's")
    args = parser.parse_args()
    if args.image_size is not None and not 1 <= len(args.image_size) <= 2:
        parser.error(f'--image-size takes one or two numbers, got {len(args.image_size)}')
    return args


def main() -> None:
    args = parse_args()

    # only now, so that --help is quick
    from mmdet.utils import register_all_modules

    from mmdet_ext.export.graph import GraphOptions
    from mmdet_ext.export.run import Job, export

    register_all_modules(init_default_scope=True)
    size = args.image_size and (args.image_size[0], args.image_size[-1])
    options = GraphOptions(size, args.dynamic_batch, args.dynamic_size, args.batch_size,
                           nms=not (args.no_nms or args.no_decode), decode=not args.no_decode,
                           score_thr=args.score_thr, iou_thr=args.iou_thr, max_per_img=args.max_per_img, text=args.text)
    precision = 'fp16' if args.half else 'int8' if args.int8 else 'fp32'
    export(Job(args.config, args.checkpoint, args.format, args.out, options, precision, args.calibration,
               args.check_image, args.opset, args.evaluate, args.cfg_options))


if __name__ == '__main__':
    run(main, interrupted='interrupted, nothing was written')
