
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const model = document.body.dataset.model;
  const SVG = "http://www.w3.org/2000/svg";
  let file = null, answer = null, index = 0, timer = 0, request = null;

  /** An element of HTML; what names say is set as text, never as HTML. */
  function element(name, attributes = {}, text = "") {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function drawing(name, attributes = {}, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  function say(text) { $("status").textContent = text; }

  function complain(text) {
    $("problem").textContent = text;
    $("problem").hidden = !text;
    if (text) say("");
  }

  function send(chosen) {
    file = chosen;
    if (request) request.abort();
    stop();
    complain("");
    $("result").hidden = true;
    request = new XMLHttpRequest();  // fetch tells nothing of how far an upload is
    const name = chosen.name.replace(/[/\\]/g, " ").slice(-200);
    const query = new URLSearchParams({ pictures: "true", top: "5", file_name: name });
    request.open("POST", `/v1/models/${encodeURIComponent(model)}:upload?${query}`);
    request.setRequestHeader("Content-Type", chosen.type.startsWith("video/") ? chosen.type : "application/octet-stream");
    const token = $("token").value.trim();
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    const progress = $("progress");
    progress.hidden = false;
    progress.value = 0;
    say(`Sending ${chosen.name}`);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) progress.value = event.loaded / event.total;
    };
    request.upload.onload = () => {
      progress.removeAttribute("value");
      say(`Looking at ${chosen.name}`);
    };
    request.onerror = () => { progress.hidden = true; complain("The server cannot be reached."); };
    const current = request;
    request.onload = () => {
      if (current !== request) return;
      progress.hidden = true;
      let value = null;
      try { value = JSON.parse(current.responseText); } catch { value = null; }
      if (current.status === 200 && value) { show(value); return; }
      if (current.status === 401) { $("token-row").hidden = false; $("token").focus(); }
      const busy = current.status === 429 ? " Try again in a few seconds." : "";
      complain(`${value && value.error ? value.error : `The server answered with status ${current.status}.`}${busy}`);
    };
    request.send(chosen);
  }

  function show(value) {
    answer = value;
    $("result").hidden = false;
    $("answer").textContent = value.label;
    const { frames, width, height } = value.video;
    const what = value.file_name ? `${value.file_name}: ` : "";
    $("facts").textContent = `${what}${frames} frames of ${width} x ${height} pixels; the model looked at ${value.seconds.length} of them.`;
    say(`${value.label}, score ${value.score.toFixed(2)}`);
    showClasses();
    showPictures();
    showCurves();
    select(0);
    $("answer").focus();
  }

  function showClasses() {
    const list = $("classes");
    list.replaceChildren();
    for (const { label, score } of answer.top) {
      const item = element("li"), line = element("div", { class: "line" });
      line.append(element("span", { class: "name" }, label), element("span", { class: "value" }, score.toFixed(3)));
      const bar = drawing("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
      bar.append(drawing("rect", { width: 100 * Math.min(1, Math.max(0, score)), height: 4 }));
      item.append(line, bar);
      const weights = answer.fusion_weights && answer.fusion_weights[answer.labels.indexOf(label)];
      if (weights && answer.attention.motion) {
        item.append(element("div", { class: "weights" },
          `weight of static stream ${weights[0].toFixed(2)}, of motion stream ${weights[1].toFixed(2)}`));
      }
      list.append(item);
    }
  }

  function showPictures() {
    const film = $("film"), { pictures, seconds } = answer;
    film.replaceChildren();
    pictures.frames.forEach((address, i) => {
      const item = element("li");
      const button = element("button", { type: "button", "aria-label": `Frame at ${seconds[i].toFixed(2)} seconds` });
      button.append(element("img", { src: address, alt: "" }));
      button.addEventListener("click", () => { stop(); select(i); });
      item.append(button);
      film.append(item);
    });
    $("motion-picture").hidden = !pictures.flow;
    $("position").max = seconds.length - 1;
  }

  function showCurves() {
    const plots = document.querySelector(".plots");
    plots.replaceChildren();
    document.querySelector(".legend .motion").hidden = !answer.attention.motion;
    for (const [key, title] of [["temporal", "Temporal attention"], ["collaborative", "Collaborative weights"]]) {
      const streams = Object.entries(answer.attention).filter(([, curves]) => curves[key]);
      if (streams.length) plots.append(plot(title, key, streams));
    }
  }

  function plot(title, key, streams) {
    const box = element("div"), [left, right, top, bottom] = [40, 392, 10, 130];
    const { seconds } = answer, first = seconds[0], span = Math.max(seconds[seconds.length - 1] - first, 1e-6);
    const highest = Math.max(...streams.flatMap(([, curves]) => curves[key]), 1e-6);
    const x = (i) => seconds.length > 1 ? left + (right - left) * (seconds[i] - first) / span : (left + right) / 2;
    const y = (value) => bottom - (bottom - top) * value / highest;
    const words = streams.map(([stream, curves]) => {
      const best = curves[key].indexOf(Math.max(...curves[key]));
      return `${stream} stream highest at ${seconds[best].toFixed(2)} seconds`;
    });
    const image = drawing("svg", { viewBox: "0 0 400 155", role: "img", "aria-label": `${title} over time: ${words.join(", ")}` });
    image.append(drawing("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}`, fill: "none" }));
    image.append(drawing("text", { x: left - 5, y: top + 8, "text-anchor": "end" }, highest.toFixed(2)));
    image.append(drawing("text", { x: left - 5, y: bottom, "text-anchor": "end" }, "0"));
    image.append(drawing("text", { x: left, y: bottom + 17 }, `${first.toFixed(2)} s`));
    if (seconds.length > 1) {
      image.append(drawing("text", { x: right, y: bottom + 17, "text-anchor": "end" }, `${(first + span).toFixed(2)} s`));
    }
    image.append(drawing("line", { class: "cursor", y1: top, y2: bottom, x1: left, x2: left }));
    for (const [stream, curves] of streams) {
      const points = curves[key].map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      image.append(drawing("polyline", { class: stream, points }));
      curves[key].forEach((value, i) => image.append(drawing("circle", { class: stream, cx: x(i), cy: y(value), r: 2.6 })));
    }
    image.moveCursor = (i) => {
      const cursor = image.querySelector(".cursor");
      cursor.setAttribute("x1", x(i));
      cursor.setAttribute("x2", x(i));
    };
    box.append(element("h4", {}, title), image);
    return box;
  }

  function select(i) {
    index = i;
    const { pictures, seconds } = answer, when = `${seconds[i].toFixed(2)} s`;
    for (const [stream, under] of [["static", pictures.frames], ["motion", pictures.flow]]) {
      if (!under) continue;
      const [picture, heat] = $(`${stream}-picture`).querySelectorAll("img");
      picture.src = under[i];
      picture.alt = `${stream === "static" ? "Frame" : "Optical flow"} at ${when}`;
      const maps = pictures.heat[stream];
      heat.hidden = !maps;
      if (maps) heat.src = maps[i];
    }
    $("position").value = i;
    $("position").setAttribute("aria-valuetext", when);
    $("seconds").textContent = when;
    [...$("film").querySelectorAll("button")].forEach((button, j) => {
      button.setAttribute("aria-current", String(i === j));
      if (i === j) {
        const film = $("film"), offset = button.offsetLeft - film.offsetLeft;
        film.scrollLeft = offset - film.clientWidth / 2 + button.clientWidth / 2;
      }
    });
    for (const image of document.querySelectorAll(".plots svg")) image.moveCursor(i);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    $("play").textContent = "Play";
    $("play").setAttribute("aria-pressed", "false");
  }

  $("play").addEventListener("click", () => {
    if (timer) { stop(); return; }
    timer = setInterval(() => select((index + 1) % answer.seconds.length), 350);
    $("play").textContent = "Pause";
    $("play").setAttribute("aria-pressed", "true");
  });
  $("position").addEventListener("input", (event) => { stop(); select(Number(event.target.value)); });
  const fade = () => {
    for (const heat of document.querySelectorAll(".heat")) heat.style.opacity = Number($("strength").value) / 100;
  };
  $("strength").addEventListener("input", fade);
  fade();
  $("file").addEventListener("change", (event) => { if (event.target.files[0]) send(event.target.files[0]); });
  $("form").addEventListener("submit", (event) => { event.preventDefault(); if (file) send(file); });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); $("drop").classList.remove("over"); });
  }
  document.addEventListener("drop", (event) => {
    const [dropped] = event.dataTransfer.files;
    if (dropped) send(dropped);
  });
})();
