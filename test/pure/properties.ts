/** Settings of a property test. fast-check prints the seed of a failure; `SEED=<it>` runs that failure again. */
export function runs(numRuns: number): { numRuns: number; seed?: number } {
  const seed = process.env['SEED'];
  return { numRuns, ...(seed !== undefined && { seed: Number(seed) }) };
}
