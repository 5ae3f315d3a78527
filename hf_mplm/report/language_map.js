"use strict";
// The map of languages: reads the element `languages`, fills the element `language_map`, asks the network for nothing.
(() => {
  const data = JSON.parse(document.getElementById("languages").textContent);
  const root = document.getElementById("language_map");
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 900, HEIGHT = 640, MARGIN = 40, RADIUS = 5, MOST_GROUPS = 8, REST = "other", UNKNOWN = "unknown";
  // Okabe and Ito's colours and a brown; black is drawn in the ink of the page, which dark mode makes light.
  const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "var(--ink)", "#7A5230"];
  const GREY = "#a8adb5";
  const count = data.codes.length;
  const state = { scale: 1, x: 0, y: 0, layout: Object.keys(data.layouts)[0], group: Object.keys(data.groups)[0],
                  hidden: new Set(), chosen: -1, query: "" };

  // Text is only ever set as text, never as markup: names come from foreign tables.
  function make(name, attributes = {}, text = "", parent = null) {
    const svg = ["svg", "g", "circle", "line", "text"].includes(name);
    const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== "") element.textContent = text;
    if (parent) parent.append(element);
    return element;
  }
  function choice(label, names, current, changed) {
    const box = make("label", {}, label + " ", bar);
    const select = make("select", { "aria-label": label }, "", box);
    for (const name of names) make("option", { value: name }, name, select);
    select.value = current;
    select.addEventListener("change", () => changed(select.value));
  }
  function button(label, does, parent = bar, help = "") {
    const element = make("button", { type: "button", ...(help ? { title: help, "aria-label": help } : {}) }, label, parent);
    element.addEventListener("click", does);
    return element;
  }

  const bar = make("div", { class: "bar" }, "", root);
  const searchBox = make("label", {}, "Search ", bar);
  const search = make("input", { type: "search", "aria-label": "Search by name or code", placeholder: "name or code", list: "language_names" }, "", searchBox);
  const names = make("datalist", { id: "language_names" }, "", bar);
  for (let i = 0; i < count; i++) make("option", { value: data.names[i] }, data.codes[i], names);
  choice("Colour by", Object.keys(data.groups), state.group, (name) => { state.group = name; state.hidden.clear(); recolour(); });
  choice("Layout", Object.keys(data.layouts), state.layout, (name) => { state.layout = name; home(); });
  button("+", () => zoom(1.5), bar, "Zoom in");
  button("\u2212", () => zoom(1 / 1.5), bar, "Zoom out");
  button("Whole map", home);
  button("Save SVG", saveSvg);
  button("Save CSV", saveCsv);
  const frame = make("div", { class: "frame" }, "", root);
  const picture = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Map of languages: arrow keys move from point to point, Enter shows the nearest" }, "", frame);
  const links = make("g", {}, "", picture), dots = make("g", {}, "", picture), labels = make("g", { "aria-hidden": "true" }, "", picture);
  const side = make("div", {}, "", frame);
  const told = make("div", { class: "told", "aria-live": "polite" }, "", side);
  const legend = make("div", { class: "legend", "aria-label": "Groups; press one to hide or show it" }, "", side);

  const circles = data.codes.map((code, i) => {
    const circle = make("circle", { r: RADIUS, tabindex: i ? -1 : 0, role: "button", "data-code": code, "aria-label": `${data.names[i]}, ${code}` }, "", dots);
    circle.addEventListener("pointerenter", () => tell(i));
    circle.addEventListener("pointerleave", () => tell(state.chosen));
    circle.addEventListener("focus", () => { setTab(i); tell(i); });
    circle.addEventListener("click", () => { if (!dragged) choose(i); });
    return circle;
  });

  function bounds() {
    const places = data.layouts[state.layout].filter((place) => place);
    const xs = places.map((place) => place[0]), ys = places.map((place) => place[1]);
    return [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  }
  // Where a language stands in the picture; null where the layout has no place for it.
  function spot(i, box) {
    const place = data.layouts[state.layout][i];
    if (!place) return null;
    const [x0, x1, y0, y1] = box;
    const x = MARGIN + (place[0] - x0) / ((x1 - x0) || 1) * (WIDTH - 2 * MARGIN);
    const y = HEIGHT - MARGIN - (place[1] - y0) / ((y1 - y0) || 1) * (HEIGHT - 2 * MARGIN);
    return [(x - WIDTH / 2) * state.scale + state.x + WIDTH / 2, (y - HEIGHT / 2) * state.scale + state.y + HEIGHT / 2];
  }
  function groupOf(i) { return data.groups[state.group][i] || UNKNOWN; }
  function palette() {
    const sizes = new Map();
    for (let i = 0; i < count; i++) sizes.set(groupOf(i), (sizes.get(groupOf(i)) || 0) + 1);
    const sorted = [...sizes].filter(([name]) => name !== UNKNOWN).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const colours = new Map(sorted.slice(0, MOST_GROUPS).map(([name], rank) => [name, COLOURS[rank]]));
    return [colours, sizes];
  }
  let colours = new Map();
  const shownAs = (i) => (colours.has(groupOf(i)) ? groupOf(i) : REST);
  const matches = (i) => state.query !== "" && (data.names[i] + " " + data.codes[i]).toLowerCase().includes(state.query);

  function recolour() {
    let sizes;
    [colours, sizes] = palette();
    legend.replaceChildren();
    const entries = [...colours].map(([name, colour]) => [name, colour, sizes.get(name)]);
    const rest = count - entries.reduce((sum, entry) => sum + entry[2], 0);
    if (rest) entries.push([REST, GREY, rest]);
    for (const [name, colour, size] of entries) {
      const entry = button("", () => {
        if (!state.hidden.delete(name)) state.hidden.add(name);
        entry.setAttribute("aria-pressed", String(!state.hidden.has(name)));
        draw();
      }, legend);
      entry.setAttribute("aria-pressed", "true");
      make("span", { class: "swatch", style: `background:${colour}` }, "", entry);
      make("span", {}, `${name} (${size})`, entry);
    }
    draw();
  }

  function draw() {
    const box = bounds(), spots = data.codes.map((_, i) => spot(i, box));
    const visible = spots.map((place, i) => place !== null && !state.hidden.has(shownAs(i))), order = [];
    for (let i = 0; i < count; i++) {
      circles[i].style.display = visible[i] ? "" : "none";
      if (!visible[i]) continue;
      circles[i].setAttribute("cx", spots[i][0].toFixed(1));
      circles[i].setAttribute("cy", spots[i][1].toFixed(1));
      circles[i].setAttribute("fill", colours.get(groupOf(i)) || GREY);
      circles[i].classList.toggle("found", i === state.chosen || matches(i));
      circles[i].setAttribute("opacity", state.query !== "" && !matches(i) && i !== state.chosen ? ".25" : "1");
      order.push(i);
    }
    links.replaceChildren();
    const near = new Set();
    if (state.chosen >= 0 && visible[state.chosen]) {
      for (const [j, cosine] of data.nearest[state.chosen]) {
        near.add(j);
        if (!visible[j]) continue;
        const [a, b] = [spots[state.chosen], spots[j]];
        make("line", { x1: a[0].toFixed(1), y1: a[1].toFixed(1), x2: b[0].toFixed(1), y2: b[1].toFixed(1), "stroke-width": (0.6 + 2 * Math.max(0, cosine)).toFixed(2) }, "", links);
      }
    }
    const rank = (i) => (i === state.chosen ? 0 : near.has(i) ? 1 : matches(i) ? 2 : data.first.includes(i) ? 3 : 4);
    label(order.sort((a, b) => rank(a) - rank(b) || a - b), spots);
  }

  // Labels appear as there is room: none covers another, and those that matter come first.
  function label(order, spots) {
    labels.replaceChildren();
    const taken = [];
    for (const i of order) {
      const text = data.codes[i], width = 6.3 * text.length, height = 12, [x, y] = spots[i];
      for (const [left, low] of [[x + 7, y + 4], [x - 7 - width, y + 4], [x - width / 2, y - 8], [x - width / 2, y + 17]]) {
        const free = left > 0 && left + width < WIDTH && low > height && low < HEIGHT &&
          taken.every((t) => left + width < t[0] || t[0] + t[2] < left || low < t[1] - height || t[1] < low - height);
        if (!free) continue;
        taken.push([left, low, width]);
        make("text", { x: left.toFixed(1), y: low.toFixed(1) }, text, labels);
        break;
      }
    }
  }

  function tell(i) {
    told.replaceChildren();
    if (i < 0) { make("p", {}, "Point at a language, or move to one with the arrow keys; click or press Enter for the ten nearest.", told); return; }
    make("strong", {}, `${data.names[i]} (${data.codes[i]})`, told);
    const list = make("dl", {}, "", told);
    for (const [name, values] of Object.entries(data.groups)) { make("dt", {}, name, list); make("dd", {}, values[i] || UNKNOWN, list); }
    make("dt", {}, "relative standard error", list);
    make("dd", {}, data.errors[i] === null ? UNKNOWN : data.errors[i].toFixed(3), list);
    if (i !== state.chosen) return;
    const nearest = make("ol", { class: "nearest" }, "", told);
    for (const [j, cosine] of data.nearest[i]) {
      button(`${data.names[j]} (${data.codes[j]}) ${cosine.toFixed(3)}`, () => { choose(j); circles[j].focus(); }, make("li", {}, "", nearest));
    }
  }
  function choose(i) { state.chosen = i === state.chosen ? -1 : i; draw(); tell(state.chosen < 0 ? i : state.chosen); }
  function setTab(i) { circles.forEach((circle, j) => circle.setAttribute("tabindex", i === j ? 0 : -1)); }
  function zoom(factor, x = WIDTH / 2, y = HEIGHT / 2) {
    const scale = Math.min(60, Math.max(1, state.scale * factor)), by = scale / state.scale;
    state.x = (state.x + WIDTH / 2 - x) * by + x - WIDTH / 2;
    state.y = (state.y + HEIGHT / 2 - y) * by + y - HEIGHT / 2;
    state.scale = scale;
    if (scale === 1) { state.x = 0; state.y = 0; }
    draw();
  }
  function home() { state.scale = 1; state.x = 0; state.y = 0; draw(); }
  function move(i, dx, dy) {
    const box = bounds(), from = spot(i, box);
    let best = -1, least = Infinity;
    for (let j = 0; j < count && from; j++) {
      if (j === i || circles[j].style.display === "none") continue;
      const to = spot(j, box), along = (to[0] - from[0]) * dx + (to[1] - from[1]) * dy;
      const across = Math.abs((to[0] - from[0]) * dy) + Math.abs((to[1] - from[1]) * dx);
      if (along > 0.01 && along + 2 * across < least) { least = along + 2 * across; best = j; }
    }
    if (best >= 0) circles[best].focus();
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  picture.addEventListener("keydown", (event) => {
    const i = circles.indexOf(event.target);
    if (ARROWS[event.key] && i >= 0) move(i, ...ARROWS[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && i >= 0) choose(i);
    else if (event.key === "Escape") { if (state.chosen >= 0) choose(state.chosen); }
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") home();
    else return;
    event.preventDefault();
  });
  const inPicture = (event) => {
    const box = picture.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * WIDTH, (event.clientY - box.top) / box.height * HEIGHT];
  };
  picture.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...inPicture(event)); }, { passive: false });
  let held = null, dragged = false;
  picture.addEventListener("pointerdown", (event) => { held = inPicture(event); dragged = false; });
  window.addEventListener("pointermove", (event) => {
    if (!held) return;
    const now = inPicture(event);
    if (!dragged && Math.hypot(now[0] - held[0], now[1] - held[1]) < 4) return;
    dragged = true;
    state.x += now[0] - held[0]; state.y += now[1] - held[1]; held = now;
    draw();
  });
  window.addEventListener("pointerup", () => { held = null; });

  search.addEventListener("input", () => { state.query = search.value.trim().toLowerCase(); draw(); });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const exact = (i) => [data.names[i], data.codes[i]].some((word) => word.toLowerCase() === state.query);
    const found = data.codes.map((_, i) => i).filter(matches).sort((a, b) => exact(b) - exact(a))[0];
    if (found === undefined) { told.replaceChildren(); make("p", {}, "No language is called that.", told); return; }
    state.chosen = found;
    draw(); circles[found].focus(); tell(found);
  });

  function save(name, type, text) {
    const link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  function saveSvg() {
    const copy = picture.cloneNode(true), style = getComputedStyle(document.documentElement);
    copy.setAttribute("width", WIDTH); copy.setAttribute("height", HEIGHT);
    // A file has no page around it, whose colours and fonts it would take.
    const ink = style.getPropertyValue("--ink").trim(), ground = style.getPropertyValue("--ground").trim();
    copy.setAttribute("style", `background:${ground}`);
    for (const text of copy.querySelectorAll("text")) { text.setAttribute("font-size", "11"); text.setAttribute("font-family", "sans-serif"); text.setAttribute("fill", ink); }
    for (const line of copy.querySelectorAll("line")) line.setAttribute("stroke", style.getPropertyValue("--faint").trim());
    for (const circle of copy.querySelectorAll("circle")) if (circle.getAttribute("fill").startsWith("var")) circle.setAttribute("fill", ink);
    save("languages.svg", "image/svg+xml", new XMLSerializer().serializeToString(copy));
  }
  function saveCsv() {
    // Quoted; and a cell that a spreadsheet would take for a formula stays text.
    const tame = (value) => (typeof value === "string" ? value.replace(/^[=+@\-\t\r]/, "'$&") : value);
    const cell = (value) => `"${String(tame(value) ?? "").replaceAll('"', '""')}"`;
    const layouts = Object.keys(data.layouts), groups = Object.keys(data.groups);
    const rows = [["code", "name", ...groups, "relative standard error", ...layouts.flatMap((name) => [`${name} 1`, `${name} 2`])]];
    for (let i = 0; i < count; i++) {
      rows.push([data.codes[i], data.names[i], ...groups.map((name) => data.groups[name][i]), data.errors[i],
                 ...layouts.flatMap((name) => data.layouts[name][i] || ["", ""])]);
    }
    save("languages.csv", "text/csv", rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n");
  }

  recolour();
  tell(-1);
})();
