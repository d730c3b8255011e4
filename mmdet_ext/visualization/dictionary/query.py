"""Which atoms a position of an image is made of: figure 4 of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from mmdet_ext.models.layers import RetrieverDictionary

from ..style import BLUE, GREY, INK, LARGE, NORMAL, PALE, SMALL, VERMILLION, outline, plain, save, tidy
from .capture import Capture
from .samples import ROW, draw_rows
from .training_set import SAMPLES, Provenance

_WIDTH, _PLOTS = 12.6, 4.1  # inches


@dataclass
class Query:
    """A position of an image, and what its feature has to do with the atoms.

    Args:
        point: (x, y) in pixels of the image.
        cell: (row, column) of the feature there.
        correlations: (N, ) cosine with the atoms, by what it is compared with ('atom', 'folded atom'); the last is
            what the scatter plot shows.
        coefficients: (N, ) c' there.
        groups: Numbers of the atoms to show, by title: one or two groups, drawn in vermillion and in blue.
        notes: Sentences to stand above the figure.
    """
    point: tuple[float, float]
    cell: tuple[int, int]
    correlations: Mapping[str, Tensor]
    coefficients: Tensor
    groups: Mapping[str, Sequence[int]]
    notes: Sequence[str] = ()


def query_at(capture: Capture, rd: RetrieverDictionary, point: tuple[float, float], provenance: Provenance, *,
             show: Sequence[int] | None = None, top: int = 3, folded: bool = False) -> Query:
    """Correlations and coefficients at a position, and the atoms to look at.

    Args:
        capture: The image and what the dictionary did with it.
        rd: The dictionary.
        point: (x, y) in pixels of the image; ValueError if it is outside of it.
        provenance: Where the atoms come from.
        show: Numbers of the atoms to look at; None for the `top` of each kind that `select_atoms` chooses.
        folded: Whether to correlate also with the folded atoms, and to choose by that.
    """
    row, column = capture.grid.cell_at(*point)
    feature, coefficients = capture.before[:, row, column], capture.coefficients[:, row, column]
    cosines = dict(atom=correlations(feature, rd.atoms.detach().cpu().float()))
    if folded:
        cosines['folded atom'] = correlations(feature, folded_atoms(rd).cpu().float())
    notes = [provenance.note]
    if provenance.foreign:
        notes.append(f'The atoms were made from {provenance.foreign}: their correlations with features of the detector '
                     'mean nothing, only the coefficients do.')
    if show is not None:
        groups = {'chosen atoms': list(show)}
    elif provenance.foreign:
        groups = select_atoms(coefficients, None, top)
        notes.append("Related atoms: the highest coefficient c'. Unrelated atoms: c' nearest to 0.")
    else:
        groups = select_atoms(coefficients, list(cosines.values())[-1], top)
        notes.append("Related atoms: the highest product of correlation and coefficient c'. Unrelated atoms: c' "
                     'nearest to 0, among the half of least correlation.')
    return Query(point, (row, column), cosines, coefficients, groups, notes)


def correlations(feature: Tensor, atoms: Tensor) -> Tensor:
    """Cosines of one feature (C, ) with the atoms (N, C): (N, )."""
    return F.cosine_similarity(feature[None], atoms, dim=1)


@torch.no_grad()
def folded_atoms(rd: RetrieverDictionary) -> Tensor:
    """(N, C): the atoms with D's batch norm folded into them, without its constant vector."""
    if not rd.dictionary.with_norm:
        return rd.atoms
    norm = rd.dictionary.norm
    return rd.atoms * (norm.weight / (norm.running_var + norm.eps).sqrt())


