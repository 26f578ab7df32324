// Opens a report from disk, sorts its tables, reads and zooms its curves, looks at its pictures, and checks that it asks
// nobody for anything, fits narrow and wide screens, and can be read in light and dark.
// Usage: node report_page.js CHROMIUM REPORT.html NAME FOLDER_FOR_FILES [SCREENSHOTS]
'use strict';
const assert = require('assert');
const path = require('path');
const {open_chromium} = require('./chromium.js');

const [program, report, name, folder, screenshots] = process.argv.slice(2);

// In the page: texts whose contrast to what is behind them is below 4.5 (WCAG AA), at most ten.
const FAINT_TEXTS = `(() => {
  const numbers = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const solid = ([, , , alpha]) => alpha === undefined || alpha === 1;
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = numbers(getComputedStyle(e).backgroundColor);
      if (color.length >= 3 && solid(color)) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('h1, h2, td, th, th button, p, pre, label, .soft, .name, .value, ' +
      '.note, text, .state, .legend button, summary, .gallery span')) {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!element.textContent.trim() || !box.width || style.visibility === 'hidden') continue;
    const color = element.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const [a, b] = [light(numbers(color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(element.textContent.trim().slice(0, 30) + ': ' + contrast.toFixed(2));
  }
  return faint.slice(0, 10);
})()`;

// Each column of each table that sorts: a click sorts it, a second click turns it round.
async function check_tables(page) {
  const columns = await page.run(`(() => {
    window.heads = [...document.querySelectorAll('thead button')];
    return heads.length;
  })()`);
  const column = i => page.run(`(() => {
    const head = heads[${i}].closest('th'), table = head.closest('table');
    return {order: head.getAttribute('aria-sort'), cells: [...table.tBodies[0].rows].map(row =>
      row.cells[head.cellIndex].dataset.value || row.cells[head.cellIndex].textContent)};
  })()`);
  for (let i = 0; i < columns; ++i) {
    for (let click = 0; click < 2; ++click) {
      await page.run(`heads[${i}].click()`);
      const {order, cells} = await column(i);
      const values = cells.filter(cell => cell !== '–').map(cell => isNaN(cell) ? cell : +cell);
      const sorted = [...values].sort((a, b) => typeof a === 'number' ? a - b : a.localeCompare(b));
      if (order === 'descending') sorted.reverse();
      else assert.strictEqual(order, 'ascending');
      assert.deepStrictEqual(values, sorted, `column ${i} is not ${order}`);
      assert.deepStrictEqual(cells.slice(values.length).filter(cell => cell !== '–'), [], 'gaps are not last');
    }
    assert.deepStrictEqual(new Set([(await column(i)).order]).size, 1);
  }
  // By a mouse, too.
  await page.run(`heads[0].scrollIntoView({block: 'center'}); heads[0].id = 'first-head'; 0`);
  const before = (await column(0)).order;
  await page.click('#first-head');
  assert.notStrictEqual((await column(0)).order, before, 'a click on a head does nothing');
  return columns;
}

