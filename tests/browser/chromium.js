// Drives a headless Chromium through its debugging pipe (messages are JSON, each ended by a zero byte), without any
// package. Usage: const page = await open_chromium(program, folder); await page.go(url); await page.run('1 + 1')
'use strict';
const {spawn} = require('child_process');
const fs = require('fs');
const path = require('path');

async function open_chromium(program, folder) {
  const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-extensions',
    '--remote-debugging-pipe', `--user-data-dir=${path.join(folder, 'profile')}`, 'about:blank'];
  const child = spawn(program, flags, {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
  const waiting = new Map(), handlers = [], errors = [];
  let next = 1, rest = '';
  child.on('exit', () => waiting.forEach(({reject}) => reject(new Error('chromium ended'))));
  child.stdio[4].setEncoding('utf8');
  child.stdio[4].on('data', text => {
    const messages = (rest + text).split('\0');
    rest = messages.pop();
    for (const message of messages.map(one => JSON.parse(one))) {
      if (message.method) handlers.forEach(handler => handler(message));
      if (!waiting.has(message.id)) continue;
      const {resolve, reject} = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.error) reject(new Error(message.error.message)); else resolve(message.result);
    }
  });
  const call = (method, params = {}, session = undefined) => new Promise((resolve, reject) => {
    waiting.set(next, {resolve, reject});
    child.stdio[3].write(JSON.stringify({id: next++, method, params, sessionId: session}) + '\0');
  });
  handlers.push(({method, params}) => {
    if (method === 'Runtime.exceptionThrown') errors.push(params.exceptionDetails.exception?.description || 'error');
    if (method === 'Log.entryAdded' && params.entry.level === 'error') errors.push(params.entry.text);
  });
  const {targetId} = await call('Target.createTarget', {url: 'about:blank'});
  const {sessionId} = await call('Target.attachToTarget', {targetId, flatten: true});
  const send = (method, params) => call(method, params, sessionId);
  for (const domain of ['Page', 'Runtime', 'Log', 'DOM']) await send(domain + '.enable');
  await call('Browser.setDownloadBehavior', {behavior: 'allow', downloadPath: folder});

  const page = {
    errors, send,
    on: handler => handlers.push(handler),
    async go(url) {
      const loaded = new Promise(resolve => handlers.push(({method}) => {
        if (method === 'Page.loadEventFired') resolve();
      }));
      await send('Page.navigate', {url});
      await loaded;
    },
    async run(expression) {
      const {result, exceptionDetails} = await send('Runtime.evaluate',
        {expression, awaitPromise: true, returnByValue: true});
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description || exceptionDetails.text);
      return result.value;
    },
    // Until the expression is true; fails after ten seconds.
    async until(expression) {
      for (let i = 0; i < 200; ++i) {
        if (await page.run(expression)) return;
        await new Promise(resolve => setTimeout(resolve, 50));
      }
      throw new Error(`never true: ${expression}`);
    },
    look: (width, height, scheme, mobile = false) => Promise.all([
      send('Emulation.setDeviceMetricsOverride', {width, height, deviceScaleFactor: 1, mobile}),
      send('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: scheme}]})]),
    async picture(file) {
      const {data} = await send('Page.captureScreenshot', {format: 'png', captureBeyondViewport: true});
      fs.writeFileSync(file, Buffer.from(data, 'base64'));
    },
    move: (x, y) => send('Input.dispatchMouseEvent', {type: 'mouseMoved', x, y}),
    async click(selector) {
      const [x, y] = await page.run(`(() => { const box = document.querySelector('${selector}')
        .getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()`);
      for (const type of ['mousePressed', 'mouseReleased'])
        await send('Input.dispatchMouseEvent', {type, x, y, button: 'left', clickCount: 1});
    },
    async drop(file, x, y) {
      const data = {items: [], files: [file], dragOperationsMask: 1};
      for (const type of ['dragEnter', 'dragOver', 'drop']) await send('Input.dispatchDragEvent', {type, x, y, data});
    },
    async close() {
      await call('Browser.close').catch(() => {});
      if (child.exitCode === null) await new Promise(resolve => child.on('exit', resolve));
    },
  };
  return page;
}

module.exports = {open_chromium};