def select_atoms(coefficients: Tensor, cosines: Tensor | None, count: int) -> dict[str, list[int]]:
    """Numbers of `count` 'related atoms' and as many 'unrelated atoms', as the paper's figure 4 has them.

    Related are those with the highest product of correlation and coefficient, both positive. Unrelated are those with
    the smallest magnitude of coefficient among the half whose correlation is the smallest in magnitude.

    Args:
        coefficients: (N, ) c' at a position.
        cosines: (N, ) correlations there; None if they mean nothing, and the coefficients alone decide.
        count: Atoms of each kind at most.
    """
    score, candidates = coefficients.clamp(min=0), torch.arange(len(coefficients))
    if cosines is not None:
        score = score * cosines.clamp(min=0)
        candidates = cosines.abs().argsort(stable=True)[:max(1, len(coefficients) // 2)]
    related = [index for index in score.argsort(descending=True, stable=True)[:count].tolist() if score[index] > 0]
    order = candidates[coefficients[candidates].abs().argsort(stable=True)]
    unrelated = [index for index in order.tolist() if index not in related][:count]
    return {'related atoms': related, 'unrelated atoms': unrelated}


def draw_query(capture: Capture, query: Query, nearest: Sequence[Sequence[dict[str, Any]]] | None,
               path: str | os.PathLike) -> None:
    """Write one PNG: a position, its correlations and coefficients, and samples of the atoms in question.

    `nearest` is that of a `Provenance`; None leaves the samples out.
    """
    blocks = _blocks(query.groups)
    rows = max(len(group) for _, _, group in blocks) if nearest is not None else 0
    head = 0.5 + 0.17 * len(query.notes)
    heights = [head, _PLOTS, *([0.35 + rows * ROW] if rows else [])]
    figure = Figure((_WIDTH, sum(heights)))
    parts = figure.subfigures(len(heights), height_ratios=heights)
    (x, y), (row, column) = query.point, query.cell
    title = f'{capture.path.name}: atoms at x = {x:.0f}, y = {y:.0f} (cell: row {row}, column {column})'
    parts[0].text(0.012, 1 - 0.22 / head, title, fontsize=LARGE + 1.5, color=INK, va='center', parse_math=False)
    parts[0].text(0.012, 1 - 0.36 / head, '\n'.join(query.notes), fontsize=NORMAL, color=INK, va='top',
                  parse_math=False)
    series = {f'cos(x, {name} i)': values for name, values in query.correlations.items()}
    series["coefficient c'$_i$"] = query.coefficients
    panels = parts[1].subplot_mosaic(
        [['image', name, 'scatter'] for name in series], width_ratios=(3.6, 4.2, 3.1),
        gridspec_kw=dict(left=0.012, right=0.985, bottom=0.12, top=0.92, wspace=0.2, hspace=0.12))
    _draw_image(panels['image'], capture, query)
    for name, values in series.items():
        _draw_series(panels[name], name, values, query.groups)
        panels[name].tick_params(labelbottom=name == list(series)[-1])
    panels[list(series)[-1]].set_xlabel('atom i', fontsize=NORMAL, color=INK)
    _draw_scatter(panels['scatter'], query)
    if rows:
        for part, block in zip(parts[2].subfigures(1, 2), blocks):
            _draw_group(part, query, nearest, *block, rows)
    save(figure, path)


def _draw_image(axes: Axes, capture: Capture, query: Query) -> None:
    plain(axes).imshow(capture.image, interpolation='bilinear')
    axes.set_anchor('N')
    height, width = capture.grid.size
    # a cell may be a few pixels of a large image
    outline(axes, capture.grid.box_of(*query.cell), width=1.6, least=max(height, width) / 40)
    axes.set(xlim=(0, width), ylim=(height, 0))


def _draw_series(axes: Axes, name: str, values: Tensor, groups: Mapping[str, Sequence[int]]) -> None:
    axes.vlines(range(len(values)), 0, values.numpy(), color=GREY, linewidth=max(0.4, min(2.0, 200 / len(values))))
    for color, group in zip((VERMILLION, BLUE), map(list, groups.values())):
        axes.vlines(group, 0, values[group].numpy(), color=color, linewidth=1.4)
        axes.plot(group, values[group].numpy(), 'o', color=color, markersize=3.5)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_ylabel(name, fontsize=NORMAL, color=INK)
    axes.set_xlim(-1, len(values))
    axes.margins(y=0.1)
    tidy(axes)


def _draw_scatter(axes: Axes, query: Query) -> None:
    name, values = list(query.correlations.items())[-1]
    axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.plot(values.numpy(), query.coefficients.numpy(), 'o', color=GREY, markersize=3, markeredgewidth=0, alpha=0.7)
    for color, marker, (title, group) in zip((VERMILLION, BLUE), 'o^', query.groups.items()):
        axes.plot(values[list(group)].numpy(), query.coefficients[list(group)].numpy(), marker, color=color,
                  markersize=5.5, label=title)
    axes.set_xlabel(f'cos(x, {name} i)', fontsize=NORMAL, color=INK)
    axes.set_ylabel("coefficient c'$_i$", fontsize=NORMAL, color=INK)
    tidy(axes).legend(fontsize=SMALL, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2, frameon=False,
                      handletextpad=0.3, columnspacing=1)


def _draw_group(figure: SubFigure, query: Query, nearest: Sequence[Sequence[dict[str, Any]]], color: str, title: str,
                group: Sequence[int], rows: int) -> None:
    figure.text(0.024, 1 - 0.15 / (0.35 + rows * ROW), title, fontsize=LARGE, color=color, va='center')
    values = list(query.correlations.values())[-1]
    labels = [(f'atom {index}', f'cos {values[index]:z.2f}', f"c' {query.coefficients[index]:z.2f}")
              for index in group]  # z: no -0.00
    missing = rows - len(group)
    draw_rows(figure, labels + [()] * missing, [nearest[index] for index in group] + [()] * missing, SAMPLES,
              top=rows * ROW / (0.35 + rows * ROW), left=0.024)


def _blocks(groups: Mapping[str, Sequence[int]]) -> list[tuple[str, str, Sequence[int]]]:
    """Colour, title and atoms of the left and of the right half: two groups, or one group in two halves."""
    if len(groups) == 2:
        return [(color, title, group) for color, (title, group) in zip((VERMILLION, BLUE), groups.items(), strict=True)]
    (title, group), = groups.items()
    middle = -(-len(group) // 2)
    return [(VERMILLION, title, group[:middle]), (VERMILLION, '', group[middle:])]
