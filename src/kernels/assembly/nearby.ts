// What another core has written lies in that core's caches and comes over line by line when it is read.

/** Of the caches of most processors; where lines are longer some loads are for nothing. */
const LINE_BYTES: usize = 64;

let othersWrite = false;
/** Where what was loaded ends, so that no compiler leaves the loads out. */
let loaded: i64 = 0;

/** Whether other threads write the panels that products read. */
export function sharePanels(yes: i32): void {
  othersWrite = yes != 0;
}

/**
 * Has a panel come from the other core before a product reads it: load upon load waits for nothing, while a tile, and more so one
 * that leaves zeros out, asks for the next lines only as it goes on (half a panel of two workers: 12 microseconds a step of the
 * mlp in the place of 24).
 */
export function bringNear(panel: usize, byteLength: usize): void {
  if (!othersWrite) return;
  const end = panel + byteLength;
  let all: i64 = 0;
  for (; panel + 4 * LINE_BYTES <= end; panel += 4 * LINE_BYTES) {
    all |= load<i64>(panel, 0) | load<i64>(panel, 64) | load<i64>(panel, 128) | load<i64>(panel, 192);
  }
  for (; panel < end; panel += LINE_BYTES) all |= load<i64>(panel);
  loaded = all;
}
