import { WaitingRoom } from '../coordinator/waiting-room.js';
import type { ToNode } from '../net/connection.js';
import type { Peer } from '../net/greet.js';
import type { Reception } from '../net/listen.js';
import type { OpenSession, RunSession, Upward } from '../node/run-session.js';
import { clusterError } from '../protocol/errors.js';
import type { WelcomeMessage } from '../protocol/messages.js';
import { RelayRun, type RelayTools } from './relay-run.js';

/** Where the nodes below a relay are, from one run above to the next. */
export class Hall {
  readonly #room = new WaitingRoom<RelayRun>();

  constructor(private readonly tools: RelayTools) {}

  /** A node proved its key: it takes part in the run that goes on, or in the next one. */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    const run = await this.#room.runFor(connection);
    return run.receive(peer, connection);
  }

  /** The relay has joined a run. Nodes of the one before stay where it is the same and all of it is still there. */
  readonly open: OpenSession = (upward) => {
    const before = this.#room.run;
    if (before?.computing === upward.prepared.computing) return this.#connect(before, upward);
    void before?.close(clusterError('ERR_SHUTTING_DOWN', {}));
    const run = new RelayRun(upward, this.tools);
    this.#room.begin(run);
    return this.#connect(run, upward);
  };

  /** No run comes any more. Resolves when all nodes are gone. */
  async close(): Promise<void> {
    this.#room.close();
    await this.#room.run?.close(clusterError('ERR_SHUTTING_DOWN', {}));
  }

  #connect(run: RelayRun, upward: Upward): RunSession {
    return run.connect(upward, async (message) => {
      this.#room.end();
      await run.done(message);
    });
  }
}

/** @throws ERR_RELAYED_RUN where not everybody gives the same bytes, so that a sum of theirs could not be asked for again */
export function checkRelayed({ mode, codecs }: Pick<WelcomeMessage, 'mode' | 'codecs'>, address: string): void {
  const codec = Object.values(codecs).find(({ name }) => name !== 'float32');
  if (mode.kind !== 'sync') throw clusterError('ERR_RELAYED_RUN', { address, what: `mode ${mode.kind}` });
  if (codec !== undefined) throw clusterError('ERR_RELAYED_RUN', { address, what: `codec ${codec.name}` });
}
