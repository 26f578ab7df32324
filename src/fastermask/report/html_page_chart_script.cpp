// The charts of the HTML report: plain JavaScript that draws SVG.
#include "fastermask/report/html_page.h"

namespace fastermask {

std::string_view html_page_chart_script() {
  return R"js('use strict';
const $ = id => document.getElementById(id);
const SVG_SPACE = $('svg').namespaceURI;

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function draw(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG_SPACE, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function number_text(value, digits = 4) {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return String(+value.toPrecision(Math.max(digits, Math.floor(Math.log10(size)) + 1)));
}

// What a person set (hidden lines, zoom, log scale) outlives the page's own reload. Files may have no storage.
const remembered = (() => {
  const key = 'fastermask ' + location.pathname;
  let all = {};
  try { all = JSON.parse(sessionStorage.getItem(key)) || {}; } catch (error) { all = {}; }
  return {
    get: (name, otherwise) => name in all ? all[name] : otherwise,
    set: (name, value) => {
      all[name] = value;
      try { sessionStorage.setItem(key, JSON.stringify(all)); } catch (error) { return; }
    },
  };
})();

function nice_ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = Math.pow(10, Math.floor(Math.log10(rough)));
  const step = power * [1, 2, 5, 10].find(s => s * power >= rough * 0.999);
  const ticks = [];
  const first = Math.ceil(low / step - 1e-9);
  for (let i = first; i * step <= high + step * 1e-9; ++i) ticks.push(+(i * step).toPrecision(12));
  return ticks;
}

function log_ticks(low, high) {
  const ticks = [];
  const factors = high / low > 1e3 ? [1] : high / low > 30 ? [1, 3] : [1, 2, 5];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); ++e) {
    for (const f of factors) {
      const tick = +(f * Math.pow(10, e)).toPrecision(6);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks.length > 1 ? ticks : [low, high];
}

// Exponential moving average that starts unbiased; gaps stay gaps.
function smoothed(values, weight) {
  if (!weight) return values;
  let sum = 0, total = 0;
  return values.map(v => {
    if (v === null) return null;
    sum = sum * weight + v * (1 - weight);
    total = total * weight + (1 - weight);
    return sum / total;
  });
}

// Draws `lines` = [{name, values, color, hidden, main, dash}] over the iterations `x` into host.
// options: name (for storage), unit, from_zero, ceiling, range (of the iterations; otherwise from first to last), x_name
// (what x is, where it is not iterations).
function make_chart(host, x, lines, options) {
  const svg = draw(host, 'svg', {tabindex: 0, role: 'img'});
  const tip = make('div', {className: 'tip', hidden: true});
  const legend = make('div', {className: 'legend'});
  const reset = make('button', {type: 'button', className: 'plain', textContent: 'reset zoom', hidden: true});
  host.append(tip);
  host.after(legend);
  host.parentElement.querySelector('.tools').prepend(reset);
  const x_name = options.x_name || 'iteration';
  svg.setAttribute('aria-label', `${host.parentElement.getAttribute('aria-label')} over ${x_name}. Arrow keys read ` +
    'values, plus and minus zoom, Escape resets.');
  const full = options.range || [x[0], x[x.length - 1]];
  if (full[0] === full[1]) { full[0] -= 1; full[1] += 1; }
  const saved = remembered.get(options.name + ' zoom', null);
  const zoom = saved && saved[1] > full[0] && saved[0] < full[1] ? saved : null;
  const state = {zoom, log: false, smooth: 0, at: null};
  let frame = null;  // what the last drawing used: scales, size

  const shown = () => lines.filter(line => !line.hidden);
  const usable = v => v !== null && (!state.log || v > 0);

  function value_range(from, to) {
    let low = Infinity, high = -Infinity;
    for (const line of shown()) {
      const values = line.smooth;
      for (let i = from; i <= to; ++i) {
        if (!usable(values[i])) continue;
        low = Math.min(low, values[i]);
        high = Math.max(high, values[i]);
      }
    }
    if (low > high) return state.log ? [0.1, 1] : [0, 1];
    if (state.log) return low === high ? [low / 2, high * 2] : [low / 1.1, high * 1.1];
    if (options.from_zero) low = Math.min(low, 0);
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low === 0 ? 0 : low - room, options.ceiling ? Math.min(options.ceiling, high + room) : high + room];
  }

  function path_of(values, from, to) {
    let path = '', pen = 'M';
    for (let i = from; i <= to; ++i) {
      if (!usable(values[i])) { pen = 'M'; continue; }
      path += pen + frame.px(x[i]).toFixed(1) + ' ' + frame.py(values[i]).toFixed(1);
      pen = 'L';
    }
    return path;
  }

  function paint() {
    const width = Math.max(host.clientWidth, 200), height = svg.clientHeight || 280;
    const [x0, x1] = state.zoom || full;
    let from = x.findIndex(v => v >= x0), to = x.length - 1;
    if (from < 0) from = to;
    while (to > from && x[to] > x1) --to;
    from = Math.max(0, from - 1);
    to = Math.min(x.length - 1, to + 1);
    for (const line of lines) line.smooth = smoothed(line.values, state.smooth);
    const [y0, y1] = value_range(from, to);
    const f = state.log ? Math.log : v => v;
    const y_ticks = state.log ? log_ticks(y0, y1) : nice_ticks(y0, y1, height / 55);
    const left = 14 + 7.2 * Math.max(...y_ticks.map(t => number_text(t).length)), right = width - 10;
    const top = 10, bottom = height - 24;
    frame = {
      left, right, top, bottom, from, to,
      px: v => left + (v - x0) / (x1 - x0) * (right - left),
      py: v => bottom - (f(v) - f(y0)) / (f(y1) - f(y0)) * (bottom - top),
      iteration: p => x0 + (p - left) / (right - left) * (x1 - x0),
    };
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const clip = options.name + '-clip';
    draw(draw(svg, 'clipPath', {id: clip}), 'rect',
      {x: left - 4, y: top - 4, width: right - left + 8, height: bottom - top + 8});
    for (const t of y_ticks) {
      const y = frame.py(t);
      draw(svg, 'line', {class: 'gridline', x1: left, x2: right, y1: y, y2: y});
      draw(svg, 'text', {x: left - 7, y: y + 4, 'text-anchor': 'end'}, number_text(t));
    }
    for (const t of nice_ticks(x0, x1, width / 110).filter(t => Number.isInteger(t))) {
      const p = frame.px(t);
      draw(svg, 'line', {class: 'axis', x1: p, x2: p, y1: bottom, y2: bottom + 4});
      const label = t >= 1e4 ? t / 1000 + 'k' : String(t);
      draw(svg, 'text', {x: Math.min(p, width - 4 * label.length), y: height - 5, 'text-anchor': 'middle'}, label);
    }
    draw(svg, 'line', {class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom});
    const area = draw(svg, 'g', {'clip-path': `url(#${clip})`});
    for (const line of shown()) paint_line(area, line);
    frame.over = draw(svg, 'g', {});
    reset.hidden = !state.zoom;
    if (state.at !== null) point_at(state.at);
  }

  function paint_line(area, line) {
    const {from, to} = frame;
    const style = `stroke: ${line.color}` + (line.dash ? '; stroke-dasharray: 6 4' : '');
    if (state.smooth) draw(area, 'path', {class: 'curve raw', d: path_of(line.values, from, to), style});
    draw(area, 'path', {class: 'curve' + (line.main ? ' main' : ''), d: path_of(line.smooth, from, to), style});
    if (to - from > 40) return;
    for (let i = from; i <= to; ++i) {
      if (!usable(line.smooth[i])) continue;
      draw(area, 'circle', {cx: frame.px(x[i]), cy: frame.py(line.smooth[i]), r: 3, style: `fill: ${line.color}`});
    }
  }

  function point_at(index) {
    state.at = Math.max(0, Math.min(x.length - 1, index));
    const i = state.at, p = frame.px(x[i]);
    frame.over.replaceChildren();
    tip.hidden = p < frame.left - 1 || p > frame.right + 1;
    if (tip.hidden) return;
    draw(frame.over, 'line', {class: 'cursor', x1: p, x2: p, y1: frame.top, y2: frame.bottom});
    const rows = shown().filter(line => line.values[i] !== null);
    tip.replaceChildren(make('div', {textContent: x_name + ' ' + x[i]}));
    for (const line of rows) {
      const dot = make('span', {className: 'dot'});
      dot.style.background = line.color;
      tip.append(make('div', {}, dot, make('span', {textContent: line.name}),
        make('b', {textContent: number_text(line.smooth[i]) + (options.unit || '')})));
      if (!usable(line.smooth[i])) continue;
      draw(frame.over, 'circle', {cx: p, cy: frame.py(line.smooth[i]), r: 4, style: `fill: ${line.color}`});
    }
    const room = host.clientWidth - tip.offsetWidth - 4;
    const beside = p + 14 <= room ? p + 14 : p - 14 - tip.offsetWidth;
    tip.style.left = Math.max(0, Math.min(room, beside)) + 'px';
  }

  function leave() {
    state.at = null;
    tip.hidden = true;
    if (frame) frame.over.replaceChildren();
  }

  function zoom_to(from, to) {
    const range = [Math.max(full[0], from), Math.min(full[1], to)];
    if (range[1] - range[0] < 1) return;
    state.zoom = range[0] <= full[0] && range[1] >= full[1] ? null : range;
    remembered.set(options.name + ' zoom', state.zoom);
    paint();
  }

  const reset_zoom = () => zoom_to(full[0], full[1]);
  const place = event => event.clientX - svg.getBoundingClientRect().left;

  function nearest(position) {
    const wanted = frame.iteration(position);
    let low = 0, high = x.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (x[middle] < wanted) low = middle; else high = middle;
    }
    return wanted - x[low] < x[high] - wanted ? low : high;
  }