// Each chart: hovering shows the values, dragging zooms, Escape shows all again.
async function check_charts(page) {
  const count = await page.run(`document.querySelectorAll('.plot > svg').length`);
  const mouse = (type, x, y) => page.send('Input.dispatchMouseEvent',
    {type, x, y, button: type === 'mouseMoved' ? 'none' : 'left', buttons: type === 'mouseReleased' ? 0 : 1,
      clickCount: 1});
  for (let i = 0; i < count; ++i) {
    const box = await page.run(`(() => {
      window.svg = document.querySelectorAll('.plot > svg')[${i}];
      window.tip = svg.parentElement.querySelector('.tip');
      svg.scrollIntoView({block: 'center'});
      const {x, y, width, height} = svg.getBoundingClientRect();
      return {x, y, width, height};
    })()`);
    const label = await page.run(`svg.getAttribute('aria-label')`), middle = box.y + box.height / 2;
    assert.ok(await page.run(`svg.querySelector('.curve').getAttribute('d').length > 0`), `${label}: no curve`);
    await page.move(box.x + box.width * 0.6, middle);
    await page.until('!tip.hidden');
    assert.match(await page.run('tip.textContent'), /^\D+\d+.*\d/, `${label}: the hint shows no value`);
    const fits = await page.run(`(() => { const t = tip.getBoundingClientRect();
      return t.left >= 0 && t.right <= document.documentElement.clientWidth; })()`);
    assert.ok(fits, `${label}: the hint is cut off`);
    const all = await page.run(`svg.querySelector('.curve').getAttribute('d')`);
    await mouse('mousePressed', box.x + box.width * 0.3, middle);
    for (const part of [0.4, 0.5, 0.7]) await mouse('mouseMoved', box.x + box.width * part, middle);
    await mouse('mouseReleased', box.x + box.width * 0.7, middle);
    const few = await page.run(`svg.querySelectorAll('.plot circle').length`);
    const zoomed = await page.run(`svg.querySelector('.curve').getAttribute('d')`);
    assert.notStrictEqual(zoomed, all, `${label}: dragging does not zoom (${few})`);
    assert.ok(await page.run(`[...svg.closest('section').querySelectorAll('button')].some(
      button => button.textContent === 'reset zoom' && !button.hidden)`), `${label}: no way back from the zoom`);
    await page.run(`svg.focus(); svg.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))`);
    assert.strictEqual(await page.run(`svg.querySelector('.curve').getAttribute('d')`), all, `${label}: zoom stays`);
    await page.move(2, 2);
  }
  return count;
}

// The pictures are there, and each can be enlarged.
async function check_pictures(page) {
  const pictures = await page.run(`(async () => {
    const all = [...document.querySelectorAll('.gallery img')];
    await Promise.all(all.map(one => one.decode()));
    return all.map(one => [one.naturalWidth, one.alt]);
  })()`);
  for (const [width, alt] of pictures) assert.ok(width > 50 && alt, `a picture is missing: ${alt}`);
  if (!pictures.length) return 0;
  await page.run(`document.querySelector('.gallery button').click()`);
  await page.until(`$('viewer').open && $('viewer').querySelector('img').naturalWidth > 50`);
  await page.run(`$('after').click()`);
  if (pictures.length > 1)
    assert.strictEqual(await page.run(`$('viewer').querySelector('p').textContent`), pictures[1][1]);
  await page.run(`$('close').click()`);
  assert.ok(!await page.run(`$('viewer').open`));
  return pictures.length;
}

async function check_looks(page) {
  for (const [size, width, mobile] of [['wide', 1280, false], ['narrow', 360, true]]) {
    for (const scheme of ['light', 'dark']) {
      await page.look(width, 900, scheme, mobile);
      await page.run('new Promise(done => setTimeout(done, 200))');
      if (screenshots) await page.picture(path.join(screenshots, `${name}-${size}-${scheme}.png`));
      const over = await page.run('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      assert.ok(over <= 0, `${size}: ${over} px wider than the screen`);
      assert.deepStrictEqual(await page.run(FAINT_TEXTS), [], `${size}, ${scheme}: text that is hard to read`);
    }
  }
}

(async () => {
  const page = await open_chromium(program, folder);
  const asked = [];
  try {
    await page.send('Network.enable');
    page.on(({method, params}) => {
      if (method === 'Network.requestWillBeSent' && !/^(file|data):/.test(params.request.url)) asked.push(params.request.url);
    });
    await page.look(1280, 900, 'light');
    await page.go('file://' + path.resolve(report));
    const counts = [await check_tables(page), await check_charts(page), await check_pictures(page)];
    await check_looks(page);
    assert.deepStrictEqual(page.errors, []);
    assert.deepStrictEqual(asked, [], 'the page asked the network');
    console.log(`${name}: ${counts[0]} columns sorted, ${counts[1]} charts read and zoomed, ${counts[2]} pictures`);
    assert.ok(counts.every(count => count > 0), 'there was nothing to check');
  } catch (error) {
    console.log(`FAILED: ${name}:`, error.message, page.errors);
    process.exitCode = 1;
  }
  await page.close();
})();
