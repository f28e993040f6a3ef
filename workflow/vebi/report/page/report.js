"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  };
  const press = (button, on) => button.setAttribute("aria-pressed", on ? "true" : "false");
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const option = (value, text) => make("option", { value }, text);
  const minus = (text) => text.replace("-", "−");

  // --- light and dark -----------------------------------------------------------------------
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const themeButton = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const repaint = [];
  // Some browsers give pages from disk no storage.
  const remember = (theme) => { try { localStorage.setItem("vebi-theme", theme); } catch { /* not kept */ } };
  const recall = () => { try { return localStorage.getItem("vebi-theme"); } catch { return null; } };
  const showTheme = () => {
    themeButton.textContent = isDark() ? "Light page" : "Dark page";
    repaint.forEach((f) => f());
  };
  if (["light", "dark"].includes(recall())) root.dataset.theme = recall();
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();

  // --- contents -----------------------------------------------------------------------------
  const contents = document.getElementById("contents");
  const roomy = matchMedia("(min-width: 68rem)");
  const fold = () => { contents.open = roomy.matches; };
  roomy.addEventListener("change", fold);
  fold();
  const links = new Map(all("a", contents).map((a) => [a.hash.slice(1), a]));
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !roomy.matches) contents.open = false;
  });
  const seen = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) seen.add(entry.target.id); else seen.delete(entry.target.id);
    }
    const current = [...links.keys()].find((id) => seen.has(id));
    links.forEach((a, id) => {
      if (id === current) a.setAttribute("aria-current", "true"); else a.removeAttribute("aria-current");
    });
  }, { rootMargin: "-80px 0px -55% 0px" });
  all("main > section").filter((s) => links.has(s.id)).forEach((s) => observer.observe(s));

  // --- claims -------------------------------------------------------------------------------
  const tiles = all(".tile"), claims = all(".claim"), groups = all(".claims");
  if (claims.length) {
    const untested = document.getElementById("untested"), source = document.getElementById("claim-source"), words = document.getElementById("claim-words");
    const filter = () => {
      const verdicts = tiles.filter(pressed).map((t) => t.dataset.verdict);
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const claim of claims) {
        const text = `${one("h3", claim.closest(".claims")).textContent} ${claim.textContent}`.toLowerCase();
        const fits = (!verdicts.length || verdicts.includes(claim.dataset.verdict))
          && (!source.value || claim.dataset.source === source.value) && wanted.every((w) => text.includes(w));
        claim.hidden = !fits;
        shown += fits;
      }
      groups.forEach((group) => { group.hidden = !all(".claim", group).some((c) => !c.hidden); });
      if (untested) {
        const inside = all(".claim", untested).filter((c) => !c.hidden).length;
        untested.hidden = !inside;
        untested.open = inside > 0 && shown < claims.length;
      }
      document.getElementById("claim-count").textContent
        = shown === claims.length ? `${shown} claims` : `${shown} of ${claims.length} claims`;
      document.getElementById("claim-none").hidden = shown > 0;
    };
    tiles.forEach((tile) => tile.addEventListener("click", () => { press(tile, !pressed(tile)); filter(); }));
    source.addEventListener("change", filter);
    words.addEventListener("input", filter);
    // A link to a claim must find it, whatever the filters are.
    addEventListener("hashchange", () => {
      const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!target || !target.hidden || !target.classList.contains("claim")) return;
      tiles.forEach((t) => press(t, false));
      source.value = words.value = "";
      filter();
      target.scrollIntoView();
    });
  }

  // --- what is folded -----------------------------------------------------------------------
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const inside = target.matches("section.study") ? one(".fold", target) : target;
    for (let e = inside; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => all("details").forEach((e) => { e.open = true; }));
  // A table that goes on to the right says so, until its end is reached.
  for (const block of all(".wide")) {
    const hint = block.nextElementSibling;
    const look = () => {
      const beyond = block.scrollWidth - block.clientWidth;
      block.classList.toggle("cut", beyond - block.scrollLeft > 4);
      hint.hidden = beyond <= 4;
    };
    new ResizeObserver(look).observe(block);
    block.addEventListener("scroll", look, { passive: true });
  }

  // --- figures ------------------------------------------------------------------------------
  for (const family of all(".family")) {
    const buttons = all(".tabs button", family);
    const choose = (chosen) => buttons.forEach((button) => {
      press(button, button === chosen);
      document.getElementById(button.dataset.figure).hidden = button !== chosen;
    });
    buttons.forEach((button) => button.addEventListener("click", () => choose(button)));
    if (buttons.length) choose(buttons[0]);
  }
  const light = document.getElementById("light");
  all(".paper").forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const small = one("img", link), large = one("img", light);
    large.src = small.src;
    large.alt = small.alt;
    light.showModal();
    one(".pan", light).scrollTo(0, 0);
  }));
  one(".pan", light).addEventListener("click", () => light.close());

  // --- tables -------------------------------------------------------------------------------
  const unpack = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const parseCsv = (text) => {
    const rows = [];
    let row = [], cell = "", quoted = false;
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') cell += c;
        else if (text[i + 1] === '"') { cell += '"'; i += 1; } else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ",") { row.push(cell); cell = ""; }
      else if (c === "\n") { row.push(cell); rows.push(row); row = []; cell = ""; }
      else if (c !== "\r") cell += c;
    }
    if (cell || row.length) { row.push(cell); rows.push(row); }
    return rows;
  };
  const STEP = 100;
  for (const block of all("details.table")) {
    if (!("DecompressionStream" in window)) break;
    const name = block.dataset.table, body = one("tbody", block), heads = all("th", block);
    const first = body.rows.length, tools = one(".tools", block), words = one("input", tools);
    const more = one(".more", tools), count = one(".count", tools);
    const state = { text: null, rows: null, shown: first, column: -1, down: false };
    const load = async () => {
      if (state.rows) return;
      state.text = await unpack(data.tables[name]);
      state.rows = parseCsv(state.text).slice(1);
    };
    const isNumber = heads.map((h) => h.classList.contains("number"));
    const draw = () => {
      const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let rows = wanted.length
        ? state.rows.filter((r) => { const t = r.join(" ").toLowerCase(); return wanted.every((w) => t.includes(w)); })
        : state.rows;
      if (state.column >= 0) {
        const i = state.column, sign = state.down ? -1 : 1;
        rows = [...rows].sort((a, b) => {
          // Empty cells stand last both ways.
          if (a[i] === "" || b[i] === "") return (a[i] === "") - (b[i] === "");
          return sign * (isNumber[i] ? a[i] - b[i] : a[i].localeCompare(b[i], "en"));
        });
      }
      body.replaceChildren(...rows.slice(0, state.shown).map((row) => make("tr", {}, ...row.map((text, i) =>
        make("td", { class: isNumber[i] ? "number" : text.length > 60 ? "long" : null }, text)))));
      const n = Math.min(state.shown, rows.length);
      count.textContent = `${n.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
      more.hidden = n >= rows.length;
    };
    heads.forEach((head, i) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", async () => {
        await load();
        state.down = state.column === i && !state.down;
        state.column = i;
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        draw();
      });
    });
    all("td", body).forEach((td) => { if (td.textContent.length > 60) td.classList.add("long"); });
    more.hidden = first >= Number(block.dataset.rows);
    more.addEventListener("click", async () => { await load(); state.shown += STEP; draw(); });
    words.addEventListener("input", async () => { await load(); state.shown = Math.max(state.shown, 20); draw(); });
    one(".save", tools).addEventListener("click", async () => {
      await load();
      const url = URL.createObjectURL(new Blob([state.text], { type: "text/csv" }));
      make("a", { href: url, download: `${name}.csv` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
    tools.hidden = false;
  }

  // --- curves -------------------------------------------------------------------------------
  const luminance = (hex) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const DARK_PAPER = luminance("#1c1f23");
  // The figures' colours are made for white paper; on the dark page each becomes as light as it must.
  const onPage = (hex) => {
    let colour = hex;
    for (let white = 0.05; isDark() && (luminance(colour) + 0.05) / (DARK_PAPER + 0.05) < 4 && white < 1; white += 0.05) {
      colour = "#" + [1, 3, 5].map((i) => Math.round(parseInt(hex.slice(i, i + 2), 16) * (1 - white) + 255 * white)
        .toString(16).padStart(2, "0")).join("");
    }
    return colour;
  };
  const variable = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  class Plot {
    // `spec`: x, series [{name, colour, dash, y, low, high, shown, note}], labels, log, mark, digits, at(x, i).
    constructor(holder) {
      this.canvas = one(".canvas", holder);
      this.legend = one(".legend", holder);
      this.at = one(".at", holder);
      this.index = null;
      new ResizeObserver(() => this.resize()).observe(this.canvas);
      repaint.push(() => { if (this.u) { this.u.redraw(false); this.swatches(); } });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.canvas.addEventListener("blur", () => this.read(null));
    }

    size() {
      const width = Math.max(240, this.canvas.clientWidth - 8);
      return { width, height: Math.round(Math.min(420, Math.max(260, width * 0.52))) };
    }

    resize() { if (this.u && this.size().width !== this.u.width) this.u.setSize(this.size()); }

    show(spec) {
      this.spec = spec;
      if (this.u) this.u.destroy();
      const values = [spec.x], series = [{}], bands = [];
      spec.series.forEach((s) => {
        const stroke = () => onPage(s.colour);
        const base = { show: s.shown, points: { show: false } };
        series.push({ ...base, label: s.name, stroke, width: 2.2, dash: s.dash ? [7, 4] : undefined });
        values.push(s.y);
        if (s.low) {
          series.push({ ...base, stroke: "transparent", width: 0 }, { ...base, stroke: "transparent", width: 0 });
          values.push(s.high, s.low);
          bands.push({ series: [series.length - 2, series.length - 1], fill: () => onPage(s.colour) + "26" });
        }
      });
      this.step = spec.series.some((s) => s.low) ? 3 : 1;
      const font = "13px system-ui, sans-serif";
      const axis = (label, side) => ({
        label, font, labelFont: font, labelSize: 26, side, stroke: () => variable("--soft"),
        grid: { stroke: () => variable("--line"), width: 1 }, ticks: { show: false }, size: side === 3 ? 52 : 34,
      });
      const horizontal = axis(spec.labels[0], 2), vertical = axis(spec.labels[1], 3);
      if (spec.log) horizontal.filter = (u, splits) => splits.map((v) => (/^[125](e|$)/.test(v.toExponential()) ? v : null));
      this.u = new uPlot({
        ...this.size(), series, bands, legend: { show: false }, axes: [horizontal, vertical],
        scales: { x: { time: false, distr: spec.log ? 3 : 1, range: [spec.x[0], spec.x[spec.x.length - 1]] }, y: spec.range ? { range: spec.range } : {} },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, show: true } },
        hooks: {
          setCursor: [(u) => this.read(u.cursor.idx)],
          draw: [(u) => this.mark(u)],
        },
      }, values, this.canvas);
      this.index = null;
      this.buttons();
      this.read(null);
    }

    mark(u) {
      if (!this.spec.mark) return;
      const x = u.valToPos(this.spec.mark, "x", true), { ctx, bbox } = u;
      ctx.save();
      ctx.strokeStyle = variable("--soft");
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.restore();
    }

    buttons() {
      this.legend.replaceChildren(...this.spec.series.map((s, i) => {
        const value = make("span", { class: "value" });
        const button = make("button", { type: "button", "aria-pressed": s.shown ? "true" : "false" },
          make("span", { class: s.dash ? "swatch dash" : "swatch", "aria-hidden": "true" }), make("span", {}, s.name), value);
        button.addEventListener("click", () => {
          const on = !pressed(button);
          press(button, on);
          for (let k = 0; k < this.step; k += 1) this.u.setSeries(1 + i * this.step + k, { show: on });
        });
        return button;
      }));
      this.swatches();
    }

    swatches() {
      all(".swatch", this.legend).forEach((swatch, i) => { swatch.style.borderColor = onPage(this.spec.series[i].colour); });
    }

    read(index) {
      if (!this.spec) return;
      const { x, series, digits } = this.spec;
      this.at.textContent = index === null || index === undefined ? this.spec.title : this.spec.at(x[index], index);
      all(".value", this.legend).forEach((value, i) => {
        const s = series[i], y = index === null || index === undefined ? null : s.y[index];
        value.textContent = y === null || y === undefined ? (s.note || "") : minus(y.toFixed(digits));
      });
    }

    key(event) {
      const last = this.spec.x.length - 1, step = event.shiftKey ? 10 : 1;
      const from = this.index === null ? Math.round(last / 2) : this.index;
      const to = { ArrowLeft: from - step, ArrowRight: from + step, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.index = Math.max(0, Math.min(last, to));
      this.u.setCursor({ left: this.u.valToPos(this.spec.x[this.index], "x"), top: this.u.over.clientHeight / 2 });
      this.read(this.index);
    }
  }

  const place = (p) => `${p.dataset} · ${p.model}`;
  const iouHolder = document.getElementById("iou-plot");
  if (iouHolder) {
    iouHolder.hidden = false;
    const plot = new Plot(iouHolder), which = one(".which", iouHolder);
    which.append(...data.iou.map((p, i) => option(i, place(p))));
    const show = () => {
      const p = data.iou[which.value];
      const band = p.networks > 1 ? `bands: the range of ${p.networks} networks` : "bands: 95 % over scenes";
      plot.show({
        x: p.x, digits: 3, labels: ["threshold on the map", "mean IoU with the mask"], range: (u, low, high) => [0, Math.max(0.1, high * 1.05)],
        series: p.series.map((s) => ({ ...s, note: `area ${s.area.toFixed(3)}` })),
        title: `Area under each curve; ${band}`, at: (x) => `IoU at threshold ${x.toFixed(2)}`,
      });
    };
    which.addEventListener("change", show);
    show();
  }
  const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288", "#999933", "#7F4A1E"];
  const pathHolder = document.getElementById("path-plot");
  if (pathHolder) {
    pathHolder.hidden = false;
    const plot = new Plot(pathHolder), which = one(".which", pathHolder), which2 = one(".class", pathHolder);
    which.append(...data.paths.map((p, i) => option(i, place(p))));
    const show = () => {
      const p = data.paths[which.value], c = p.classes[which2.value];
      plot.show({
        x: p.x, log: true, digits: 3, mark: p.mu, labels: ["mu (bound on the sum of absolute weights)", "weight"],
        series: c.features.map((f, i) => ({ name: f.name, colour: PALETTE[i % PALETTE.length], dash: i >= 5, y: f.y, shown: true })),
        title: `${c.name}: its ${c.features.length} strongest of ${p.total} features; network of seed ${p.seed}`,
        at: (x, i) => `mu = ${x.toPrecision(3)}: ${c.count[i]} feature${c.count[i] === 1 ? "" : "s"} with a weight`,
      });
    };
    const classes = () => {
      which2.replaceChildren(...data.paths[which.value].classes.map((c, i) => option(i, c.name)));
      show();
    };
    which.addEventListener("change", classes);
    which2.addEventListener("change", show);
    classes();
  }

  // --- gallery ------------------------------------------------------------------------------
  const browser = document.getElementById("browser");
  if (browser) {
    browser.hidden = false;
    const [sets, classes, wrong, over, methods, count, items, more] = ["g-set", "g-class", "g-wrong", "g-over", "g-methods", "g-count", "g-items", "g-more"]
      .map((id) => document.getElementById(id));
    const having = (what) => Object.keys(data.methods).filter((m) => data.methods[m][what]);
    const PAPER = having("paper"), FIRST = 8;
    const chosen = new Set(having("shown"));
    let limit = FIRST;
    const experiment = () => data.gallery[sets.value];
    const shot = (uri, alt, under) => make("div", { class: "shot" },
      ...(under ? [make("img", { class: "under", src: under, alt: "" })] : []), make("img", { class: "map", src: uri, alt }));
    const tile = (name, uri, alt, notes = [], under = null) => make("figure", {}, shot(uri, alt, under),
      make("figcaption", {}, make("b", {}, name), ...notes.flatMap((n, i) => (i ? [make("br"), n] : [n]))));
    const card = (e, item) => {
      const label = e.classes[item.label], predicted = e.classes[item.predicted], right = item.label === item.predicted;
      const what = `test image ${item.index}, ${label}`;
      const chip = make("span", { class: `chip ${right ? "good" : "bad"}` }, right ? "✓ predicted so" : `✕ predicted ${predicted}`);
      const pictures = [tile("image", item.image, `The image: ${what}`)];
      if (item.mask) pictures.push(tile("mask", item.mask, `The mask of what decides: ${what}`));
      e.methods.forEach((m, i) => {
        if (!chosen.has(m)) return;
        const notes = [];
        if (item.areas && item.areas[i] !== null) notes.push(`area ${item.areas[i].toFixed(2)}`);
        if (item.features[i].length) notes.push(item.features[i].join("; "));
        pictures.push(tile(data.methods[m].name, item.maps[i], `Map by ${data.methods[m].name}: ${what}`, notes, over.checked ? item.image : null));
      });
      return make("li", { class: "item" }, make("h3", {}, label, chip, make("span", { class: "meta" }, `test image ${item.index}`)),
        make("div", { class: "tiles" }, ...pictures));
    };
    const draw = () => {
      const e = experiment();
      const fitting = e.items.filter((x) => (classes.value === "" || x.label === Number(classes.value)) && (!wrong.checked || x.label !== x.predicted));
      const shown = fitting.slice(0, limit);
      items.className = `items${e.pixelated ? " pixelated" : ""}${over.checked ? " over" : ""}`;
      items.replaceChildren(...shown.map((x) => card(e, x)));
      const total = `${e.items.length} images of the ${e.explained.toLocaleString("en")} that were explained are in this page`;
      count.textContent = fitting.length ? `${shown.length} of ${fitting.length} shown; ${total}.` : `None of the images here fits; ${total}.`;
      more.hidden = shown.length >= fitting.length;
    };
    const fill = () => {
      const e = experiment();
      classes.replaceChildren(option("", "all"), ...e.shown.map((c) => option(c, e.classes[c])));
      methods.replaceChildren(...e.methods.map((m) => {
        const button = make("button", { type: "button", "data-method": m, "aria-pressed": chosen.has(m) ? "true" : "false" }, data.methods[m].name);
        button.addEventListener("click", () => { if (chosen.has(m)) chosen.delete(m); else chosen.add(m); press(button, chosen.has(m)); draw(); });
        return button;
      }));
      limit = FIRST;
      draw();
    };
    const pick = (names) => {
      chosen.clear();
      names.forEach((m) => chosen.add(m));
      all("button", methods).forEach((b) => press(b, chosen.has(b.dataset.method)));
      draw();
    };
    sets.append(...data.gallery.map((e, i) => option(i, place(e))));
    sets.addEventListener("change", fill);
    [classes, wrong, over].forEach((control) => control.addEventListener("change", () => { limit = FIRST; draw(); }));
    more.addEventListener("click", () => {
      const before = items.children.length;
      limit += 2 * FIRST;
      draw();
      // The button may be gone now; whoever used the keyboard goes on at the first new image.
      const next = items.children[before];
      if (next) { next.tabIndex = -1; next.focus({ preventScroll: true }); }
    });
    document.getElementById("g-all").addEventListener("click", () => pick(experiment().methods));
    document.getElementById("g-paper").addEventListener("click", () => pick(PAPER));
    fill();
  }
})();
