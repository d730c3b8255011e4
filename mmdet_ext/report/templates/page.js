'use strict';
// On a narrow page the contents are folded.
if (matchMedia('(max-width: 700px)').matches) document.querySelector('nav details').open = false;

// A figure is shown as large as the window, and in its own pixels after another click.
const dialog = document.querySelector('dialog'), shown = dialog.querySelector('img');
for (const button of document.querySelectorAll('.zoom')) {
  button.addEventListener('click', () => {
    const image = button.querySelector('img');
    shown.src = image.src;
    shown.alt = image.alt;
    shown.className = '';
    dialog.showModal();
  });
}
shown.addEventListener('click', () => shown.classList.toggle('full'));

// A click on a heading sorts a table by its column: numbers largest first, words from A; a second click turns it over.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
for (const heading of document.querySelectorAll('th')) {
  heading.firstElementChild.addEventListener('click', () => {
    const body = heading.closest('table').tBodies[0], rows = [...body.rows], column = heading.cellIndex;
    const numeric = rows.some(row => row.cells[column].dataset.value !== undefined);
    const before = heading.getAttribute('aria-sort');
    const descending = before ? before === 'ascending' : numeric;
    for (const other of heading.parentElement.cells) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const missing = row => numeric && row.cells[column].dataset.value === undefined;
    rows.sort((one, two) => {
      if (missing(one) || missing(two)) return missing(one) - missing(two);
      const a = valueOf(one, column), b = valueOf(two, column);
      const order = numeric ? a - b : a.localeCompare(b);
      return descending ? -order : order;
    });
    body.append(...rows);
  });
}
