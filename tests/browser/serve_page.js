// Drops a picture on the server's page, slides, hovers and downloads, and reads what the page then shows.
// Usage: node serve_page.js CHROMIUM URL PICTURE FOLDER_FOR_FILES [SCREENSHOTS]
'use strict';
const assert = require('assert');
const fs = require('fs');
const path = require('path');
const {open_chromium} = require('./chromium.js');

const [program, url, picture, folder, screenshots] = process.argv.slice(2);

async function shoot(page) {
  for (const [name, width, mobile] of [['wide', 1280, false], ['narrow', 390, true]]) {
    for (const scheme of ['light', 'dark']) {
      await page.look(width, 860, scheme, mobile);
      await page.run('new Promise(done => setTimeout(done, 200))');
      if (screenshots) await page.picture(path.join(screenshots, `serve-${name}-${scheme}.png`));
      const over = await page.run('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      assert.ok(over <= 0, `the page is ${over} px wider than a ${name} screen`);
    }
  }
  await page.look(1280, 860, 'light');
}

async function download(page, button, file) {
  await page.click(button);
  for (let i = 0; i < 100 && !fs.existsSync(file); ++i) await new Promise(resolve => setTimeout(resolve, 50));
  assert.ok(fs.existsSync(file), `${file} was not downloaded`);
  return fs.readFileSync(file);
}

// The mask as the page decodes it has the area that the runs say.
async function check_masks(page) {
  const wrong = await page.run(`instances.filter(one => one.mask && one.mask.pixels.reduce((a, b) => a + b, 0) !==
    runs_of(one.segmentation.counts).filter((run, i) => i % 2).reduce((a, b) => a + b, 0)).length`);
  assert.strictEqual(wrong, 0, 'masks lie outside their boxes');
}

async function check_page(page) {
  await page.look(1280, 860, 'light');
  await page.go(url);
  await page.until('model.classes.length > 0');
  if (screenshots) await page.picture(path.join(screenshots, 'serve-empty.png'));
  await page.drop(picture, 400, 300);
  await page.until('answer !== null');
  const total = await page.run('instances.length');
  assert.ok(total > 1, 'nothing was found in the dropped picture');
  await check_masks(page);

  // The slider filters, and asks nobody.
  await page.run('window.asked = 0; const real = fetch; window.fetch = (...a) => { ++asked; return real(...a); }; 0');
  const slide = value => page.run(`$('threshold').value = ${value}; $('threshold').dispatchEvent(new Event('input'))`);
  await slide(await page.run('model.lowest_threshold'));
  assert.strictEqual(await page.run(`document.querySelectorAll('#found li').length`), total);
  const pixels = 'document.getElementById("canvas").toDataURL()';
  const with_all = await page.run(pixels);
  await slide(1);
  assert.strictEqual(await page.run(`document.querySelectorAll('#found li').length`), 0);
  assert.notStrictEqual(await page.run(pixels), with_all, 'the canvas does not follow the slider');
  await slide(await page.run('model.lowest_threshold'));
  assert.strictEqual(await page.run('asked'), 0, 'the slider asked the server');

  // Hovering tells class and score.
  const [x, y] = await page.run(`(() => { const box = $('canvas').getBoundingClientRect(), b = instances[0].bbox;
    return [box.x + (b[0] + b[2] / 2) * box.width / picture.width,
      box.y + (b[1] + b[3] / 2) * box.height / picture.height]; })()`);
  await page.move(x, y);
  await page.until(`!$('tip').hidden`);
  assert.match(await page.run(`$('tip').textContent`), /^\S.* \d+\.\d%$/);
  await page.move(2, 2);
  await page.until(`$('tip').hidden`);

  const stem = path.join(folder, path.basename(picture).replace(/\.[^.]*$/, ''));
  const saved = JSON.parse(await download(page, '#save-json', stem + '.json'));
  assert.strictEqual(saved.instances.length, total);
  const png = await download(page, '#save-png', stem + '.png');
  assert.strictEqual(png.readUInt32BE(16), saved.width);
  await shoot(page);

  // A pasted picture counts like a dropped one; a file that is none is said to be none.
  const paste = (bytes, name) => page.run(`(() => { const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob('${bytes}'), c => c.charCodeAt(0))], '${name}',
      {type: 'image/png'}));
    document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); })()`);
  await paste(png.toString('base64'), 'pasted.png');
  await page.until(`answer !== null && picture.name === 'pasted.png'`);
  assert.deepStrictEqual(page.errors, []);
  await paste(Buffer.from('no picture').toString('base64'), 'broken.png');
  await page.until(`$('message').className.includes('bad')`);
}

(async () => {
  const page = await open_chromium(program, folder);
  try {
    await check_page(page);
    console.log('serve_page: passed');
  } catch (error) {
    console.log('FAILED:', error.message, page.errors);
    process.exitCode = 1;
  }
  await page.close();
})();
