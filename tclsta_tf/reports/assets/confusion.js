// The confusion matrix to explore: a canvas as large as its window, drawn anew as the box around it scrolls, so that
// 101 classes are as smooth as 5. Keys, mouse and fingers move a cursor; the line above says what its cell holds.
(() => {
  'use strict';

  const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const TITLE_GUTTER = 26; // pixels for "true class" where labels would be too small to read
  const LABEL_CELL = 11; // smallest cell with a label
  const COUNT_CELL = 22; // smallest cell with its count
  const LARGEST_CELL = 72;
  const LEGEND = [0.01, 0.1, 0.3, 1];

  class Matrix {
    constructor(card, tools, { labels, counts }) {
      Object.assign(this, { labels, counts });
      this.totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
      this.errors = this.totals.map((total, i) => (total ? 1 - counts[i][i] / total : -1));
      this.box = card.querySelector('.matrix');
      this.space = this.box.firstElementChild;
      this.canvas = card.querySelector('canvas');
      this.context = this.canvas.getContext('2d');
      this.readout = card.querySelector('.readout');
      this.legend = card.querySelector('.legend');
      [this.order, this.search, this.output] = ['select', 'input', 'output'].map((name) => tools.querySelector(name));
      this.buttons = [...tools.querySelectorAll('[data-zoom]')];
      this.cell = 0; // pixels; 0: as large as the box allows
      this.cursor = null; // {row, column} among the classes shown
      card.hidden = tools.hidden = false;
      this.listen();
      this.readColours();
      this.choose();
    }

    // Which classes are shown, in which order.
    choose() {
      const { labels, counts, errors } = this;
      const wanted = this.search.value.trim().toLowerCase();
      const all = labels.map((_, i) => i);
      const found = all.filter((i) => labels[i].toLowerCase().includes(wanted));
      this.shown = wanted ? all.filter((j) => found.some((i) => i === j || counts[i][j] || counts[j][i])) : all;
      if (this.order.value === 'name') this.shown.sort((a, b) => collator.compare(labels[a], labels[b]));
      if (this.order.value === 'error') this.shown.sort((a, b) => errors[b] - errors[a]);
      this.output.textContent = wanted
        ? `${found.length} found, ${this.shown.length} of ${labels.length} classes shown`
        : '';
      this.cursor = null;
      this.cell = 0;
      this.layOut();
    }

    // Sizes

    fittingCell(count) {
      const room = Math.min(this.width, this.limit) - 2;
      const labelled = (room - this.labelGutter) / count;
      const cell = labelled >= LABEL_CELL ? labelled : Math.min((room - TITLE_GUTTER) / count, LABEL_CELL - 0.01);
      return clamp(cell, 1, LARGEST_CELL);
    }

    gutterOf(cell) {
      return cell >= LABEL_CELL ? this.labelGutter : TITLE_GUTTER;
    }

    layOut() {
      this.width = this.box.clientWidth;
      if (!this.width) return;
      this.limit = Math.max(280, Math.min(this.width, 0.85 * window.innerHeight));
      this.context.font = this.fontOf(13);
      const widest = Math.max(0, ...this.labels.map((label) => this.context.measureText(label).width));
      this.labelGutter = Math.ceil(clamp(widest + 14, 78, 0.32 * this.width));
      const whole = this.fittingCell(this.labels.length);
      this.box.style.height = `${Math.ceil(this.gutterOf(whole) + this.labels.length * whole) + 2}px`;
      this.height = this.box.clientHeight;
      this.fit = this.fittingCell(Math.max(this.shown.length, 1));
      this.size = this.cell ? clamp(this.cell, this.fit, LARGEST_CELL) : this.fit;
      this.gutter = this.gutterOf(this.size);
      const extent = Math.floor(this.gutter + this.shown.length * this.size);
      this.space.style.width = `${Math.max(extent, this.width)}px`;
      this.space.style.height = `${Math.max(extent, this.height)}px`;
      // A scroll bar that came with the extent narrows the window.
      this.width = this.box.clientWidth;
      this.height = this.box.clientHeight;
      for (const button of this.buttons) {
        const end = button.dataset.zoom === '1' ? LARGEST_CELL : this.fit;
        button.disabled = this.size === end;
      }
      this.requestDraw();
    }

    // Zooms by a factor and keeps the point (x, y) of the window where it is.
    zoom(factor, x = this.width / 2, y = this.height / 2) {
      const { box, size, gutter } = this;
      const place = [(box.scrollLeft + x - gutter) / size, (box.scrollTop + y - gutter) / size];
      this.cell = factor ? clamp(size * factor, this.fit, LARGEST_CELL) : 0;
      this.layOut();
      box.scrollLeft = place[0] * this.size + this.gutter - x;
      box.scrollTop = place[1] * this.size + this.gutter - y;
    }

    // The cursor

    cellAt(event) {
      const frame = this.box.getBoundingClientRect();
      const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
      if (x < this.gutter || y < this.gutter || x >= this.width || y >= this.height) return null;
      const column = Math.floor((x + this.box.scrollLeft - this.gutter) / this.size);
      const row = Math.floor((y + this.box.scrollTop - this.gutter) / this.size);
      return row < this.shown.length && column < this.shown.length ? { row, column } : null;
    }

    moveTo(cursor) {
      if (!cursor || (this.cursor?.row === cursor.row && this.cursor?.column === cursor.column)) return;
      this.cursor = cursor;
      const [true_, predicted] = [this.shown[cursor.row], this.shown[cursor.column]];
      const [count, total] = [this.counts[true_][predicted], this.totals[true_]];
      const share = total ? `${count} of ${total} videos (${((100 * count) / total).toFixed(1)} %)` : 'no test videos';
      this.readout.textContent = `true ${this.labels[true_]}, predicted ${this.labels[predicted]}: ${share}`;
      this.requestDraw();
    }

    scrollToCursor() {
      const { box, size, gutter } = this;
      const within = (index, offset, window) =>
        clamp(offset, (index + 1) * size + gutter - window, index * size); // no motion where it is in sight
      box.scrollLeft = within(this.cursor.column, box.scrollLeft, this.width);
      box.scrollTop = within(this.cursor.row, box.scrollTop, this.height);
    }

    press(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.shown.length) return;
      const last = this.shown.length - 1;
      const { row, column } = this.cursor ?? { row: 0, column: 0 };
      const moves = {
        ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1], Home: [row, 0], End: [row, last], PageUp: [row - 10, column],
        PageDown: [row + 10, column],
      };
      const zooms = { '+': 1.4, '=': 1.4, '-': 1 / 1.4, 0: 0 };
      if (event.key in moves) {
        const target = this.cursor ? moves[event.key] : [0, 0]; // the first key shows where the cursor is
        this.moveTo({ row: clamp(target[0], 0, last), column: clamp(target[1], 0, last) });
        this.scrollToCursor();
      } else if (event.key in zooms) {
        const { size, gutter, box } = this;
        this.zoom(zooms[event.key], (column + 0.5) * size + gutter - box.scrollLeft,
          (row + 0.5) * size + gutter - box.scrollTop);
        if (this.cursor) this.scrollToCursor();
      } else {
        return;
      }
      event.preventDefault();
    }

    listen() {
      const { box } = this;
      for (const control of [this.order, this.search]) control.addEventListener('input', () => this.choose());
      for (const button of this.buttons) {
        button.addEventListener('click', () => this.zoom({ '-1': 1 / 1.6, 1: 1.6, 0: 0 }[button.dataset.zoom]));
      }
      box.addEventListener('keydown', (event) => this.press(event));
      box.addEventListener('scroll', () => this.requestDraw());
      box.addEventListener('wheel', (event) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        const frame = box.getBoundingClientRect();
        this.zoom(Math.exp(-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
      }, { passive: false });

      let grip = null; // where a mouse took hold of the matrix
      box.addEventListener('pointerdown', (event) => {
        this.moveTo(this.cellAt(event));
        if (event.pointerType === 'mouse' && event.button === 0) {
          grip = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
        }
      });
      box.addEventListener('pointermove', (event) => {
        if (grip && event.buttons === 1) {
          box.scrollLeft = grip.x - event.clientX;
          box.scrollTop = grip.y - event.clientY;
        } else {
          grip = null;
          if (event.pointerType !== 'touch') this.moveTo(this.cellAt(event));
        }
      });

      let pinch = 0; // distance of two fingers
      box.addEventListener('touchmove', (event) => {
        if (event.touches.length !== 2) return;
        event.preventDefault();
        const [a, b] = event.touches;
        const distance = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
        const frame = box.getBoundingClientRect();
        const middle = [(a.clientX + b.clientX) / 2 - frame.left, (a.clientY + b.clientY) / 2 - frame.top];
        if (pinch) this.zoom(distance / pinch, ...middle);
        pinch = distance;
      }, { passive: false });
      for (const name of ['touchend', 'touchcancel']) box.addEventListener(name, () => { pinch = 0; });

      let width = 0; // a change of height is our own doing
      new ResizeObserver(() => {
        if (box.offsetWidth !== width) this.layOut();
        width = box.offsetWidth;
      }).observe(box);
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
        this.readColours();
        this.requestDraw();
      });
    }

    // Drawing

    readColours() {
      const style = getComputedStyle(document.documentElement);
      this.colours = {};
      for (const name of ['card', 'ink', 'soft', 'line', 'right', 'wrong', 'empty']) {
        this.colours[name] = style.getPropertyValue(`--${name}`).trim();
      }
      this.legend.replaceChildren(...['right', 'wrong'].map((kind) => {
        const item = document.createElement('li');
        const swatches = LEGEND.map((share) => {
          const swatch = document.createElement('i');
          swatch.style.background = css(this.mix(kind, share));
          return swatch;
        });
        item.append(...swatches, ` ${kind}: ${LEGEND.map((share) => Math.round(100 * share)).join(', ')} %`);
        return item;
      }));
    }

    // The square root lets few mistakes be seen beside many right answers.
    mix(kind, share) {
      const [from, to] = [this.colours.empty, this.colours[kind]].map(channels);
      return from.map((low, i) => Math.round(low + (0.12 + 0.88 * Math.sqrt(share)) * (to[i] - low)));
    }

    fontOf(size) {
      return `${size}px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
    }

    requestDraw() {
      this.pending ??= requestAnimationFrame(() => {
        this.pending = null;
        this.draw();
      });
    }

    draw() {
      const { context, canvas, width, height, size, gutter, shown, colours, counts, totals, cursor } = this;
      const ratio = window.devicePixelRatio || 1;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
        [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.fillStyle = colours.card;
      context.fillRect(0, 0, width, height);
      const [left, top] = [gutter - this.box.scrollLeft, gutter - this.box.scrollTop];
      const range = (start, window) => [
        Math.max(0, Math.floor((gutter - start) / size)),
        Math.min(shown.length, Math.ceil((window - start) / size)),
      ];
      const [columns, rows] = [range(left, width), range(top, height)];
      const extent = shown.length * size;
      const gap = size >= 7 ? 1 : 0;

      context.save();
      context.beginPath();
      context.rect(gutter, gutter, width - gutter, height - gutter);
      context.clip();
      context.fillStyle = colours.empty;
      context.fillRect(left, top, extent, extent);
      context.font = this.fontOf(clamp(0.42 * size, 10, 15));
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      for (let row = rows[0]; row < rows[1]; row++) {
        for (let column = columns[0]; column < columns[1]; column++) {
          const count = counts[shown[row]][shown[column]];
          if (!count) continue;
          const colour = this.mix(row === column ? 'right' : 'wrong', count / totals[shown[row]]);
          const [x, y] = [left + column * size, top + row * size];
          context.fillStyle = css(colour);
          context.fillRect(x, y, Math.max(size, 1), Math.max(size, 1));
          if (size < COUNT_CELL) continue;
          context.fillStyle = luminance(colour) > 0.22 ? '#111418' : '#ffffff';
          context.fillText(count, x + size / 2, y + size / 2);
        }
      }
      if (gap) {
        context.fillStyle = colours.card;
        for (let i = columns[0]; i <= columns[1]; i++) context.fillRect(left + i * size - gap / 2, top, gap, extent);
        for (let i = rows[0]; i <= rows[1]; i++) context.fillRect(left, top + i * size - gap / 2, extent, gap);
      }
      if (cursor) {
        const [x, y] = [left + cursor.column * size, top + cursor.row * size];
        context.fillStyle = colours.ink;
        context.globalAlpha = 0.1;
        context.fillRect(left, y, extent, size);
        context.fillRect(x, top, size, extent);
        context.globalAlpha = 1;
        context.lineWidth = 2;
        context.strokeStyle = colours.ink;
        const frame = Math.max(size, 7); // still seen around a tiny cell
        const inset = (size - frame) / 2 + 1; // half of the line
        context.strokeRect(x + inset, y + inset, frame - 2, frame - 2);
      }
      context.restore();
      if (size >= LABEL_CELL) this.drawLabels(left, top, columns, rows);
      else this.drawTitles();
    }

    drawLabels(left, top, columns, rows) {
      const { context, width, height, size, gutter, shown, labels, colours, cursor } = this;
      const font = clamp(Math.round(0.8 * size), 9, 13);
      context.font = this.fontOf(font);
      context.textBaseline = 'middle';
      const put = (index, current, x, y, angle, align) => {
        context.save();
        context.translate(x, y);
        context.rotate(angle);
        context.textAlign = align;
        context.fillStyle = current === index ? colours.ink : colours.soft;
        context.fillText(shorten(context, labels[shown[index]], gutter - 12), 0, 0);
        context.restore();
      };
      const within = (x, y, w, h, drawing) => {
        context.save();
        context.beginPath();
        context.rect(x, y, w, h);
        context.clip();
        drawing();
        context.restore();
      };
      within(0, gutter, gutter, height - gutter, () => {
        for (let i = rows[0]; i < rows[1]; i++) put(i, cursor?.row, gutter - 6, top + (i + 0.5) * size, 0, 'right');
      });
      within(gutter, 0, width - gutter, gutter, () => {
        for (let i = columns[0]; i < columns[1]; i++) {
          put(i, cursor?.column, left + (i + 0.5) * size, gutter - 6, -Math.PI / 2, 'left');
        }
      });
      context.fillStyle = colours.soft;
      context.font = this.fontOf(11);
      context.textAlign = 'right';
      context.fillText('predicted →', gutter - 6, gutter - 28);
      context.fillText('true ↓', gutter - 6, gutter - 12);
    }

    drawTitles() {
      const { context, width, height, gutter, colours } = this;
      context.fillStyle = colours.soft;
      context.font = this.fontOf(12);
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      context.fillText('predicted class →', (gutter + width) / 2, gutter / 2);
      context.save();
      context.translate(gutter / 2, (gutter + height) / 2);
      context.rotate(-Math.PI / 2);
      context.fillText('← true class', 0, 0);
      context.restore();
    }
  }

  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const css = (rgb) => `rgb(${rgb.join(',')})`;
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => (value <= 10 ? value / 3294 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  function shorten(context, label, room) {
    if (context.measureText(label).width <= room) return label;
    const letters = [...label.slice(0, 200)]; // whole characters, an emoji is two units
    while (letters.length && context.measureText(`${letters.join('')}…`).width > room) letters.pop();
    return `${letters.join('')}…`;
  }

  const card = document.querySelector('[data-matrix]');
  if (card) {
    const data = JSON.parse(document.getElementById('confusion').textContent);
    new Matrix(card, document.querySelector('[data-matrix-tools]'), data);
  }
})();
