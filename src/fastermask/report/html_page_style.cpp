// The looks of the HTML report.
#include "fastermask/report/html_page.h"

namespace fastermask {

std::string_view html_page_style() {
  return R"css(:root {
  --page: #f5f6f8; --card: #ffffff; --ink: #1b2230; --soft: #5c6675; --line: #dde1e8; --grid: #e9ecf1;
  --accent: #1f66d1; --good: #16794c; --track: #e4e8ee; --bar: #d3e2f8;
  --c0: #1f66d1; --c1: #d1521f; --c2: #16855b; --c3: #8a3fc0; --c4: #b8860b; --c5: #c2256b; --c6: #0f8a9d;
  --c7: #6b7280; --rainbow: 42%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1b2029; --ink: #e8ebf0; --soft: #a0a9b8; --line: #313846; --grid: #282f3b;
    --accent: #76a9fa; --good: #5fd49b; --track: #2b323f; --bar: #2a436b;
    --c0: #76a9fa; --c1: #ff9565; --c2: #5fd49b; --c3: #c79bf2; --c4: #e6bd4c; --c5: #ff85b5; --c6: #5cd0e0;
    --c7: #a3abba; --rainbow: 64%;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 20px clamp(12px, 2.5vw, 32px) 48px; max-width: 1500px; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0; }
button, select, input { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-bottom: 14px; }
.head .reload { margin-left: auto; }
.state { padding: 1px 10px; border-radius: 99px; border: 1px solid currentColor; font-size: 13px; color: var(--good); }
.state.running { color: var(--accent); }
.soft { color: var(--soft); font-size: 13px; }
.progress { height: 8px; border-radius: 99px; background: var(--track); overflow: hidden; margin: 0 0 6px; }
.progress > div { height: 100%; background: var(--accent); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 14px 0; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; min-width: 0; }
.tile { padding: 12px 14px; }
.tile .name { color: var(--soft); font-size: 13px; }
.tile .value { font-size: 28px; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile .note { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
.grid { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; }
.card { padding: 14px 16px; }
@media (min-width: 960px) {
  .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .wide { grid-column: 1 / -1; }
}
.top { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-bottom: 8px; }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 14px; margin-left: auto; font-size: 13px; }
.tools label { display: inline-flex; align-items: center; gap: 6px; }
.tools input[type=range] { width: 96px; accent-color: var(--accent); }
.tools input[type=checkbox] { accent-color: var(--accent); width: 16px; height: 16px; margin: 0; }
.tools select, .tools input[type=search] {
  background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 3px 8px; max-width: 220px;
}
.plain {
  background: none; border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; cursor: pointer;
  font-size: 13px;
}
.plain:hover { border-color: var(--accent); }
.plot { position: relative; }
.plot svg { display: block; width: 100%; height: 280px; touch-action: pan-y; cursor: crosshair; user-select: none; }
.plot.tall svg { height: 340px; }
.plot text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.plot .gridline { stroke: var(--grid); stroke-width: 1; }
.plot .axis { stroke: var(--line); stroke-width: 1; }
.plot .curve { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.plot .curve.raw { opacity: 0.25; stroke-width: 1; }
.plot .curve.main { stroke-width: 2.25; }
.plot .cursor { stroke: var(--soft); stroke-dasharray: 3 3; }
.plot .choice { fill: var(--accent); opacity: 0.15; }
.tip {
  position: absolute; top: 8px; pointer-events: none; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 6px 10px; font-size: 12.5px; box-shadow: 0 4px 14px rgba(0, 0, 0, 0.18);
  font-variant-numeric: tabular-nums; max-width: 80%; z-index: 2;
}
.tip div { display: flex; align-items: center; gap: 7px; white-space: nowrap; }
.tip b { margin-left: auto; padding-left: 14px; }
.dot { width: 10px; height: 10px; border-radius: 3px; flex: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 6px; margin-top: 8px; }
.legend button {
  display: inline-flex; align-items: center; gap: 6px; background: none; border: 1px solid transparent;
  border-radius: 6px;
  padding: 3px 8px; font-size: 13px; cursor: pointer;
}
.legend button:hover { border-color: var(--line); }
.legend button[aria-pressed=false] { color: var(--soft); text-decoration: line-through; }
.legend button[aria-pressed=false] .dot { opacity: 0.25; }
.scroll { overflow: auto; max-height: 520px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 96px; }
thead th { position: sticky; top: 0; background: var(--card); z-index: 1; font-weight: 600; }
thead button { background: none; border: 0; padding: 0; cursor: pointer; font-weight: 600; }
thead button::after { content: " \2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \2191"; color: var(--accent); }
th[aria-sort=descending] button::after { content: " \2193"; color: var(--accent); }
td.bar { background-image: linear-gradient(var(--bar), var(--bar)); background-repeat: no-repeat;
  background-position: right; background-size: var(--part) calc(100% - 8px); }
.small { display: block; width: 120px; height: 36px; margin-left: auto; background: var(--page); }
.small polyline { fill: none; stroke-width: 1.5; }
@media (max-width: 520px) {
  .card { padding: 12px; }
  th, td { padding: 6px 7px; }
  th:first-child, td:first-child { padding-left: 0; min-width: 72px; }
}
.rows td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.rows td:first-child { color: var(--soft); width: 34%; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 12px; }
.gallery button { padding: 0; border: 1px solid var(--line); border-radius: 8px; background: var(--page);
  cursor: zoom-in;
  overflow: hidden; text-align: left; display: flex; flex-direction: column; }
.gallery button:hover { border-color: var(--accent); }
.gallery img { display: block; width: 100%; height: auto; max-height: 320px; object-fit: contain;
  background: var(--track); }
.gallery span { padding: 7px 10px; font-size: 13px; overflow-wrap: anywhere; }
dialog { border: 0; padding: 0; width: 100vw; height: 100vh; max-width: none; max-height: none; background: var(--page);
  color: var(--ink); }
dialog[open] { display: flex; flex-direction: column; }
dialog img { flex: 1; min-height: 0; width: 100%; object-fit: contain; padding: 8px; }
dialog .bottom { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; padding: 10px 16px;
  border-top: 1px solid var(--line); }
dialog p { margin: 0 auto 0 0; overflow-wrap: anywhere; }
summary { cursor: pointer; font-weight: 600; font-size: 17px; }
pre { overflow: auto; max-height: 560px; margin: 10px 0 0;
  font: 13px/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono",
  monospace; }
)css";
}

}  // namespace fastermask
