"""Build RoBERTa (https://arxiv.org/abs/1907.11692) with transformers."""
from typing import TYPE_CHECKING, Any

from ...text.hub import load_files
from ...text.tokenizer_training import PUBLISHED

if TYPE_CHECKING:
    from transformers import RobertaConfig, RobertaModel

def build_language_model(name: str, *, pretrained: bool, config: dict[str, Any] | None) -> 'RobertaModel':
    """RoBERTa without a head, in float32, with the pooler; see `RobertaTextEncoder` for the arguments.

    Raises:
        OSError: Its config or weights are not on the disk and cannot be downloaded.
        ValueError: They are of another model or incomplete, or `config` has a wrong value.
    """
    from transformers import AutoConfig, RobertaModel  # only here: other detectors need no transformers

    if config is not None:
        if pretrained:
            raise ValueError(f'config={config} makes a model of random weights: it needs pretrained=False')
        return RobertaModel(_roberta_config(config))
    roberta = load_files(AutoConfig.from_pretrained, name, argument='name', what='config')
    if roberta.model_type != 'roberta':
        raise ValueError(f'name={name} is a model of type {roberta.model_type}, should be roberta')
    return _load_weights(name, roberta) if pretrained else RobertaModel(roberta)


def longest_caption(config: 'RobertaConfig') -> int:
    """The largest number of tokens of a caption. The model's positions are counted from the padding token's id + 1."""
    return config.max_position_embeddings - config.pad_token_id - 1


def _roberta_config(config: dict[str, Any]) -> 'RobertaConfig':
    from transformers import RobertaConfig

    unknown = sorted(set(config) - set(RobertaConfig().to_dict()))
    if unknown:
        raise ValueError(f'config: RobertaConfig has no {", ".join(unknown)}')
    return RobertaConfig(**{**PUBLISHED, **config})


def _load_weights(name: str, config: 'RobertaConfig') -> 'RobertaModel':
    from transformers import RobertaModel

    def load(name: str, **options: Any) -> 'tuple[RobertaModel, dict[str, Any]]':
        return RobertaModel.from_pretrained(name, config=config, output_loading_info=True, **options)

    model, info = load_files(load, name, argument='name', what='weights (or set pretrained=False)')
    missing = sorted(key for key in info['missing_keys'] if 'pooler' not in key)  # trained with MDETR only
    if missing:
        raise ValueError(f'name={name} lacks {len(missing)} weights of RobertaModel: {", ".join(missing[:3])}')
    # transformers 5 gives the files' precision unless it is told one, by an argument that transformers 4 does not know
    return model.float()
