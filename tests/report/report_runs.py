"""Logs of trainings that were written by hand."""
import json
from pathlib import Path

# of three epochs of four iterations; the second start resumes after epoch 2
STARTS = {'20260101_100000': (1, 12), '20260101_110000': (9, 12)}
AP = {1: 0.1, 2: 0.3, 3: 0.2}


def write_logs(folder: Path, starts: dict[str, tuple[int, int]], by_epoch: bool = True) -> None:
    """Logs as mmengine writes them, a file for each start, of its first to its last iteration, 4 an epoch."""
    for number, (time, (first, last)) in enumerate(starts.items()):
        rows = []
        for step in range(first, last + 1):
            epoch = (step - 1) // 4 + 1
            row = dict(lr=0.01 / step, base_lr=0.01, loss=10. / step + number, loss_cls=4. / step, loss_bbox=6.,
                       grad_norm=float('nan'), time=0.5, data_time=0.1, iter=step, step=step)
            rows.append(row | (dict(epoch=epoch) if by_epoch else {}))
            if step % 4 == 0:
                rows.append({'coco/bbox_mAP': AP[epoch], 'coco/bbox_mAP_50': 2 * AP[epoch], 'coco/bbox_mAP_l': -1,
                             'time': 0.1, 'data_time': 0.1, 'step': epoch if by_epoch else 0})
        path = folder / time / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(''.join(f'{json.dumps(row)}\n' for row in rows))
