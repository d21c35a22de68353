// The page is complete without this script. It sorts, filters, searches and opens what a link targets.
(function () {
  'use strict';
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const byId = (id) => document.getElementById(id);
  const reveal = (hidden) => { hidden.hidden = false; };

  // A link into a closed part opens it.
  function open() {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch (e) { /* shown as it is */ }
    const target = id && byId(id);
    if (!target) return;
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === 'DETAILS') part.open = true;
    }
    target.scrollIntoView();
  }
  addEventListener('hashchange', open);
  document.addEventListener('click', (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#"]');
    // The same link twice changes no hash, but a reader may have closed the part in between.
    if (link && link.hash === location.hash) setTimeout(open);
  });
  open();
  addEventListener('beforeprint', () => all('details[data-print]').forEach((part) => { part.open = true; }));

  // Sorting and filtering the table of themes.
  const table = byId('theme-table');
  if (table) {
    const heads = all('thead th', table);
    const body = table.tBodies[0];
    const choice = byId('sort');
    const rows = all('tr', body);
    const sort = (column, down) => {
      const isText = heads[column].dataset.kind === 'text';
      const value = (row) => row.cells[column].dataset.value || '';
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (isText) return x.localeCompare(y);
        // What was not computed stays at the end either way.
        if (x === '' || y === '') return (x === '' ? 1 : 0) * (down ? -1 : 1) - (y === '' ? 1 : 0) * (down ? -1 : 1);
        return x - y;
      };
      rows.slice().sort((a, b) => (down ? -1 : 1) * compare(a, b)).forEach((row) => body.append(row));
      heads.forEach((head, i) => {
        if (i === column) head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        else head.removeAttribute('aria-sort');
      });
      choice.value = String(column);
    };
    heads.forEach((head, column) => {
      if (head.dataset.kind === 'none') return;
      const name = head.textContent;
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const isText = head.dataset.kind === 'text';
        const was = head.getAttribute('aria-sort');
        sort(column, was ? was === 'ascending' : !isText);
      });
      choice.add(new Option(name, String(column)));
    });
    choice.addEventListener('change', () => sort(+choice.value, heads[+choice.value].dataset.kind !== 'text'));
    heads[1].setAttribute('aria-sort', 'descending');
    choice.value = '1';
    const filter = byId('filter');
    filter.addEventListener('input', () => {
      const words = filter.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row) => {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(words);
        if (!row.hidden) shown += 1;
      });
      byId('filtered').textContent = words ? shown + ' of ' + rows.length : '';
    });
    reveal(filter.closest('.toolbar'));
  }

  // Search over themes and transcripts: a list of places, each with the words around the match.
  const box = byId('search');
  const hits = byId('hits');
  let places = null;
  const collect = () => all('.theme > .inside, .transcript').map((part) => {
    const isTheme = part.className === 'inside';
    const name = part.parentElement.querySelector(isTheme ? 'h3' : '.opening').textContent;
    const parts = isTheme ? all(':scope > .keywords, :scope > blockquote', part) : all('.turn > p, .about code', part);
    const text = name + '  ' + parts.map((p) => p.textContent).join('  ');
    return { id: part.id, name, kind: isTheme ? 'theme' : 'conversation', text, lower: text.toLowerCase() };
  });
  const show = () => {
    const words = box.value.trim().toLowerCase();
    hits.textContent = '';
    if (words.length < 2) return;
    places = places || collect();
    const found = places.filter((place) => place.lower.includes(words));
    found.slice(0, 20).forEach((place) => {
      const at = place.lower.indexOf(words);
      const item = document.createElement('li');
      const link = document.createElement('a');
      link.href = '#' + place.id;
      link.dir = 'auto';
      link.textContent = place.name.slice(0, 70);
      const around = document.createElement('small');
      around.textContent = place.kind + (at < 70 ? '' : ': …' + place.text.slice(at - 30, at + 50) + '…');
      item.append(link, around);
      hits.append(item);
    });
    const end = document.createElement('li');
    end.textContent = found.length === 0 ? 'Nothing found' : found.length > 20 ? 'and ' + (found.length - 20) + ' more' : '';
    if (end.textContent) hits.append(end);
  };
  if (box) {
    reveal(box.closest('.search'));
    box.addEventListener('input', show);
    addEventListener('keydown', (event) => {
      if (event.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        box.focus();
      } else if (event.key === 'Escape' && document.activeElement === box) {
        box.value = '';
        show();
      }
    });
    // On a phone the list covers the page, so it goes away once used.
    hits.addEventListener('click', () => { if (innerWidth < 1000) { box.value = ''; show(); } });
  }
}());
