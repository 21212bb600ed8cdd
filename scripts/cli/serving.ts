import type { TlsIdentity } from '../../cluster/net/certificate.js';
import { checkDoor, readTlsFiles } from '../../cluster/net/door-options.js';
import { givenKey } from '../../cluster/net/run-keys.js';
import { formatKey } from '../../cluster/protocol/keys.js';
import type { Context } from './context.js';
import type { DistributeOptions } from './library.js';
import type { TrainOptions } from './options.js';
import { watchingOptions } from './watching.js';

/**
 * What the library is told of a run that others join.
 * @throws ERR_LISTEN, ERR_KEY, ERR_OPTION, ERR_EVENT_LOG
 */
export async function servingOptions(serve: string | true, options: TrainOptions, { environment, stderr }: Context): Promise<DistributeOptions> {
  const { host: hosts = [], announce, insecure, keyFile, tlsCert, tlsKey, quorum, backup, audit, checkShares, chaos, resume } = options;
  const key = insecure ? undefined : await givenKey({ keyFile, environment: environment['TENSORFLOCK_KEY'] });
  const tls = await givenTls({ tlsCert, tlsKey });
  const door = { hosts, announce, insecure, ...(key === undefined ? {} : { joinKey: formatKey(key) }), ...(tls === undefined ? {} : { tls }) };
  checkDoor({ address: serve, ...door });
  return {
    serve, ...door, quorum, backup, audit, checkShares, chaos, ...(resume === undefined ? {} : { serveFrom: resume }), ...(await watchingOptions(options)),
    onNotice: (text) => { stderr.write(`${text}\n`); },
  };
}

/** @throws ERR_OPTION */
export async function givenTls({ tlsCert, tlsKey }: Pick<TrainOptions, 'tlsCert' | 'tlsKey'>): Promise<TlsIdentity | undefined> {
  return tlsCert === undefined || tlsKey === undefined ? undefined : readTlsFiles(tlsCert, tlsKey);
}
