// The contrast of the ring around what is in focus with the ground that it lies on (WCAG 2.2 §1.4.11), and what is in focus.
() => {
  const node = document.activeElement;
  if (!node || node === document.body) return null;
  const framed = getComputedStyle(node).outlineStyle === "none" ? node.closest("label, #camera") || node : node;
  const ring = node.matches("input[type=file]") ? document.querySelector(".photo") : framed;
  const style = getComputedStyle(ring);
  const parts = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  // Inside of its element where it is drawn inwards.
  let ground = parseFloat(style.outlineOffset) < 0 ? ring : ring.parentElement;
  while (ground && (parts(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [a, b] = [light(style.outlineColor), light(ground ? getComputedStyle(ground).backgroundColor : "rgb(255, 255, 255)")];
  const contrast = style.outlineStyle === "none" ? 0 : (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return { name: `${node.tagName}${node.id ? `#${node.id}` : ""} ${(node.innerText || "").slice(0, 20)}`, contrast, width: parseFloat(style.outlineWidth) };
}
