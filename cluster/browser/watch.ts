// The page's own connection, over which it is told how the run goes and an operator steers it.
import type { FeedRecord } from '../feed/records.js';
import type { ToCoordinator } from '../net/connection.js';
import type { Ending } from '../net/ending.js';
import type { Dialled } from '../net/introduce.js';
import { keepDialling } from '../net/redial.js';
import { ClusterError, clusterError } from '../protocol/errors.js';
import { drawIdentitySecret, identityOf } from '../protocol/identity.js';
import type { CommandMessage, ImpedeMessage } from '../protocol/messages.js';
import type { ConnectionState } from './overview.js';
import { pageClock } from './page-clock.js';
import { dialFromPage } from './page-dial.js';
import { softwareVersion } from './version.js';

export type WatchRole = 'viewer' | 'operator';

export interface WatchOptions {
  /** Of the page, `location.origin`. */
  readonly origin: string;
  /** The join key, or an operator's the operator key; empty where the run asks for none, and everybody steers it. */
  readonly key: Uint8Array;
  readonly record: (record: FeedRecord) => void;
  /** @param sentence why it is not open */
  readonly state: (state: ConnectionState, sentence?: string) => void;
  /** What the key turned out to be good for. */
  readonly role: (role: WatchRole) => void;
}

/** Watches one training after another, dialling again whenever that may help. */
export class Watch {
  #role: WatchRole | undefined;
  #connection: ToCoordinator | undefined;
  readonly #answers = new Map<number, { readonly resolve: (step: number) => void; readonly reject: (error: Error) => void }>();
  #nextId = 1;

  constructor(private readonly options: WatchOptions) {}

  /** Never rejects: what cannot be mended is told. */
  async run(): Promise<void> {
    const { state } = this.options;
    state('connecting');
    const random = (): number => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
    let isOver = false; // a coordinator that is gone after its run is missed by nobody
    const waits = (after: Ending | ClusterError): void => { if (!isOver) state('broken', sentenceOf(after)); };
    const welcomed = (): void => { isOver = false; };
    try {
      for (;;) {
        const ending = await keepDialling((reset) => this.#watchOnce(() => { reset(); welcomed(); }), { clock: pageClock, random, waits });
        if (ending.how === 'failed') throw ending.error;
        if (ending.how !== 'done') return;
        isOver = true;
        state('over', ending.outcome === 'finished' ? 'The run has come to its end.' : 'The run was stopped.');
      }
    } catch (error) {
      state('over', (error as Error).message);
    }
  }

  /** @returns the updates made by then @throws ClusterError, what the coordinator refuses included */
  command(command: CommandMessage['command']): Promise<number> {
    return this.#ask((id) => ({ type: 'command', id, command }));
  }

  /** The same for trouble with a node. */
  impede(how: ImpedeMessage['how'], node: number): Promise<number> {
    return this.#ask((id) => ({ type: 'impede', id, node, how }));
  }

  #ask(message: (id: number) => CommandMessage | ImpedeMessage): Promise<number> {
    const connection = this.#connection;
    if (connection === undefined) return Promise.reject(unanswered(this.options.origin));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      void connection.send(message(id));
    });
  }

  async #watchOnce(welcomed: () => void): Promise<Ending> {
    const { state, record } = this.options;
    const { connection } = await this.#dial();
    welcomed();
    this.#connection = connection;
    state('open');
    void connection.send({ type: 'watch' });
    const ending = await connection.serve((message) => {
      if (message.type === 'feed') for (const each of JSON.parse(new TextDecoder().decode(message.bytes)) as FeedRecord[]) record(each);
      if (message.type === 'performed') {
        this.#answers.get(message.id)?.resolve(message.step);
        this.#answers.delete(message.id);
      }
    });
    this.#connection = undefined;
    const error = ending.how === 'failed' ? ending.error : unanswered(this.options.origin);
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
    return afterRefusal(ending);
  }

  /** A link does not say whose it is: the first time both are tried. */
  async #dial(): Promise<Dialled> {
    if (this.#role !== undefined) return this.#dialAs(this.#role);
    if (this.options.key.byteLength === 0) return this.#dialAs('operator');
    try {
      return await this.#dialAs('viewer');
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'ERR_COORDINATOR_UNPROVED') throw error;
      return this.#dialAs('operator');
    }
  }

  async #dialAs(role: WatchRole): Promise<Dialled> {
    const dialled = await dialFromPage({ ...this.options, role, identity: identityOf(drawIdentitySecret()), softwareVersion });
    if (this.#role === undefined) this.options.role(role);
    this.#role = role;
    return dialled;
  }
}

/** A command that is refused ends the connection, which is no reason to watch no more. */
function afterRefusal(ending: Ending): Ending {
  const isRefusal = ending.how === 'failed' && ending.error instanceof ClusterError && ['ERR_NO_CHECKPOINTS', 'ERR_NO_CHAOS'].includes(ending.error.code);
  return isRefusal ? { how: 'lost' } : ending;
}

function unanswered(origin: string): ClusterError {
  return clusterError('ERR_UNREACHABLE', { address: new URL(origin).host, problem: 'the connection is broken' });
}

function sentenceOf(outcome: Ending | ClusterError): string {
  if (outcome instanceof Error) return outcome.message;
  return outcome.how === 'failed' ? outcome.error.message : 'The connection broke.';
}
