/** Colours of the page's style sheet for canvases, as they are at the moment of drawing. */

export class Palette {
  readonly #probe = document.createElement('span');

  /** @param place an element of the page, which gets a child that is never seen */
  constructor(place: HTMLElement) {
    this.#probe.hidden = true;
    place.append(this.#probe);
  }

  /** A custom property as a colour that a canvas understands. */
  colour(name: string): () => string {
    return () => {
      this.#probe.style.color = `var(${name})`;
      return getComputedStyle(this.#probe).color;
    };
  }
}
