/** What a CSS colour (with `var(…)`) is for an element right now, in a form that a canvas understands. */
export function canvasColor(element: HTMLElement, color: string): string {
  const probe = document.createElement('span');
  probe.style.color = color;
  element.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
