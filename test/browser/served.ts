// A run whose coordinator serves its page.
import { onTestFinished } from 'vitest';
import { parseJoinLink } from '../../cluster/protocol/keys.js';
import { distribute, type DistributeOptions, type Trainer } from '../../src/index.js';
import { Arrivals } from '../cluster/ends.js';
import { train } from '../cluster/long-training.js';
import { FAR_NAME } from './chromium.js';

export interface Served {
  readonly trainer: Trainer;
  /** What the coordinator tells people. */
  readonly said: Arrivals<string>;
  /** For nodes that are programs. */
  readonly link: string;
  /** For a tab, by the host that it is opened with. */
  readonly pageAt: (host: string) => string;
  /** For an operator's tab. */
  readonly operatorPage: string;
}

export async function serving(options: DistributeOptions): Promise<Served> {
  const said = new Arrivals<string>();
  const trainer = await distribute(train.model(), { ...train.options, serve: '127.0.0.1:0', hosts: [FAR_NAME], ...options, onNotice: (text) => { said.add(text); } });
  onTestFinished(() => trainer.close());
  const printed = await said.at(0);
  const link = [...printed.matchAll(/tensorflock join '(.*)'/g)].map(([, one]) => one!).find((one) => one.includes('127.0.0.1'))!;
  const operatorLink = /tensorflock operate '(.*)' pause/.exec(printed)![1]!;
  const { port } = parseJoinLink(link);
  const pageOf = (host: string, { hash }: URL): string => `http://${host}:${port}/${hash}`;
  return { trainer, said, link, pageAt: (host) => pageOf(host, new URL(link)), operatorPage: pageOf('127.0.0.1', new URL(operatorLink)) };
}
