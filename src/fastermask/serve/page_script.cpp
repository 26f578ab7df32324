// The page's behaviour: plain JavaScript.
#include "fastermask/serve/page.h"

namespace fastermask {

std::string_view serve_page_script() {
  return R"js(
let model = {classes: [], skeleton: [], score_threshold: 0.5, lowest_threshold: 0.05, max_body_bytes: Infinity};
let picture = null;    // {name, width, height, bitmap}
let answer = null;     // the server's, of this picture: every instance down to the lowest threshold
let instances = [];    // the same with colours and masks, by falling score
let chosen = null;
let request_number = 0;

const threshold = () => Number($('threshold').value);
const shown = () => instances.filter(one => one.score >= threshold());
const options = () => ({skeleton: model.skeleton, masks: $('show-masks').checked, boxes: $('show-boxes').checked,
  labels: $('show-labels').checked});

function say(text, bad = false) {
  $('message').textContent = text;
  $('message').className = bad ? 'message bad' : 'message soft';
}

function paint() {
  if (!picture) return;
  // Small pictures are shown enlarged.
  const scale = Math.max(1, Math.min(8, Math.floor(640 / picture.width)));
  draw_picture($('canvas'), picture, shown(), options(), chosen, scale);
}

function list() {
  const visible = shown();
  $('threshold-text').value = Math.round(100 * threshold()) + '%';
  $('count').textContent = answer ? `${visible.length} of ${instances.length}` : '';
  $('found').replaceChildren(...visible.map(one => {
    const item = document.createElement('li'), dot = document.createElement('span');
    const name = document.createElement('span'), score = document.createElement('span');
    dot.className = 'dot';
    dot.style.background = one.colour;
    name.className = 'name';
    name.textContent = one.category;
    score.className = 'score';
    score.textContent = (100 * one.score).toFixed(1) + '%';
    item.append(dot, name, score);
    item.classList.toggle('on', one === chosen);
    item.addEventListener('pointerenter', () => choose(one));
    item.addEventListener('pointerleave', () => choose(null));
    one.item = item;
    return item;
  }));
}

function refresh() {
  if (chosen && chosen.score < threshold()) chosen = null;
  list();
  paint();
}

function choose(one) {
  if (one === chosen) return;
  if (chosen && chosen.item) chosen.item.classList.remove('on');
  chosen = one;
  if (chosen && chosen.item) chosen.item.classList.add('on');
  paint();
}

// The instance under a point of the picture: a mask before a box, the smaller before the larger.
function instance_at(x, y) {
  const inside = shown().filter(({bbox}) => x >= bbox[0] && y >= bbox[1] && x < bbox[0] + bbox[2] &&
    y < bbox[1] + bbox[3]);
  const exact = inside.filter(one => one.mask && mask_has(one.mask, Math.floor(x), Math.floor(y)));
  const area = one => one.bbox[2] * one.bbox[3];
  return (exact.length ? exact : inside).sort((a, b) => area(a) - area(b))[0] || null;
}

function point(event) {
  const canvas = $('canvas'), place = canvas.getBoundingClientRect(), stage = $('stage').getBoundingClientRect();
  const one = instance_at((event.clientX - place.left) * picture.width / place.width,
    (event.clientY - place.top) * picture.height / place.height);
  choose(one);
  const tip = $('tip');
  tip.hidden = !one;
  if (!one) return;
  tip.textContent = `${one.category} ${(100 * one.score).toFixed(1)}%`;
  const x = event.clientX - stage.left + 14, y = event.clientY - stage.top + 14;
  tip.style.left = Math.max(0, Math.min(x, stage.width - tip.offsetWidth - 4)) + 'px';
  tip.style.top = Math.max(0, Math.min(y, stage.height - tip.offsetHeight - 4)) + 'px';
}

function fill(result) {
  answer = result;
  instances = result.instances.map(record => {
    const colour = class_colour(Math.max(0, model.classes.indexOf(record.category)));
    const mask = record.segmentation ? decode_mask(record.segmentation, record.bbox) : null;
    return {...record, colour, mask, paint: mask ? paint_mask(mask, colour) : null};
  });
  $('save-json').disabled = $('save-png').disabled = false;
  say(`answered in ${Math.round(result.queue_ms + result.predict_ms)} ms`);
  refresh();
}

async function ask(file, number) {
  const response = await fetch('v1/predict?threshold=' + model.lowest_threshold, {method: 'POST', body: file});
  let result = null;
  try { result = await response.json(); } catch (error) { result = {error: 'the server answered ' + response.status}; }
  if (number !== request_number) return;  // another picture came meanwhile
  if (response.ok) return fill(result.images[0]);
  const later = response.headers.get('Retry-After');
  say(result.error + (later ? ` (in ${later} s)` : ''), true);
}

async function open_picture(file) {
  const number = ++request_number;
  answer = null;
  instances = [];
  chosen = null;
  $('save-json').disabled = $('save-png').disabled = true;
  if (file.size > model.max_body_bytes)
    return say(`This file has ${(file.size / 1e6).toFixed(1)} MB; the server takes ` +
      `${(model.max_body_bytes / 1e6).toFixed(1)} MB.`, true);
  let bitmap = null;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch (error) {
    return say(`${file.name || 'This'} is not a picture that the browser can read.`, true);
  }
  if (number !== request_number) return;
  picture = {name: file.name || 'pasted.png', width: bitmap.width, height: bitmap.height, bitmap};
  $('name').textContent = picture.name;
  $('size').textContent = `${picture.width} × ${picture.height}`;
  $('invite').hidden = true;
  $('canvas').hidden = $('another').hidden = false;
  $('stage').classList.add('filled');
  say('looking …');
  refresh();
  try {
    await ask(file, number);
  } catch (error) {
    if (number === request_number) say('The server does not answer. Is it still running?', true);
  }
}

function save(blob, ending) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = picture.name.replace(/\.[^.]*$/, '') + ending;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function result_json() {
  const kept = answer.instances.filter(one => one.score >= threshold());
  return JSON.stringify({file_name: picture.name, height: answer.height, width: answer.width, instances: kept}, null, 1);
}

$('save-json').addEventListener('click', () => save(new Blob([result_json()], {type: 'application/json'}), '.json'));
$('save-png').addEventListener('click', () => {
  const canvas = document.createElement('canvas');
  draw_picture(canvas, picture, shown(), options(), null);
  canvas.toBlob(blob => save(blob, '.png'), 'image/png');
});
for (const input of document.querySelectorAll('input[type=file]')) {
  input.addEventListener('change', () => {
    if (input.files[0]) open_picture(input.files[0]);
    input.value = '';
  });
}
for (const id of ['threshold', 'show-masks', 'show-boxes', 'show-labels']) $(id).addEventListener('input', refresh);
$('canvas').addEventListener('pointermove', point);
$('canvas').addEventListener('pointerdown', point);
$('canvas').addEventListener('pointerleave', () => { $('tip').hidden = true; choose(null); });
document.addEventListener('dragover', event => { event.preventDefault(); $('stage').classList.add('over'); });
document.addEventListener('dragleave', event => { if (!event.relatedTarget) $('stage').classList.remove('over'); });
document.addEventListener('drop', event => {
  event.preventDefault();
  $('stage').classList.remove('over');
  if (event.dataTransfer.files[0]) open_picture(event.dataTransfer.files[0]);
});
document.addEventListener('paste', event => {
  const file = [...event.clipboardData.files].find(one => one.type.startsWith('image/'));
  if (file) open_picture(file);
});
window.addEventListener('resize', paint);
fetch('v1/model').then(response => response.json()).then(description => {
  model = description;
  $('model').textContent = `${model.classes.length} classes`;
  $('model').title = model.classes.join(', ');
  $('threshold').min = model.lowest_threshold;
  $('threshold').value = model.score_threshold;
  refresh();
}).catch(() => say('The server does not answer. Is it still running?', true));
list();
)js";
}

}  // namespace fastermask
