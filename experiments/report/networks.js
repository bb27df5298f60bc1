// The networks' checkboxes: each shows and hides the lines of one network in every figure beside it.
(function () {
  "use strict";
  const section = document.getElementById("curves");
  const boxes = Array.from(section.querySelectorAll("input[type=checkbox]"));
  function draw() {
    const shown = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    section.querySelectorAll(".js-plotly-plot").forEach((plot) => {
      const visible = plot.data.map((trace) => trace.meta.some((key) => shown.has(key)));
      Plotly.restyle(plot, { visible: visible });
    });
  }
  section.addEventListener("change", draw);
  section.querySelectorAll("button[data-show]").forEach((button) => {
    button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = button.dataset.show === "all"; });
      draw();
    });
  });
})();
