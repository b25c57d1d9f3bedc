// What is wrong with the page as it lies on the screen, one line for each fault. `whole`: nothing may need scrolling.
(whole) => {
  const faults = [];
  const W = innerWidth;
  const H = innerHeight;
  const isSeen = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().height > 1 && !node.closest(".said, .skip, .shapes");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(isSeen);
  const name = (node) => `${node.tagName}${node.id ? `#${node.id}` : ""} "${(node.innerText || "").trim().slice(0, 30)}"`;
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1.5;
  const at = (box) => `${Math.round(box.left)},${Math.round(box.top)}–${Math.round(box.right)},${Math.round(box.bottom)} of ${W}×${H}`;

  // The part of a box that is not scrolled away.
  const clipped = (node, box) => {
    let { left, top, right, bottom } = box;
    for (let frame = node.parentElement; frame; frame = frame.parentElement) {
      if (!/auto|scroll|hidden/.test(getComputedStyle(frame).overflowY) || frame === document.body || frame === document.documentElement) continue;
      const edge = frame.getBoundingClientRect();
      [left, top, right, bottom] = [Math.max(left, edge.left), Math.max(top, edge.top), Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
    }
    // What lies under a bar that sticks to the screen is scrolled away.
    const bar = document.querySelector(".bar");
    if (bar && !bar.contains(node)) bottom = Math.min(bottom, bar.getBoundingClientRect().top);
    return { left, top, right, bottom };
  };

  const root = document.documentElement;
  if (root.scrollWidth > W) faults.push(`the page is ${root.scrollWidth} wide`);
  for (const box of all("main, main .body, .stage-card, .facts div, .warning, .foot, header")) {
    if (box.scrollWidth > box.clientWidth + 1) faults.push(`${name(box)} scrolls sideways`);
    if (whole && box.scrollHeight > box.clientHeight + 1) faults.push(`${name(box)} needs scrolling: ${box.scrollHeight} in ${box.clientHeight}`);
  }
  if (whole && root.scrollHeight > H) faults.push(`the page is ${root.scrollHeight} high`);

  const actions = all("button, a[href], label.photo, input:not([type=file])");
  for (const action of actions) {
    const box = action.getBoundingClientRect();
    const isFixed = whole || action.closest(".actions, .langs, .warning, .pad, .bar");
    if (isFixed && (box.left < -0.5 || box.top < -0.5 || box.right > W + 0.5 || box.bottom > H + 0.5)) faults.push(`${name(action)} is out of sight: ${at(box)}`);
    if (action.scrollWidth > action.clientWidth + 1 || action.scrollHeight > action.clientHeight + 1) faults.push(`${name(action)} does not hold its text`);
    if (box.height < 43.5) faults.push(`${name(action)} is ${box.height} high`);
  }
  actions.forEach((one, n) => {
    for (const other of actions.slice(n + 1)) {
      if (!one.contains(other) && meet(clipped(one, one.getBoundingClientRect()), clipped(other, other.getBoundingClientRect()))) faults.push(`${name(one)} covers ${name(other)}`);
    }
  });

  const texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest("svg, script") || !isSeen(parent)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = clipped(parent, range.getBoundingClientRect());
    if (box.right - box.left > 0 && box.bottom - box.top > 0) texts.push({ parent, box });
  }
  for (const { parent, box } of texts) {
    if (box.left < -0.5 || box.right > W + 0.5) faults.push(`${name(parent)} leaves the screen: ${at(box)}`);
    for (const action of actions) {
      if (!action.contains(parent) && !parent.contains(action) && meet(box, clipped(action, action.getBoundingClientRect()))) faults.push(`${name(parent)} is under ${name(action)}`);
    }
  }
  texts.forEach((one, n) => {
    for (const other of texts.slice(n + 1)) {
      if (one.parent !== other.parent && meet(one.box, other.box)) faults.push(`${name(one.parent)} covers ${name(other.parent)}`);
    }
  });

  // Headings and actions break between words or phrases, and headings leave no rest of a line.
  for (const heading of all("h1, h2, .notice-title, button, .big")) {
    const chars = [];
    const within = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
    for (let node = within.nextNode(); node; node = within.nextNode()) {
      [...node.data].forEach((c, n) => {
        const range = document.createRange();
        range.setStart(node, n);
        range.setEnd(node, n + 1);
        const box = range.getBoundingClientRect();
        // A space at the end of a line has no width.
        if (box.width > 0) chars.push({ c, box, first: n === 0, after: node.data[n - 1] || " " });
      });
    }
    const lines = [];
    chars.forEach(({ c, box, first, after }, n) => {
      const before = chars[n - 1];
      if (before && box.top - before.box.top < box.height / 2) return lines.at(-1).push(box);
      if (before && /[a-z]/i.test(after) && /[a-z]/i.test(c)) faults.push(`${name(heading)} breaks a word before ${c}`);
      if (before && heading.dataset.t && c > "\u3000" && !first) faults.push(`${name(heading)} breaks a phrase before ${c}`);
      lines.push([box]);
    });
    const width = (line) => line.at(-1).right - line[0].left;
    const longest = Math.max(...lines.map(width), 0);
    if (!heading.matches("button, .big") && lines.length > 1 && width(lines.at(-1)) < longest * 0.3) faults.push(`${name(heading)} leaves a short last line`);
  }
  return faults;
}
