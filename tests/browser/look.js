// Screenshots of a page, narrow and wide, light and dark, to be looked at by a person; fails when the page is wider than
// the screen or its script has an error. Usage: node look.js CHROMIUM URL NAME FOLDER
'use strict';
const path = require('path');
const {open_chromium} = require('./chromium.js');

(async () => {
  const [program, url, name, folder] = process.argv.slice(2);
  const page = await open_chromium(program, folder);
  for (const [size, width, mobile] of [['wide', 1280, false], ['narrow', 390, true]]) {
    for (const scheme of ['light', 'dark']) {
      await page.look(width, 900, scheme, mobile);
      await page.go(url);
      await page.run('new Promise(done => setTimeout(done, 300))');
      await page.picture(path.join(folder, `${name}-${size}-${scheme}.png`));
      const over = await page.run('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      if (over > 0) page.errors.push(`${size}: ${over} px wider than the screen`);
    }
  }
  page.errors.forEach(error => console.log('FAILED:', error));
  process.exitCode = page.errors.length ? 1 : 0;
  await page.close();
})();
