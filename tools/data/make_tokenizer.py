"""Train a tokenizer for a text encoder of one's own, where RoBERTa's is not wanted or cannot be had.

    python tools/data/make_tokenizer.py --texts data/shapes/annotations/grounding_train.json --vocab-size 1000 \\
        --out data/text/shapes

In a config: text_encoder=dict(type='RobertaTextEncoder', name='data/text/shapes', pretrained=False). The same texts
give the same files.
"""
import argparse
from pathlib import Path

from mmdet_ext.annotations.text_files import read_texts
from mmdet_ext.command_line import run
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--texts', type=Path, nargs='+', required=True, metavar='FILE',
                        help="grounding annotations (json: 'images' with 'caption'), COCO captions, or plain texts, "
                        'one on a line; equal texts count once')
    parser.add_argument('--vocab-size', type=int, required=True, metavar='N',
                        help='number of tokens at most, 261 or more')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER',
                        help='new folder for the tokenizer and the config of a small RoBERTa')
    parser.add_argument('--layers', type=int, metavar='N', default=2, help='of that RoBERTa (default: %(default)s)')
    parser.add_argument('--hidden-size', type=int, metavar='N', default=128, help='its width (default: %(default)s)')
    parser.add_argument('--heads', type=int, metavar='N', default=4, help='of its attention (default: %(default)s)')
    parser.add_argument('--dropout', type=float, default=0.1, help='in its layers (default: %(default)s)')
    args = parser.parse_args()
    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise ValueError(f'--out {args.out} is there already: give a new folder')
    texts = [text.text for text in read_texts(args.texts)]
    tokenizer = train_tokenizer(texts, args.vocab_size)
    save_encoder_folder(tokenizer, args.out, layers=args.layers, hidden_size=args.hidden_size, heads=args.heads,
                        dropout=args.dropout)
    longest = max(map(len, tokenizer(texts, verbose=False)['input_ids']))
    print(f'{args.out}: a tokenizer of {len(tokenizer)} tokens from {len(texts)} texts, the longest of {longest} '
          f'tokens, and the config of a RoBERTa of {args.layers} layers, {args.hidden_size} wide')


if __name__ == '__main__':
    run(main, interrupted='interrupted, the folder may be incomplete')
