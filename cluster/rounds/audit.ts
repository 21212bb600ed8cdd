// Trust that is checked: which shares are computed a second time, and what must be redone when a source gave wrong bytes.

/**
 * Whether a share is audited. The draw, from [0, 1), must come from the system's randomness after the share arrived: a source
 * that could know it would be honest just then.
 */
export function isAudited(probability: number, draw: number): boolean {
  return draw < probability;
}

/**
 * What nobody has vouched for: for each source, the version that the first update with a share of it since its last good audit
 * was applied to. The local pool is trusted and has no entry.
 */
export type Unverified = Map<number, number>;

/** Shares of these sources went into the update that was applied to `version`. */
export function noteUpdate(unverified: Unverified, version: number, sources: Iterable<number>): void {
  for (const source of sources) if (!unverified.has(source)) unverified.set(source, version);
}

/** A share of the source was computed by somebody else to the same bytes. */
export function noteGoodAudit(unverified: Unverified, source: number): void {
  unverified.delete(source);
}

/**
 * A source gave wrong bytes: it is expelled, and what it gave before since its last good audit is as doubtful.
 * @returns the version to go back to; undefined when no update has a share of it since
 */
export function redoVersion(unverified: Unverified, source: number): number | undefined {
  return unverified.get(source);
}

/**
 * The newest checkpoint with at most this version must be kept: some member may yet turn out to have given wrong bytes since.
 * Members that left are not waited for, or a checkpoint would have to be kept for ever.
 */
export function versionToKeep(unverified: Unverified, members: Iterable<number>): number | undefined {
  const versions = [...members].flatMap((member) => unverified.get(member) ?? []);
  return versions.length === 0 ? undefined : Math.min(...versions);
}

/** The parameters are those of `version` again: updates from there on have not happened. */
export function noteRedo(unverified: Unverified, version: number): void {
  for (const [source, since] of unverified) if (since >= version) unverified.delete(source);
}
