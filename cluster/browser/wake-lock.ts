/** Keeps the screen on where that is possible, which a browser ends whenever nobody looks at the page. */
export class WakeLock {
  #held: Promise<WakeLockSentinel | undefined> | undefined;

  hold(): void {
    document.addEventListener('visibilitychange', this.#onVisible);
    this.#onVisible();
  }

  release(): void {
    document.removeEventListener('visibilitychange', this.#onVisible);
    void this.#held?.then((lock) => lock?.release());
    this.#held = undefined;
  }

  readonly #onVisible = (): void => {
    if (document.visibilityState !== 'visible' || !('wakeLock' in navigator)) return;
    this.#held = navigator.wakeLock.request('screen').catch(() => undefined); // a low battery is reason enough
  };
}
