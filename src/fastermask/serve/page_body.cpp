// The structure and the looks of the page at `/`.
#include "fastermask/serve/page.h"

namespace fastermask {

std::string_view serve_page_style() {
  return R"css(
.layout { display: grid; grid-template-columns: minmax(0, 1fr); gap: 14px; align-items: start; }
@media (min-width: 960px) { .layout { grid-template-columns: minmax(0, 1fr) 330px; } }
.stage {
  position: relative; display: grid; place-items: center; min-height: min(60vh, 460px); border-radius: 8px;
  border: 2px dashed var(--line); background: var(--page); overflow: hidden;
}
.stage.filled { border: 0; min-height: 0; }
.stage.over { border-color: var(--accent); box-shadow: 0 0 0 3px var(--accent); }
.stage canvas { display: block; max-width: 100%; max-height: 78vh; border-radius: 8px; }
.stage .tip { top: auto; }
.invite { text-align: center; padding: 28px 16px; }
.invite p { margin: 0 0 12px; }
.invite b { font-size: 17px; }
.main-button {
  display: inline-block; background: var(--accent); color: var(--card); border: 0; border-radius: 8px;
  padding: 9px 18px; cursor: pointer; font-weight: 600;
}
.main-button:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
.main-button input, .plain input[type=file] { position: absolute; width: 1px; height: 1px; opacity: 0; }
label.plain { display: inline-block; }
label.plain:focus-within { outline: 2px solid var(--accent); outline-offset: 2px; }
.message { margin: 10px 0 0; overflow-wrap: anywhere; }
.message.bad { color: #c0362c; font-weight: 600; }
@media (prefers-color-scheme: dark) { .message.bad { color: #ff8a80; } }
.slider { display: grid; gap: 4px; margin-bottom: 12px; }
.slider div { display: flex; justify-content: space-between; }
.slider output { font-weight: 600; font-variant-numeric: tabular-nums; }
.slider input { width: 100%; height: 28px; accent-color: var(--accent); margin: 0; }
.switches, .buttons { display: flex; flex-wrap: wrap; gap: 8px 16px; margin-bottom: 12px; }
.switches label { display: inline-flex; align-items: center; gap: 6px; min-height: 28px; }
.switches input { width: 16px; height: 16px; accent-color: var(--accent); margin: 0; }
.buttons button { padding: 6px 14px; }
.buttons button:disabled { color: var(--soft); cursor: default; }
.found { list-style: none; margin: 0; padding: 0; max-height: 48vh; overflow: auto; }
.found li { display: flex; align-items: center; gap: 8px; padding: 6px 8px; border-top: 1px solid var(--line); }
.found li.on { background: var(--bar); border-radius: 6px; }
.found .score { margin-left: auto; font-variant-numeric: tabular-nums; }
.found .name { overflow-wrap: anywhere; }
)css";
}

std::string_view serve_page_body() {
  return R"html(<header>
  <div class="head"><h1>FasterMask</h1><span id="model" class="soft"></span></div>
  <noscript><p>This page needs JavaScript, which is switched off. POST a picture to /v1/predict instead.</p></noscript>
</header>
<main class="layout">
  <section class="card" aria-label="Picture">
    <div class="top"><h2 id="name">Picture</h2><span id="size" class="soft"></span><div class="tools">
      <label id="another" class="plain" hidden>Another picture<input type="file" accept="image/*"></label></div></div>
    <div id="stage" class="stage">
      <div id="invite" class="invite">
        <p><b>Drop a picture here, or paste one</b></p>
        <p class="soft">JPEG, PNG or WebP. It goes to this server and nowhere else.</p>
        <label class="main-button">Choose a picture<input type="file" id="file" accept="image/*"></label>
      </div>
      <canvas id="canvas" role="img" aria-label="The picture with what was found" hidden></canvas>
      <div id="tip" class="tip" hidden></div>
    </div>
    <p id="message" class="message soft" role="status" aria-live="polite"></p>
  </section>
  <section class="card" aria-label="Found">
    <div class="top"><h2>Found</h2><span id="count" class="soft"></span></div>
    <div class="slider"><div><label for="threshold">score of at least</label>
      <output id="threshold-text" for="threshold"></output></div>
      <input type="range" id="threshold" min="0.05" max="1" step="0.01" value="0.5"></div>
    <div class="switches">
      <label><input type="checkbox" id="show-masks" checked> masks</label>
      <label><input type="checkbox" id="show-boxes" checked> boxes</label>
      <label><input type="checkbox" id="show-labels" checked> labels</label>
    </div>
    <div class="buttons">
      <button type="button" class="plain" id="save-json" disabled>Download JSON</button>
      <button type="button" class="plain" id="save-png" disabled>Download PNG</button>
    </div>
    <ul id="found" class="found"></ul>
  </section>
</main>
)html";
}

}  // namespace fastermask
