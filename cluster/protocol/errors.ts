// Every error of the cluster, in one table. The code crosses the wire (a close reason has room for 123 bytes), the sentence is
// for the log of the side that can act.
import { TensorflockError, type ErrorKind } from '../../src/errors.js';

interface ErrorRow {
  /** Of the WebSocket, 4000 to 4999. A code that never travels (41xx) has one too, so that one number names one error. */
  readonly closeCode: number;
  /** `input`: somebody has to change a command or a file first; `run`: everything was well and something failed all the same. */
  readonly kind: ErrorKind;
  /** Whether a node that meets it dials again by itself. */
  readonly retry: boolean;
  /** What it means and what helps, for whoever knows the code alone; docs/errors.md has the same words. */
  readonly meaning: string;
  /** For the side that throws; names in braces are filled in. */
  readonly sentence: string;
}

export const CLUSTER_ERRORS = {
  ERR_FRAME: {
    closeCode: 4000, kind: 'run', retry: false,
    meaning: 'A frame is no frame of the protocol: cut short, padded with other bytes than 0, or with a header that is no msgpack of the kinds allowed.',
    sentence: 'A frame of {byteLength} bytes cannot be read: {problem}.',
  },
  ERR_MESSAGE: {
    closeCode: 4001, kind: 'run', retry: false,
    meaning: 'A message has another type, other fields or other values than the protocol allows; both sides need the same version of the program.',
    sentence: 'A message of type "{type}" is refused: {problem}.',
  },
  ERR_TOO_LARGE: {
    closeCode: 4002, kind: 'run', retry: false,
    meaning: 'A frame, header, list, text or tensor is larger than its limit.',
    sentence: '{what} has {size} {unit}; at most {limit} are allowed here.',
  },
  ERR_TENSOR_HASH: {
    closeCode: 4003, kind: 'run', retry: true,
    meaning: 'The bytes of a tensor do not have the SHA-256 that their message names; they were damaged on the way.',
    sentence: 'The {byteLength} tensor bytes of a message of type "{type}" do not have the SHA-256 that it names.',
  },
  ERR_UNEXPECTED_MESSAGE: {
    closeCode: 4004, kind: 'run', retry: true,
    meaning: 'A message came that its sender may not send in this state of the connection.',
    sentence: 'A message of type "{type}" came in the state {state}, which expects {expected}.',
  },
  ERR_PROTOCOL_VERSION: {
    closeCode: 4010, kind: 'input', retry: false,
    meaning: 'Node and coordinator speak different versions of the protocol; install the same version of tensorflock on both.',
    sentence: 'The node speaks version {theirs} of the protocol and this coordinator version {ours}; install the same version of tensorflock on both.',
  },
  ERR_WRONG_KEY: {
    closeCode: 4011, kind: 'input', retry: false,
    meaning: 'A node did not prove the key of this run for its role; copy the whole link again.',
    sentence: 'The {role} at {address} did not prove the {keyName} key of this run; give it the link that the coordinator printed.',
  },
  ERR_COORDINATOR_UNPROVED: {
    closeCode: 4012, kind: 'input', retry: false,
    meaning: 'The other end did not prove the key of the link: the link is of another run, or somebody stands between; copy the whole link again.',
    sentence: 'What answers at {address} did not prove the key of the link; copy the whole link that the coordinator printed{purpose}.',
  },
  ERR_IDENTITY: {
    closeCode: 4013, kind: 'input', retry: false,
    meaning: 'A node did not prove that the identity it named is its own; give every node an identity file of its own.',
    sentence: 'The node at {address} named the identity {identity} and did not prove it.',
  },
  ERR_DUPLICATE_IDENTITY: {
    closeCode: 4014, kind: 'run', retry: true,
    meaning: 'A node with the same identity is connected; it is let in when the other connection has ended.',
    sentence: 'The identity {identity} is connected from {address} already; it is let in when that connection has ended.',
  },
  ERR_TOO_MANY_TRIES: {
    closeCode: 4015, kind: 'run', retry: true,
    meaning: 'Too many handshakes from this address have failed; a little later it may try again.',
    sentence: 'Too many handshakes from {address} have failed; it may try again in {seconds} s.',
  },
  ERR_CERTIFICATE: {
    closeCode: 4016, kind: 'input', retry: false,
    meaning: 'The certificate of the coordinator is not the one that the link names; copy the link again, and if that does not help somebody stands between.',
    sentence: 'The certificate of {address} has the fingerprint {found} and the link names {expected}; copy the link again, and if that does not help somebody stands between.',
  },
  ERR_HOST: {
    closeCode: 4017, kind: 'input', retry: false,
    meaning: 'A request names a host that the coordinator does not go by; use the printed link, or start the coordinator with `--host` and that name.',
    sentence: 'A request from {address} names the host "{host}"; use the printed link, or start with --host {host}.',
  },
  ERR_ORIGIN: {
    closeCode: 4018, kind: 'input', retry: false,
    meaning: 'A request comes from a page of another origin, which may not use the coordinator.',
    sentence: 'A request from {address} comes from a page of {origin}, which may not use this coordinator.',
  },
  ERR_OTHER_ARITHMETIC: {
    closeCode: 4020, kind: 'input', retry: false,
    meaning: 'A node computes with other bits than the run: its engine, or its build of the kernels, rounds differently; a run with `--kernels portable` admits it.',
    sentence: 'The node computes with {theirs} and the run with {ours}; start the run with --kernels portable to admit it.',
  },
  ERR_OTHER_PLAN: {
    closeCode: 4021, kind: 'input', retry: false,
    meaning: 'The plan cannot be used by a node: its check found a fault, or it is of another version; install the same version of tensorflock on both.',
    sentence: 'The plan of {address} cannot be used here: {problem}; install the same version of tensorflock on both.',
  },
  ERR_OTHER_DATA: {
    closeCode: 4022, kind: 'input', retry: false,
    meaning: 'The data that were found or sent are not those of the run.',
    sentence: 'The column "{column}" has the SHA-256 {found} and the run needs {expected}; remove the file, so that it is fetched again.',
  },
  ERR_DATA_WAY: {
    closeCode: 4023, kind: 'input', retry: false,
    meaning: 'The run needs more of the data at a time than a node with `--data rows` can be sent; join with `--data columns`.',
    sentence: 'The run at {address} cannot be joined with --data rows: {problem}; join with --data columns.',
  },
  ERR_RELAYED_RUN: {
    closeCode: 4024, kind: 'input', retry: false,
    meaning: 'A relay hands on exact runs alone, which are those of mode `sync` with codec `float32`; join without `--serve`, and let the nodes below it join the coordinator itself.',
    sentence: 'The run at {address} cannot be handed on: it has the {what}, and a relay takes part in mode sync with codec float32 alone; join without --serve.',
  },
  ERR_STALE_GENERATION: {
    closeCode: 4030, kind: 'run', retry: true,
    meaning: 'A message belongs to an earlier start of the coordinator; the node joins again.',
    sentence: 'A message of type "{type}" is of generation {theirs} and the coordinator at generation {ours}; the node joins again.',
  },
  ERR_NON_FINITE_SHARE: {
    closeCode: 4031, kind: 'run', retry: true,
    meaning: 'A node sent a share with NaN or an infinity, and the same share computed again was finite.',
    sentence: 'Node {node} sent a share of step {step} that is not finite; computed again it was.',
  },
  ERR_SHARE: {
    closeCode: 4032, kind: 'run', retry: false,
    meaning: 'A share does not fit the plan or the assignment that it answers.',
    sentence: 'A share of step {step} from node {node} is refused: {problem}.',
  },
  ERR_EXPELLED: {
    closeCode: 4033, kind: 'run', retry: false,
    meaning: 'A node gave other bytes for a share than the audit did; it takes no further part in the run.',
    sentence: 'Node {node} is expelled: its share {share} of step {step} differs from the audit.',
  },
  ERR_HANDSHAKE_TIMEOUT: {
    closeCode: 4040, kind: 'run', retry: true,
    meaning: 'The handshake was not finished in time.',
    sentence: 'The handshake with {address} was not finished within {timeoutMs} ms.',
  },
  ERR_NODE_TIMEOUT: {
    closeCode: 4041, kind: 'run', retry: true,
    meaning: 'Nothing was heard from the other side for longer than the deadline.',
    sentence: 'Nothing was heard from {address} for {silentMs} ms; the deadline is {deadlineMs} ms.',
  },
  ERR_SLOW_READER: {
    closeCode: 4042, kind: 'run', retry: true,
    meaning: 'The other side does not read what is sent to it.',
    sentence: 'The other side at {address} has left {byteLength} bytes unread for {timeoutMs} ms.',
  },
  ERR_TOO_FAST: {
    closeCode: 4043, kind: 'run', retry: true,
    meaning: 'The other side sends more messages a second than it may.',
    sentence: 'The other side at {address} sent {messages} messages within a second; at most {limit} are allowed.',
  },
  ERR_SERVER_FULL: {
    closeCode: 4044, kind: 'run', retry: true,
    meaning: 'The coordinator has as many connections as it may have.',
    sentence: 'The coordinator has {connections} connections, as many as it may have.',
  },
  ERR_TOO_MANY_CONNECTIONS: {
    closeCode: 4045, kind: 'run', retry: true,
    meaning: 'The coordinator has as many connections from this address as it may have.',
    sentence: 'The coordinator has {connections} connections from {address}, as many as it may have.',
  },
  ERR_SHUTTING_DOWN: {
    closeCode: 4046, kind: 'run', retry: true,
    meaning: 'The coordinator is being shut down; a node waits until it is there again.',
    sentence: 'The coordinator is being shut down and takes no new work.',
  },
  ERR_NOBODY_BELOW: {
    closeCode: 4047, kind: 'run', retry: true,
    meaning: 'A relay without workers of its own has lost the last node below it: it hands back what it was given, and takes part again when a node has come.',
    sentence: 'This relay has no workers of its own and no node below it any more; it takes part again when one has come.',
  },
  ERR_NO_CHECKPOINTS: {
    closeCode: 4050, kind: 'input', retry: false,
    meaning: 'A checkpoint was asked of a run that keeps none, or that ended before it was written; start the run with `--out`.',
    sentence: 'This run keeps no checkpoints, or ended before one was written; start it with --out and a folder.',
  },
  ERR_NO_CHAOS: {
    closeCode: 4051, kind: 'input', retry: false,
    meaning: 'Trouble was asked for in a run that allows none, or for a node that is not there; start the run with `--chaos` and choose a node that takes part.',
    sentence: 'Node {node} cannot be troubled: {problem}.',
  },
  ERR_JOIN_LINK: {
    closeCode: 4100, kind: 'input', retry: false,
    meaning: 'A join link is not of the form `http://host:port/#k=…`.',
    sentence: 'The join link {problem}; it has the form http://host:port/#k=… and is best copied whole.',
  },
  ERR_KEY: {
    closeCode: 4101, kind: 'input', retry: false,
    meaning: 'A key is missing, too short, or not written as unpadded base64url.',
    sentence: 'The key of {source} {problem}; a key is 22 characters of base64url, as the coordinator prints it.',
  },
  ERR_LISTEN: {
    closeCode: 4102, kind: 'input', retry: false,
    meaning: 'The coordinator cannot listen on an address: it is not of the form `[host:]port`, not of this machine, or needs more rights.',
    sentence: 'The coordinator cannot listen on {address}: {problem}; give --serve another [host:]port.',
  },
  ERR_UNREACHABLE: {
    closeCode: 4103, kind: 'run', retry: true,
    meaning: 'Nothing answers at the address of the link.',
    sentence: 'Nothing answers at {address}: {problem}.',
  },
  ERR_PORT_BUSY: {
    closeCode: 4104, kind: 'input', retry: false,
    meaning: 'Another program listens on the port that the coordinator was to have; choose another one, or end that program.',
    sentence: 'Another program listens on {address}; choose another port with --serve, or 0 for a free one.',
  },
  ERR_NO_COORDINATOR: {
    closeCode: 4105, kind: 'input', retry: false,
    meaning: 'No coordinator was found on this network: none is announced, or mDNS cannot be used here; give `join` the link that the coordinator printed.',
    sentence: 'No coordinator was found: {problem}; give join the link that the coordinator printed.',
  },
  ERR_INSECURE: {
    closeCode: 4106, kind: 'input', retry: false,
    meaning: 'The link is of a run without keys, and that was not typed: whoever is on the network can read and change what such a run sends; `--insecure` joins it all the same.',
    sentence: 'The run at {address} asks for no key, and whoever is on the network can read and change what it sends; type --insecure to join it all the same.',
  },
  ERR_METRICS_KEY: {
    closeCode: 4110, kind: 'input', retry: false,
    meaning: 'A request for `/metrics` did not bring the metrics key of this run; send `Authorization: Bearer` and the key that the coordinator printed.',
    sentence: 'A request for /metrics from {address} did not bring the metrics key of this run; give Prometheus the key that was printed for it.',
  },
} as const satisfies Readonly<Record<`ERR_${string}`, ErrorRow>>;

