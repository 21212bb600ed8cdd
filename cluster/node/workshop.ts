import type { NodeComputing, NodeTools } from './computing.js';

/** A node that has everything to compute with for one run. */
export interface Prepared {
  /** Names all that it was made from: plan, data and order. */
  readonly key: string;
  /** What the workers answered to the probe of this seed, before they belonged to the run. */
  readonly probe: { readonly seed: number; readonly hash: string };
  readonly computing: NodeComputing;
}

/**
 * What a node has from one connection to the next: its threads, and the run that it was prepared for. A coordinator that was
 * started again, or a connection that broke, then costs the node a handshake and new parameters.
 */
export class Workshop {
  #tools: { readonly arithmetic: string; readonly tools: NodeTools } | undefined;
  #prepared: Prepared | undefined;

  /** @param prepare threads and kernels of an arithmetic; undefined where this engine does not have it */
  constructor(private readonly prepare: (arithmetic: string) => NodeTools | undefined | Promise<NodeTools | undefined>) {}

  async toolsFor(arithmetic: string): Promise<NodeTools | undefined> {
    if (this.#tools?.arithmetic !== arithmetic) {
      await this.close();
      const tools = await this.prepare(arithmetic);
      this.#tools = tools && { arithmetic, tools };
    }
    return this.#tools?.tools;
  }

  /** Hands over what was prepared for the same run and answers the same probe. What is not, makes room: threads belong to one run at a time. */
  async take(key: string, probeSeed: number): Promise<Prepared | undefined> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    if (prepared?.key === key && prepared.probe.seed === probeSeed) return prepared;
    await prepared?.computing.close();
    return undefined;
  }

  putBack(prepared: Prepared): void {
    this.#prepared = prepared;
  }

  async close(): Promise<void> {
    await this.#prepared?.computing.close();
    this.#prepared = undefined;
    await this.#tools?.tools.pool.close();
    this.#tools = undefined;
  }
}