  let drag = null;  // where the drag began, and the rectangle shown
  svg.addEventListener('pointerdown', event => {
    if (event.button !== 0) return;
    drag = {start: Math.max(frame.left, place(event)), box: null};
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener('pointermove', event => {
    point_at(nearest(place(event)));
    if (!drag) return;
    const end = Math.max(frame.left, Math.min(frame.right, place(event)));
    drag.from = Math.min(drag.start, end);
    drag.to = Math.max(drag.start, end);
    draw(frame.over, 'rect',
      {class: 'choice', x: drag.from, width: drag.to - drag.from, y: frame.top, height: frame.bottom - frame.top});
  });
  svg.addEventListener('pointerup', () => {
    const done = drag;
    drag = null;
    if (done && done.to - done.from > 8) zoom_to(frame.iteration(done.from), frame.iteration(done.to));
  });
  svg.addEventListener('pointercancel', () => { drag = null; leave(); });
  svg.addEventListener('pointerleave', () => { if (!drag) leave(); });
  svg.addEventListener('blur', leave);
  svg.addEventListener('dblclick', reset_zoom);
  reset.addEventListener('click', reset_zoom);
  svg.addEventListener('keydown', event => {
    const at = state.at === null ? Math.round((frame.from + frame.to) / 2) : state.at;
    const [a, b] = state.zoom || full;
    const around = factor => zoom_to(x[at] - (x[at] - a) * factor, x[at] + (b - x[at]) * factor);
    const step = event.shiftKey ? 10 : 1;
    const acts = {
      ArrowLeft: () => point_at(at - step), ArrowRight: () => point_at(at + step),
      Home: () => point_at(frame.from), End: () => point_at(frame.to),
      '+': () => around(0.5), '=': () => around(0.5), '-': () => around(2), Escape: reset_zoom, 0: reset_zoom,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  });

  function fill_legend() {
    const hidden = remembered.get(options.name + ' hidden', {});
    legend.replaceChildren(...lines.map(line => {
      const key = 'line ' + line.name;
      if (key in hidden) line.hidden = hidden[key];
      const dot = make('span', {className: 'dot'});
      dot.style.background = line.color;
      const button = make('button', {type: 'button'}, dot, line.name);
      button.setAttribute('aria-pressed', String(!line.hidden));
      button.addEventListener('click', () => {
        line.hidden = !line.hidden;
        button.setAttribute('aria-pressed', String(!line.hidden));
        remembered.set(options.name + ' hidden', {...remembered.get(options.name + ' hidden', {}), [key]: line.hidden});
        paint();
      });
      return button;
    }));
    legend.hidden = lines.length < 2;
  }

  fill_legend();
  new ResizeObserver(() => paint()).observe(host);
  paint();
  return {
    zoomed: () => state.zoom !== null,
    set_log: on => { state.log = on; paint(); },
    set_smooth: weight => { state.smooth = weight; paint(); },
    set_lines: next => { lines = next; leave(); fill_legend(); paint(); },
  };
}
)js";
}

}  // namespace fastermask
