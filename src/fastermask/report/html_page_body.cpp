// The structure of the HTML report. Sections are hidden until the script has something to put into them.
#include "fastermask/report/html_page.h"

namespace fastermask {

std::string_view html_page_body() {
  return R"html(<header>
  <div class="head">
    <h1 id="title">FasterMask report</h1><span id="state" class="state" hidden></span>
    <label id="reload" class="soft reload" hidden>
      <input type="checkbox" id="reload-on" checked> reload every 30 s</label>
  </div>
  <div id="progress" hidden>
    <div class="progress" role="progressbar" aria-labelledby="progress-text" aria-valuemin="0" aria-valuemax="100">
      <div></div>
    </div>
    <div id="progress-text" class="soft"></div>
  </div>
  <noscript><p>This page draws its curves and tables with JavaScript, which is switched off.</p></noscript>
</header>
<main>
  <div id="tiles" class="tiles"></div>
  <div class="grid">
    <section class="card wide" id="losses" aria-label="Losses" hidden>
      <div class="top"><h2>Losses</h2><div class="tools">
        <label>smoothing <input type="range" id="smooth" min="0" max="0.98" step="0.02" value="0"></label>
        <label><input type="checkbox" id="log"> log scale</label></div></div>
      <div class="plot tall"></div>
    </section>
    <section class="card wide" id="precision" aria-label="Average precision" hidden>
      <div class="top"><h2>Average precision</h2><div class="tools">
        <label id="class-label" hidden>of <select id="class"></select></label></div></div>
      <div class="plot"></div>
    </section>
    <section class="card" id="rate" aria-label="Learning rate" hidden>
      <div class="top"><h2>Learning rate</h2><div class="tools"></div></div>
      <div class="plot"></div>
    </section>
    <section class="card" id="speed" aria-label="Time per iteration" hidden>
      <div class="top"><h2>Time per iteration</h2><div class="tools"></div></div>
      <div class="plot"></div>
    </section>
    <section class="card wide" id="results" aria-label="Results" hidden>
      <div class="top"><h2>Results</h2><span class="soft">average precision in percent</span></div>
      <div class="scroll" tabindex="0"></div>
    </section>
    <section class="card wide" id="classes" aria-label="Results by class" hidden>
      <div class="top"><h2>Results by class</h2><span class="soft">AP in percent</span><div class="tools">
        <input type="search" id="filter" placeholder="find a class" aria-label="find a class"></div></div>
      <div class="scroll" tabindex="0"></div>
    </section>
    <section class="card wide" id="gallery-card" aria-label="Pictures" hidden>
      <div class="top"><h2>Pictures</h2><span class="soft">click to enlarge</span></div>
      <div class="gallery" id="gallery"></div>
    </section>
    <section class="card wide" id="over-time-card" aria-label="Pictures over time" hidden>
      <div class="top"><h2>The same pictures over time</h2><span class="soft">click to enlarge</span></div>
      <div class="gallery" id="over-time"></div>
    </section>
    <section class="card" id="dataset" aria-label="Data set" hidden><div class="top"><h2>Data set</h2></div></section>
    <section class="card" id="environment" aria-label="Environment" hidden>
      <div class="top"><h2>Environment</h2></div>
    </section>
    <section class="card wide" id="config" aria-label="Configuration" hidden>
      <details><summary>Configuration</summary><pre tabindex="0"></pre></details>
    </section>
  </div>
</main>
<dialog id="viewer" aria-label="Picture">
  <img alt="">
  <div class="bottom">
    <p></p>
    <button type="button" class="plain" id="before">Previous</button>
    <button type="button" class="plain" id="after">Next</button>
    <button type="button" class="plain" id="close">Close</button>
  </div>
</dialog>
<svg id="svg" width="0" height="0" hidden></svg>
)html";
}

}  // namespace fastermask
