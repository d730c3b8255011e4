"""The figures of one image put together: which position, which atoms, which files."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdet_ext.models.layers import RetrieverDictionary

from .atoms import correlations, folded_atoms, select_atoms
from .capture import Capture
from .maps import draw_coefficient_maps, draw_features
from .query_figure import Query, draw_query
from .provenance import Provenance


@dataclass(frozen=True)
class Choice:
    """Which atoms to look at: those named, or as `select_atoms` chooses.

    Args:
        show: Numbers of atoms; None to choose by the position.
        top: Related and unrelated atoms to choose.
        folded: Whether to correlate also with the folded atoms, and to choose by that.
    """
    show: Sequence[int] | None = None
    top: int = 3
    folded: bool = False


def check_numbers(show: Sequence[int], rd: RetrieverDictionary) -> None:
    """Raise a ValueError if `show` names an atom that the dictionary has not."""
    unknown = [index for index in show if index not in range(rd.num_atoms)]
    if unknown:
        raise ValueError(f'the dictionary has atoms 0..{rd.num_atoms - 1}, got {", ".join(map(str, unknown))}')


def query_at(capture: Capture, rd: RetrieverDictionary, point: tuple[float, float], choice: Choice,
             provenance: Provenance) -> Query:
    """Correlations and coefficients at a position, and the atoms to look at.

    Raises:
        ValueError: If the point (x, y), in pixels of the image, is outside of it.
    """
    row, column = capture.grid.cell_at(*point)
    feature, coefficients = capture.before[:, row, column], capture.coefficients[:, row, column]
    cosines = dict(atom=correlations(feature, rd.atoms.detach().cpu().float()))
    if choice.folded:
        cosines['folded atom'] = correlations(feature, folded_atoms(rd).cpu().float())
    if choice.show is None:
        related_by = None if provenance.foreign else list(cosines.values())[-1]
        selection = select_atoms(coefficients, related_by, choice.top)
        groups = {'related atoms': selection.related, 'unrelated atoms': selection.unrelated}
    else:
        groups = {'chosen atoms': list(choice.show)}
    return Query(point, (row, column), cosines, coefficients, groups, _notes(choice, provenance))


def _notes(choice: Choice, provenance: Provenance) -> list[str]:
    notes = [provenance.note]
    if provenance.foreign:
        notes.append(f'The atoms were made from {provenance.foreign}: their correlations with features of the detector '
                     'mean nothing, only the coefficients do.')
    if choice.show is None:
        product = "coefficient c'" if provenance.foreign else "product of correlation and coefficient c'"
        notes.append(f"Related atoms: the highest {product}. Unrelated atoms: c' nearest to 0"
                     f'{"" if provenance.foreign else ", among the half of least correlation"}.')
    return notes


def draw_report(capture: Capture, rd: RetrieverDictionary, out: Path, name: str, *, choice: Choice,
                provenance: Provenance, at: tuple[float, float] | None = None, measure: str = 'norm') -> None:
    """Write the figures of one capture: `out`/NAME_atoms.png, NAME_maps.png and NAME_features.png.

    Args:
        capture: The image and what the dictionary did with it.
        rd: The dictionary.
        out: Folder.
        name: What the files' names begin with.
        choice: Which atoms.
        provenance: Their samples.
        at: (x, y) in pixels of the image; by default `Capture.best_centre`.
        measure: See `maps.summarise`.
    """
    query = query_at(capture, rd, at or capture.best_centre(), choice, provenance)
    draw_query(capture, query, provenance.nearest, out / f'{name}_atoms.png')
    shown = [index for group in query.groups.values() for index in group]
    draw_coefficient_maps(capture, shown, out / f'{name}_maps.png', point=query.point)
    draw_features(capture, out / f'{name}_features.png', measure)
