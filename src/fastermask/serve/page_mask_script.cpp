// The page's masks and drawing: plain JavaScript.
#include "fastermask/serve/page.h"

namespace fastermask {

std::string_view serve_page_mask_script() {
  return R"js('use strict';
const $ = id => document.getElementById(id);

// Okabe and Ito's colours, then hues by the golden angle: as `fastermask predict` draws classes.
function class_colour(index) {
  const first = ['#e69f00', '#56b4e9', '#009e73', '#cc79a7', '#f0e442', '#d55e00', '#0072b2'];
  if (index < first.length) return first[index];
  const later = index - first.length, hue = (300 + 137.50776405 * later) % 360, light = [0.45, 0.72, 0.58][later % 3];
  const amplitude = 0.75 * Math.min(light, 1 - light);
  const channel = offset => {
    const k = (offset + hue / 30) % 12;
    const value = light - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(255 * value).toString(16).padStart(2, '0');
  };
  return '#' + channel(0) + channel(8) + channel(4);
}

const channels = colour => [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));

function wants_dark_text(colour) {
  const light = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const [r, g, b] = channels(colour).map(v => light(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179;
}

// COCO's compressed run lengths: groups of five bits, low first; from the fourth on as differences.
function runs_of(text) {
  const runs = [];
  for (let at = 0; at < text.length;) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const c = text.charCodeAt(at++) - 48;
      value |= (c & 31) << shift;
      more = (c & 32) !== 0;
      shift += 5;
      if (!more && (c & 16) && shift < 32) value |= -1 << shift;
    }
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

// The mask inside its box, one byte a pixel: {x, y, width, height, pixels}. Runs go down the columns.
function decode_mask(segmentation, bbox) {
  const [height, width] = segmentation.size;
  const x = Math.max(0, Math.floor(bbox[0]) - 1), y = Math.max(0, Math.floor(bbox[1]) - 1);
  const mask = {x, y, width: Math.min(width, Math.ceil(bbox[0] + bbox[2]) + 1) - x,
    height: Math.min(height, Math.ceil(bbox[1] + bbox[3]) + 1) - y};
  mask.pixels = new Uint8Array(Math.max(0, mask.width * mask.height));
  let position = 0, set = false;
  for (const run of runs_of(segmentation.counts)) {
    for (let i = set ? 0 : run; i < run; ++i) {
      const column = Math.floor((position + i) / height) - x, row = (position + i) % height - y;
      if (column >= 0 && column < mask.width && row >= 0 && row < mask.height)
        mask.pixels[row * mask.width + column] = 1;
    }
    position += run;
    set = !set;
  }
  return mask;
}

const mask_has = (mask, x, y) => x >= mask.x && y >= mask.y && x < mask.x + mask.width && y < mask.y + mask.height &&
  mask.pixels[(y - mask.y) * mask.width + x - mask.x] === 1;

// The mask as a small canvas: filled thinly, with its outline opaque.
function paint_mask(mask, colour) {
  const canvas = document.createElement('canvas');
  canvas.width = mask.width;
  canvas.height = mask.height;
  if (!mask.width || !mask.height) return canvas;
  const context = canvas.getContext('2d'), image = context.createImageData(mask.width, mask.height);
  const [r, g, b] = channels(colour);
  const inside = (x, y) => x >= 0 && y >= 0 && x < mask.width && y < mask.height && mask.pixels[y * mask.width + x];
  for (let y = 0; y < mask.height; ++y) {
    for (let x = 0; x < mask.width; ++x) {
      if (!inside(x, y)) continue;
      const edge = !inside(x - 1, y) || !inside(x + 1, y) || !inside(x, y - 1) || !inside(x, y + 1);
      image.data.set([r, g, b, edge ? 255 : 110], 4 * (y * mask.width + x));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Draws the picture, `scale` times as large, and its instances; `chosen`, one of them, stands out. Lines and letters
// have the same size on the screen whatever the picture's.
function draw_picture(canvas, picture, instances, options, chosen, scale = 1) {
  canvas.width = picture.width * scale;
  canvas.height = picture.height * scale;
  const context = canvas.getContext('2d');
  context.scale(scale, scale);
  context.imageSmoothingEnabled = scale === 1;
  context.drawImage(picture.bitmap, 0, 0, picture.width, picture.height);
  const shown = canvas.clientWidth || canvas.width, unit = Math.max(picture.width / shown, picture.width / 1600);
  for (const one of [...instances].reverse()) {
    context.globalAlpha = chosen && one !== chosen ? 0.35 : 1;
    const [x, y, width, height] = one.bbox;
    if (options.masks && one.paint && one.paint.width && one.paint.height)
      context.drawImage(one.paint, one.mask.x, one.mask.y);
    if (options.boxes) {
      context.lineWidth = 4 * unit;
      context.strokeStyle = 'rgba(0, 0, 0, 0.45)';
      context.strokeRect(x, y, width, height);
      context.lineWidth = (one === chosen ? 3.5 : 2) * unit;
      context.strokeStyle = one.colour;
      context.strokeRect(x, y, width, height);
    }
    const joint = k => one.keypoints && one.keypoints[3 * k + 2] > 0.05
      ? [one.keypoints[3 * k] + 0.5, one.keypoints[3 * k + 1] + 0.5] : null;
    for (const [from, to] of options.skeleton) {
      if (!joint(from) || !joint(to)) continue;
      context.beginPath();
      context.moveTo(...joint(from));
      context.lineTo(...joint(to));
      context.lineWidth = 2 * unit;
      context.strokeStyle = one.colour;
      context.stroke();
    }
    for (let k = 0; k + 2 < (one.keypoints || []).length; k += 3) {
      if (!joint(k / 3)) continue;
      context.beginPath();
      context.arc(one.keypoints[k] + 0.5, one.keypoints[k + 1] + 0.5, 3 * unit, 0, 7);
      context.fillStyle = one.colour;
      context.fill();
    }
    if (options.labels) draw_label(context, one, unit, picture);
  }
  context.globalAlpha = 1;
}

function draw_label(context, one, unit, picture) {
  const text = `${one.category} ${Math.round(100 * one.score)}%`, size = 13 * unit;
  context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
  const width = context.measureText(text).width + 0.6 * size, height = 1.4 * size;
  const x = Math.max(0, Math.min(one.bbox[0], picture.width - width));
  const y = Math.max(0, one.bbox[1] - height >= 0 ? one.bbox[1] - height : one.bbox[1]);
  context.fillStyle = one.colour;
  context.fillRect(x, y, width, height);
  context.fillStyle = wants_dark_text(one.colour) ? '#000' : '#fff';
  context.fillText(text, x + 0.3 * size, y + 1.03 * size);
}
)js";
}

}  // namespace fastermask
