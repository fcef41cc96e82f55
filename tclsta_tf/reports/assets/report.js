// What the report does beyond standing there: sorts tables and filters lists.
// No library, no network. Without this script everything can still be read.
(() => {
  'use strict';

  const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

  // --- Tables: a click on a header sorts; the third click brings back the order of the report. ---

  function makeSortable(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const words = header.classList.contains('words');
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener('click', () => {
        // Numbers are mostly looked through from the largest down, words from A to Z.
        const directions = words ? ['ascending', 'descending', null] : ['descending', 'ascending', null];
        const current = header.getAttribute('aria-sort');
        const direction = current === null ? directions[0] : directions[directions.indexOf(current) + 1];
        headers.forEach((other) => other.removeAttribute('aria-sort'));
        if (direction !== null) header.setAttribute('aria-sort', direction);
        body.append(...(direction === null ? rows : sorted(rows, column, words, direction)));
      });
    });
  }

  function sorted(rows, column, words, direction) {
    const sign = direction === 'ascending' ? 1 : -1;
    const keyed = rows.map((row) => {
      const text = row.cells[column].textContent.trim();
      return { row, text, number: parseFloat(text) };
    });
    keyed.sort((a, b) => {
      if (words) return sign * collator.compare(a.text, b.text);
      const absent = Number.isNaN(a.number) - Number.isNaN(b.number); // dashes last, whatever the direction
      return absent || (Number.isNaN(a.number) ? 0 : sign * (a.number - b.number));
    });
    return keyed.map((entry) => entry.row);
  }

  // --- Filters: rows of a table or cards of a list. ---

  function makeFilter(box) {
    const tools = box.querySelector('.tools');
    const [search, choice, output] = ['input', 'select', 'output'].map((name) => tools.querySelector(name));
    const items = [...box.querySelectorAll('tbody tr, [data-text]')].map((element) => ({
      element,
      kind: element.dataset.kind,
      text: (element.dataset.text ?? element.cells[0].textContent).toLowerCase(),
    }));
    const update = () => {
      const wanted = search.value.trim().toLowerCase();
      let count = 0;
      for (const { element, kind, text } of items) {
        const shown = text.includes(wanted) && (!choice || choice.value === '' || choice.value === kind);
        element.hidden = !shown;
        count += shown;
      }
      output.textContent = `${count} of ${items.length} ${box.dataset.filter}`;
    };
    search.addEventListener('input', update);
    choice?.addEventListener('change', update);
    tools.hidden = false;
    update();
  }

  document.querySelectorAll('table[data-sortable]').forEach(makeSortable);
  document.querySelectorAll('[data-filter]').forEach(makeFilter);
  // On paper the matrix in words stands for the matrix.
  const words = document.querySelector('.in-words');
  addEventListener('beforeprint', () => words?.setAttribute('open', ''));
  addEventListener('afterprint', () => words?.removeAttribute('open'));
})();
