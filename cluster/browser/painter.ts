// When the dashboard draws: in an animation frame, a few times a second, and never while nobody sees it.
const BETWEEN_MS = 250;

export class Painter {
  #isAsked = false;
  #lastMs = -Infinity;

  constructor(private readonly paint: () => void) {}

  /** Paints soon, once for all who asked until then. Browsers give no frames to a hidden tab. */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    setTimeout(() => { requestAnimationFrame(() => { this.#now(); }); }, Math.max(0, this.#lastMs + BETWEEN_MS - performance.now()));
  }

  #now(): void {
    this.#isAsked = false;
    this.#lastMs = performance.now();
    this.paint();
  }
}
