"""The options of Retriever-Dictionaries inside a model's config."""
from typing import Any

from mmdet_ext.models.layers import load_atoms


def rd_options(node: Any) -> list[dict]:
    """Every dict of `RetrieverDictionary`'s options below `node`: what stands under a key `rd`, or is an `RDNeck`."""
    if isinstance(node, (list, tuple)):
        return [options for child in node for options in rd_options(child)]
    if not isinstance(node, dict):
        return []
    found = [node] if node.get('type') == 'RDNeck' else []
    for key, child in node.items():
        found += [child] if key == 'rd' and isinstance(child, dict) else rd_options(child)
    return found


def forget_atoms_files(model_cfg: dict) -> None:
    """Edit a model's config so that it builds without the atoms files it began from, for a checkpoint that holds them."""
    for options in rd_options(model_cfg):
        atoms = options.pop('atoms', None)
        if atoms is not None and 'num_atoms' not in options:
            options['num_atoms'] = len(load_atoms(atoms).vectors)
        options.pop('init_g', None)
