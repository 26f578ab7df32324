// The behaviour of the HTML report: fills the page from the data. Names from the data only ever become text nodes.
#include "fastermask/report/html_page.h"

namespace fastermask {

std::string_view html_page_script() {
  return R"js(
const data = JSON.parse($('data').textContent);
const series = new Map(data.training.series.map(s => [s.name, s.values]));
const history_series = new Map(data.history.series.map(s => [s.name, s.values]));
const color_of = i => `var(--c${i % 8})`;
const METRICS = ['AP', 'AP50', 'AP75', 'APs', 'APm', 'APl'];
const TASK_NAMES = new Map([['bbox', 'boxes'], ['segm', 'masks'], ['keypoints', 'keypoints']]);
const task_name = task => TASK_NAMES.get(task) || task;
const percent = value => value === null || value === undefined ? '–' : value.toFixed(1);
const latest = values => values ? values.reduce((last, v) => v === null ? last : v, null) : null;
const median = values => {
  const sorted = (values || []).filter(v => v !== null).sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : null;
};

// task -> metric -> value: the given results, or those of the last evaluation while training.
function current_results() {
  if (data.evaluation.length) return new Map(data.evaluation.map(([task, values]) => [task, new Map(values)]));
  const results = new Map();
  for (const [name, values] of history_series) {
    const cut = name.indexOf('/');
    const task = name.slice(0, cut);
    if (!results.has(task)) results.set(task, new Map());
    results.get(task).set(name.slice(cut + 1), values[values.length - 1]);
  }
  return results;
}

const results = current_results();
const charts = [];

function duration(seconds) {
  const s = Math.round(seconds), h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60);
  return h ? `${h} h ${m} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}

function fill_header() {
  $('title').textContent = data.title || 'FasterMask report';
  document.title = data.title || 'FasterMask report';
  $('state').hidden = !data.running && !data.done;
  $('state').textContent = data.running ? 'training' : data.total > data.done ? 'stopped' : 'finished';
  $('state').classList.toggle('running', data.running);
  if (data.total > 0) {
    const part = Math.max(0, Math.min(100, data.done / data.total * 100));
    const bar = $('progress').querySelector('[role=progressbar]');
    bar.firstElementChild.style.width = part + '%';
    bar.setAttribute('aria-valuenow', part.toFixed(0));
    const step = median(series.get('time'));
    const left = data.running && step ? `, about ${duration(step * (data.total - data.done))} left` : '';
    $('progress-text').textContent = `iteration ${data.done} of ${data.total}${left}`;
    $('progress').hidden = false;
  }
}

function add_tile(name, value, note) {
  $('tiles').append(make('div', {className: 'tile'}, make('div', {className: 'name', textContent: name}),
    make('div', {className: 'value', textContent: value}), make('div', {className: 'note', textContent: note || ''})));
}

function fill_tiles() {
  for (const [task, values] of results) {
    const note = ['AP50', 'AP75'].filter(m => values.has(m)).map(m => `${m} ${percent(values.get(m))}`).join(' · ');
    add_tile(`AP of ${task_name(task)}`, percent(values.get('AP')), note);
  }
  const total = series.get('total_loss');
  if (total) {
    const first = total.find(v => v !== null);
    add_tile('Total loss', number_text(latest(total), 3), `began at ${number_text(first, 3)}`);
  }
  const step = median(series.get('time')), waiting = median(series.get('data_time'));
  if (step !== null) {
    const note = waiting === null ? '' : `${(waiting / step * 100).toFixed(1)} % of it waiting for data`;
    add_tile('Time per iteration', number_text(step, 3) + ' s', note);
  }
  $('tiles').hidden = !$('tiles').childElementCount;
}

function add_chart(id, x, lines, options) {
  const used = lines.filter(line => line.values && line.values.some(v => v !== null));
  if (!used.length || !x.length) return null;
  $(id).hidden = false;
  const chart = make_chart($(id).querySelector('.plot'), x, used, {name: id, ...options});
  charts.push(chart);
  return chart;
}

function remember_input(input, name, apply) {
  const property = input.type === 'checkbox' ? 'checked' : 'value';
  input[property] = remembered.get(name, input[property]);
  const act = () => {
    remembered.set(name, input[property]);
    apply(input[property]);
  };
  input.addEventListener('input', act);
  act();
}

function draw_training() {
  const x = data.training.iterations;
  const parts = [...series.keys()].filter(name => name.startsWith('loss_'));
  const lines = parts.map((name, i) => ({name, values: series.get(name), color: color_of(i), dash: i >= 8}));
  lines.unshift({name: 'total_loss', values: series.get('total_loss'), color: 'var(--ink)', main: true});
  const losses = add_chart('losses', x, lines, {from_zero: true});
  if (losses) {
    remember_input($('smooth'), 'smooth', value => losses.set_smooth(+value));
    remember_input($('log'), 'log', losses.set_log);
  }
  add_chart('rate', x, [{name: 'lr', values: series.get('lr'), color: color_of(0)}], {from_zero: true});
  const waiting = series.get('data_time'), time = series.get('time');
  const rest = time && waiting && time.map((t, i) => t === null || waiting[i] === null ? null : t - waiting[i]);
  add_chart('speed', x, [
    {name: 'whole iteration', values: time, color: color_of(0), main: true},
    {name: 'waiting for data', values: waiting, color: color_of(1)},
    {name: 'forward', values: series.get('forward_time'), color: color_of(2)},
    {name: 'backward', values: series.get('backward_time'), color: color_of(3)},
    {name: 'optimiser', values: series.get('update_time'), color: color_of(4)},
    {name: 'computing', values: rest, color: color_of(5), hidden: true},
  ], {from_zero: true, unit: ' s'});
}

function draw_precision() {
  const x = data.history.iterations;
  const tasks = [...new Set([...history_series.keys()].map(name => name.split('/')[0]))];
  const has_values = line => line.values && line.values.some(v => v !== null);
  const overall = METRICS.flatMap(metric => tasks.map(task => ({
    name: `${task} ${metric}`, values: history_series.get(`${task}/${metric}`), hidden: metric !== 'AP',
    main: metric === 'AP',
  }))).filter(has_values);
  overall.forEach((line, i) => Object.assign(line, {color: color_of(i), dash: i >= 8}));
  const of_class = name => tasks.map((task, i) => ({
    name: `${task} AP of ${name}`, values: history_series.get(`${task}/AP-${name}`), color: color_of(i),
  })).filter(has_values);
  const range = [0, Math.max(0, ...x.slice(-1), ...data.training.iterations.slice(-1))];
  const chart = add_chart('precision', x, overall, {from_zero: true, ceiling: 100, range});
  const names = new Set();
  for (const key of history_series.keys()) {
    const cut = key.indexOf('/AP-');
    if (cut >= 0 && has_values({values: history_series.get(key)})) names.add(key.slice(cut + 4));
  }
  if (!chart || !names.size) return;
  $('class-label').hidden = false;
  $('class').append(make('option', {value: '', textContent: 'all classes'}));
  const choices = [...names].sort((a, b) => a.localeCompare(b));
  choices.forEach((name, i) => $('class').append(make('option', {value: String(i), textContent: name})));
  $('class').addEventListener('change', () => {
    const choice = $('class').value;
    chart.set_lines(choice === '' ? overall : of_class(choices[+choice]));
  });
}

// Curves over something else: a section each, before the results. From blue for the first line to red for the last.
function draw_charts() {
  data.charts.forEach((chart, number) => {
    const plot = make('div', {className: 'plot tall'});
    const card = make('section', {className: 'card wide', id: 'chart' + number}, make('div', {className: 'top'},
      make('h2', {textContent: chart.title}), make('div', {className: 'tools'})), plot);
    card.setAttribute('aria-label', chart.title);
    $('results').before(card);
    const hue = i => 220 * (1 - i / Math.max(1, chart.lines.length - 1));
    add_chart(card.id, chart.x, chart.lines.map((line, i) => ({...line, color: `hsl(${hue(i)} 70% var(--rainbow))`})),
      {from_zero: true, ceiling: 100, unit: ' %', x_name: chart.x_name});
  });
}

// Sections that were written in full; their tables learn to sort.
function place_cards() {
  [...$('cards').children].forEach(card => $('gallery-card').before(card));
  document.querySelectorAll('table.sortable').forEach(sort_by_heads);
}

function sort_by_heads(table) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  const key = (row, column) => {
    const text = row.cells[column].dataset.value || row.cells[column].textContent;
    return text !== '' && !isNaN(text) ? +text : text;
  };
  const number = value => typeof value === 'number';
  heads.forEach((head, column) => {
    if (head.classList.contains('fixed')) return;
    const button = make('button', {type: 'button', textContent: head.textContent});
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const before = head.getAttribute('aria-sort');
      const first = [...body.rows].some(row => number(key(row, column))) ? 'descending' : 'ascending';
      const order = !before || before === 'none' ? first : before === 'ascending' ? 'descending' : 'ascending';
      const sign = order === 'ascending' ? 1 : -1;
      const compare = (a, b) => {
        const p = key(a, column), q = key(b, column);
        if (number(p) && number(q)) return sign * (p - q);
        return number(p) !== number(q) ? number(q) - number(p) : sign * String(p).localeCompare(String(q));
      };
      heads.forEach(other => other.setAttribute('aria-sort', other === head ? order : 'none'));
      body.append(...[...body.rows].sort(compare));
    });
  });
}

function value_cell(value) {
  const cell = make('td', {textContent: percent(value)});
  if (typeof value !== 'number') return cell;
  cell.className = 'bar';
  cell.style.setProperty('--part', Math.max(0, Math.min(100, value)) + '%');
  return cell;
}

function fill_results() {
  const names = METRICS.filter(m => [...results.values()].some(values => values.has(m)));
  const others = [...new Set([...results.values()].flatMap(values => [...values.keys()]))]
    .filter(name => !METRICS.includes(name) && !name.startsWith('AP-'));
  const columns = [...names, ...others];
  if (!columns.length) return;
  const head = make('tr', {}, make('th', {textContent: 'task', scope: 'col'}),
    ...columns.map(name => make('th', {textContent: name, scope: 'col'})));
  const rows = [...results].map(([task, values]) => make('tr', {}, make('td', {textContent: task_name(task)}),
    ...columns.map(name => make('td', {textContent: percent(values.get(name))}))));
  $('results').querySelector('.scroll').append(make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows)));
  $('results').hidden = false;
}

// Class names first, then one column a task. A click on a head sorts; a second click turns the order round.
function fill_classes() {
  const tasks = [...results.keys()];
  const names = new Set(tasks.flatMap(task => [...results.get(task).keys()].filter(name => name.startsWith('AP-'))));
  if (!names.size) return;
  const value_of = (name, task) => results.get(task).get(name);
  const entries = [...names].map(name => ({label: name.slice(3), values: tasks.map(task => value_of(name, task))}));
  for (const entry of entries) {
    const cells = entry.values.map(value_cell);
    entry.row = make('tr', {}, make('td', {textContent: entry.label}), ...cells);
  }
  const order = remembered.get('order', {column: 0, down: false});
  const body = make('tbody', {});
  const heads = ['class', ...tasks.map(task_name)].map((label, column) => {
    const button = make('button', {type: 'button', textContent: label});
    button.addEventListener('click', () => {
      order.down = order.column === column ? !order.down : column > 0;
      order.column = column;
      remembered.set('order', order);
      sort();
    });
    return make('th', {scope: 'col'}, button);
  });
  function compare(a, b) {
    const sign = order.down ? -1 : 1;
    if (order.column === 0) return sign * a.label.localeCompare(b.label);
    const [p, q] = [a, b].map(entry => entry.values[order.column - 1]);
    if (typeof p !== 'number' || typeof q !== 'number') return (typeof q === 'number') - (typeof p === 'number');
    return sign * (p - q) || a.label.localeCompare(b.label);
  }
  function sort() {
    heads.forEach((head, i) =>
      head.setAttribute('aria-sort', i !== order.column ? 'none' : order.down ? 'descending' : 'ascending'));
    body.replaceChildren(...entries.sort(compare).map(entry => entry.row));
  }
  sort();
  $('filter').hidden = entries.length < 12;
  $('filter').addEventListener('input', () => {
    const wanted = $('filter').value.toLowerCase();
    for (const entry of entries) entry.row.hidden = !entry.label.toLowerCase().includes(wanted);
  });
  const table = make('table', {}, make('thead', {}, make('tr', {}, ...heads)), body);
  $('classes').querySelector('.scroll').append(table);
  $('classes').hidden = false;
}

// Pictures of the newest evaluation, then those of the evaluations one after the other.
function fill_galleries() {
  const pictures = [...$('pictures').querySelectorAll('img')];
  if (!pictures.length) return;
  const newest = pictures.length - data.over_time;
  const viewer = $('viewer');
  let current = 0;
  const show = index => {
    current = (index + pictures.length) % pictures.length;
    viewer.querySelector('img').src = pictures[current].src;
    viewer.querySelector('img').alt = data.captions[current];
    viewer.querySelector('p').textContent = data.captions[current];
    if (!viewer.open) viewer.showModal();
  };
  pictures.forEach((picture, i) => {
    picture.alt = data.captions[i] || `picture ${i + 1}`;
    const button = make('button', {type: 'button'}, picture, make('span', {textContent: data.captions[i]}));
    button.addEventListener('click', () => show(i));
    $(i < newest ? 'gallery' : 'over-time').append(button);
  });
  $('before').hidden = $('after').hidden = pictures.length < 2;
  $('before').addEventListener('click', () => show(current - 1));
  $('after').addEventListener('click', () => show(current + 1));
  $('close').addEventListener('click', () => viewer.close());
  viewer.querySelector('img').addEventListener('click', () => viewer.close());
  viewer.addEventListener('keydown', event => {
    if (event.key === 'ArrowLeft') show(current - 1);
    if (event.key === 'ArrowRight') show(current + 1);
  });
  $('gallery-card').hidden = !newest;
  $('over-time-card').hidden = !data.over_time;
}

function fill_rows(id, rows) {
  if (!rows.length) return;
  const lines = rows.map(([name, value]) =>
    make('tr', {}, make('td', {textContent: name}), make('td', {textContent: value})));
  $(id).append(make('table', {className: 'rows'}, make('tbody', {}, ...lines)));
  $(id).hidden = false;
}

// While the training runs the page loads itself anew, unless a person is in the middle of something.
function reload_while_running() {
  if (!data.running) return;
  $('reload').hidden = false;
  remember_input($('reload-on'), 'reload', () => {});
  setInterval(() => {
    const busy = $('viewer').open || charts.some(chart => chart.zoomed()) || document.hidden || $('filter').value;
    if ($('reload-on').checked && !busy) location.reload();
  }, 30000);
}

fill_header();
fill_tiles();
draw_training();
draw_precision();
draw_charts();
fill_results();
fill_classes();
place_cards();
fill_galleries();
fill_rows('dataset', data.dataset);
fill_rows('environment', data.environment);
$('config').hidden = !data.config;
$('config').querySelector('pre').textContent = data.config;
reload_while_running();
)js";
}

}  // namespace fastermask
