// Shapes that the kiosk draws.

export function icon(name) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const use = document.createElementNS(ns, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function tag(text) {
  const node = document.createElement("span");
  node.className = "tag";
  node.textContent = text;
  return node;
}

export function bars() {
  // A decoration, not a real barcode: the widths repeat.
  const ns = "http://www.w3.org/2000/svg";
  let x = 172;
  const widths = [3, 2, 6, 2, 3, 5, 2, 3, 8, 3, 2, 4];
  for (let n = 0; x < 400; n += 1) {
    const bar = document.createElementNS(ns, "rect");
    const wide = widths[n % widths.length];
    for (const [name, value] of Object.entries({ x, y: 198, width: wide, height: 58 })) bar.setAttribute(name, value);
    document.querySelector(".bars").append(bar);
    x += wide + widths[(n + 5) % widths.length] * 0.8 + 1.5;
  }
}
