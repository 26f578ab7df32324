// Clients that post pictures one after the other, and what they got. Prints one JSON line: seconds, answers by status,
// pictures a second, median and 99th percentile of the time to an answer in milliseconds.
// Usage: node load.js URL CLIENTS SECONDS PICTURE...
'use strict';
const fs = require('fs');
const http = require('http');

const [url, clients, seconds, ...files] = process.argv.slice(2);
const pictures = files.map(file => fs.readFileSync(file));
const agent = new http.Agent({keepAlive: true, maxSockets: Number(clients)});
const times = [], statuses = {};

const post = picture => new Promise(resolve => {
  const request = http.request(url + '/v1/predict', {method: 'POST', agent}, response => {
    response.resume();
    response.on('end', () => resolve(response.statusCode));
  });
  request.on('error', error => resolve(error.code));
  request.end(picture);
});

async function client(number, end) {
  for (let i = number; performance.now() < end; ++i) {
    const start = performance.now();
    const status = await post(pictures[i % pictures.length]);
    statuses[status] = (statuses[status] || 0) + 1;
    if (status === 200) times.push(performance.now() - start);
  }
}

(async () => {
  const start = performance.now(), end = start + 1000 * seconds;
  await Promise.all(Array.from({length: Number(clients)}, (_, number) => client(number, end)));
  const took = (performance.now() - start) / 1000;
  times.sort((a, b) => a - b);
  const part = share => +(times[Math.min(times.length - 1, Math.floor(share * times.length))] || 0).toFixed(1);
  console.log(JSON.stringify({seconds: +took.toFixed(1), statuses, pictures_a_second: +(times.length / took).toFixed(2),
    p50_ms: part(0.5), p99_ms: part(0.99)}));
  agent.destroy();
})();
