"""What differs between transformers 4 and 5 for text models. Everything else is written so that both take it."""
from packaging.version import Version


def takes_masks_of_heads() -> bool:
    """Whether BERT and RoBERTa take attention masks with an axis for the heads, (B, 1, Q, K), as of transformers 5.

    Those of transformers 4 take (B, K) and (B, Q, K), of which 5 takes the first only.
    """
    from transformers import __version__  # only here: most detectors need no transformers

    return Version(__version__) >= Version('5.0.0.dev0')
