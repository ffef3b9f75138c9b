/** What a machine can check of a page's accessibility (WCAG 2.2 AA), as code that runs in the page. */
import type { Page } from 'playwright-core';

/** Everything found, a line each: text of too little contrast, controls without a name or too small, sideways scrolling. */
export function accessibilityFaults(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(${AUDIT})()`);
}

const AUDIT = `() => {
  const faults = [];
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((value) => value / 255);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.5) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  const visible = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.closest('.for-readers, .skip, :disabled') === null;
  const name = (element) => element.className + ' "' + element.textContent.trim().slice(0, 40) + '"';

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    const element = text.parentElement;
    if (text.data.trim() === '' || !visible(element)) continue;
    const [light, dark] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faults.push('contrast ' + contrast.toFixed(1) + ': ' + name(element));
  }
  for (const control of document.querySelectorAll('button, a, input, summary')) {
    if (!visible(control)) continue;
    const named = control.getAttribute('aria-label') ?? (control.textContent.trim() || control.labels?.[0]?.textContent);
    if (!named) faults.push('no name: ' + control.outerHTML.slice(0, 80));
    const { width, height } = control.getBoundingClientRect();
    if (control.type !== 'checkbox' && control.type !== 'range' && (width < 24 || height < 24))
      faults.push('small: ' + Math.round(width) + ' x ' + Math.round(height) + ' ' + name(control));
  }
  for (const image of document.querySelectorAll('img'))
    if (!image.hasAttribute('alt')) faults.push('image without alt: ' + image.src);
  for (const drawing of document.querySelectorAll('svg, canvas'))
    if (drawing.closest('[aria-hidden="true"]') === null) faults.push('drawing read aloud: ' + drawing.outerHTML.slice(0, 80));
  const levels = [...document.querySelectorAll('h1, h2, h3')].filter(visible).map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) faults.push('not one h1: ' + levels);
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) faults.push('the same id twice');
  if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
  if (document.documentElement.lang === '') faults.push('no language');
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) faults.push('scrolls sideways: ' + scrollWidth + ' > ' + innerWidth);
  return faults;
}`;