export type ClusterErrorCode = keyof typeof CLUSTER_ERRORS;

export const CLUSTER_ERROR_CODES = Object.keys(CLUSTER_ERRORS) as ClusterErrorCode[];

type NamesIn<Sentence extends string> = Sentence extends `${string}{${infer Name}}${infer Rest}` ? Name | NamesIn<Rest> : never;

/** What fills the braces of a code's sentence. */
export type ErrorValues<Code extends ClusterErrorCode> = Readonly<Record<NamesIn<(typeof CLUSTER_ERRORS)[Code]['sentence']>, string | number>>;

/** An error of the cluster. `code` names its row of the table, from which close code and retry come. */
export class ClusterError extends TensorflockError {
  declare readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, sentence: string, options?: ErrorOptions) {
    super(code, sentence, CLUSTER_ERRORS[code].kind, options);
  }

  get closeCode(): number {
    return CLUSTER_ERRORS[this.code].closeCode;
  }

  get retry(): boolean {
    return CLUSTER_ERRORS[this.code].retry;
  }
}

/** The error of a row, with its sentence filled in. Values may come from the other side: they are cut and stripped to ASCII. */
export function clusterError<Code extends ClusterErrorCode>(code: Code, values: ErrorValues<Code>, options?: ErrorOptions): ClusterError {
  const byName = new Map<string, unknown>(Object.entries(values));
  return new ClusterError(code, CLUSTER_ERRORS[code].sentence.replace(/\{(\w+)\}/g, (_, name: string) => plainText(byName.get(name))), options);
}

/**
 * The error that the other side closed with, or undefined where close code and reason (which is the error's code) are not of one
 * row. Its sentence is the row's meaning: no more of it crosses the wire.
 */
export function errorOfClose(closeCode: number, reason: string): ClusterError | undefined {
  const code = CLUSTER_ERROR_CODES.find((candidate) => candidate === reason);
  if (code === undefined || CLUSTER_ERRORS[code].closeCode !== closeCode) return undefined;
  return new ClusterError(code, `The other side ended the connection: ${CLUSTER_ERRORS[code].meaning}`);
}

const SHOWN_CHARACTERS = 200;

/** A value as a log line and a terminal may show it. */
function plainText(value: unknown): string {
  return String(value).slice(0, SHOWN_CHARACTERS).replace(/[^\x20-\x7e…]/g, '?');
}
