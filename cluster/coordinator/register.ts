import type { KeptMember, KeptRegister } from '../net/kept-cluster.js';
import { MOST_REMEMBERED } from '../rounds/membership.js';

export type WriteRegister = (state: KeptRegister) => Promise<void>;

const NOBODY: KeptRegister = { generation: 1, nextNumber: 0, members: [] };

/**
 * Remembers generation, numbers and who was expelled, from one training to the next and, where it is written down, from one process
 * to the next.
 */
export class Register {
  #generation: number;
  #nextNumber: number;
  readonly #members: Map<string, KeptMember>;
  #write: WriteRegister | undefined;
  #writing: Promise<void> = Promise.resolve();
  #due: Promise<void> | undefined;

  constructor({ generation, nextNumber, members } = NOBODY) {
    this.#generation = generation;
    this.#nextNumber = nextNumber;
    this.#members = new Map(members.map((member) => [member.identity, member]));
  }

  get generation(): number {
    return this.#generation;
  }

  get nextNumber(): number {
    return this.#nextNumber;
  }

  numberOf(identity: string): number | undefined {
    return this.#members.get(identity)?.number;
  }

  isExpelled(identity: string): boolean {
    return this.#members.get(identity)?.isExpelled === true;
  }

  /** A member has a number. Nobody waits until that is written down: a disk that refuses is told of by what must be. */
  enter(identity: string, number: number): void {
    if (this.#members.has(identity)) return;
    this.#members.set(identity, { identity, number, isExpelled: false });
    this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    this.#forgetOldest();
    this.#save().catch(() => undefined);
  }

  /** Resolves when that is written down. @throws ERR_CHECKPOINT_WRITE */
  async expel({ identity, number }: Pick<KeptMember, 'identity' | 'number'>): Promise<void> {
    this.#members.set(identity, { identity, number, isExpelled: true });
    await this.#save();
  }

  /** Resolves when that is written down, before which nothing of the generation may leave. @throws ERR_CHECKPOINT_WRITE */
  async raise(generation: number): Promise<void> {
    this.#generation = generation;
    await this.#save();
  }

  /** Where it is written down from now on, if anywhere. Resolves when that is done. @throws ERR_CHECKPOINT_WRITE */
  async keepWith(write: WriteRegister | undefined): Promise<void> {
    await this.#due?.catch(() => undefined);
    await this.#writing.catch(() => undefined);
    this.#write = write;
    await this.#save();
  }

  /** One write at a time; what is noted during one is in the next. */
  #save(): Promise<void> {
    this.#due ??= this.#writing.catch(() => undefined).then(() => {
      this.#due = undefined;
      this.#writing = this.#write?.(this.#state) ?? Promise.resolve();
      return this.#writing;
    });
    return this.#due;
  }

  get #state(): KeptRegister {
    return { generation: this.#generation, nextNumber: this.#nextNumber, members: [...this.#members.values()] };
  }

  /** An identity costs a stranger nothing. Who was expelled is remembered longest. */
  #forgetOldest(): void {
    if (this.#members.size <= MOST_REMEMBERED) return;
    const [first] = this.#members.values();
    const oldest = [...this.#members.values()].find(({ isExpelled }) => !isExpelled) ?? first!;
    this.#members.delete(oldest.identity);
  }
}
