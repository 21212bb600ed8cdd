// What `--codec`, and `codec` of `distribute`, name: a codec for each direction.
import type { Codec, CodecName } from './codec.js';

export const CODEC_NAMES = ['float32', 'float16', 'bfloat16', 'int8', 'topk'] as const satisfies readonly CodecName[];

/** Codecs by direction: parameters go to nodes, shares to the coordinator. */
export interface Codecs {
  readonly toNode: Codec;
  readonly toCoordinator: Codec;
}

export type ToNodeName = Exclude<CodecName, 'topk'>;

/** One codec for both directions, or one for each; float32 for the one that is left out. */
export type CodecChoice = CodecName | { readonly toNode?: ToNodeName | undefined; readonly toCoordinator?: CodecName | undefined };

/** Values that share a scale of int8: 4 bytes of scale for them cost 1.6 %. */
const BLOCK_VALUES = 256;

/** Of the values of a share that top-k keeps: with 8 bytes for each, a tenth of float32. */
const KEPT_FRACTION = 0.05;

/**
 * Instead of top-k, parameters go as int8: an update changes nearly every one of them, as the moments of the optimizer do, so that
 * there are no few that are worth more than the rest.
 */
const INSTEAD_OF_TOPK: ToNodeName = 'int8';

export function codecsOf(choice: CodecChoice = 'float32'): Codecs {
  const { toNode = 'float32', toCoordinator = 'float32' } = typeof choice === 'string' ? { toNode: choice === 'topk' ? INSTEAD_OF_TOPK : choice, toCoordinator: choice } : choice;
  return { toNode: codecOf(toNode), toCoordinator: codecOf(toCoordinator) };
}

function codecOf(name: CodecName): Codec {
  switch (name) {
    case 'int8':
      return { name, blockValues: BLOCK_VALUES };
    case 'topk':
      return { name, keptFraction: KEPT_FRACTION };
    default:
      return { name };
  }
}

/** Whether what arrives is what was sent, bit for bit, in both directions. */
export function isLossless({ toNode, toCoordinator }: Codecs): boolean {
  return toNode.name === 'float32' && toCoordinator.name === 'float32';
}

/** Whether what an encoding loses has to be sent later: of the 16-bit codecs it is a rounding of each value, with either sign. */
export function needsFeedback({ name }: Codec): boolean {
  return name === 'int8' || name === 'topk';
}

/** A choice as it is typed: `bfloat16`, or `toNode=bfloat16,toCoordinator=int8`. Undefined for anything else. */
export function parseCodecChoice(text: string): CodecChoice | undefined {
  if (isCodecName(text)) return text;
  const [toNode = 'float32', toCoordinator = 'float32'] = [/\btoNode=(\w+)/, /\btoCoordinator=(\w+)/].map((pattern) => pattern.exec(text)?.[1]);
  if (!isToNodeName(toNode) || !isCodecName(toCoordinator)) return undefined;
  const [one, other] = [`toNode=${toNode}`, `toCoordinator=${toCoordinator}`];
  return [one, other, `${one},${other}`, `${other},${one}`].includes(text) ? { toNode, toCoordinator } : undefined;
}

/** The same text for the same codecs. */
export function formatCodecs({ toNode, toCoordinator }: Codecs): string {
  const short = codecsOf(toCoordinator.name);
  return short.toNode.name === toNode.name ? toCoordinator.name : `toNode=${toNode.name},toCoordinator=${toCoordinator.name}`;
}

function isCodecName(text: string): text is CodecName {
  return (CODEC_NAMES as readonly string[]).includes(text);
}

function isToNodeName(text: string): text is ToNodeName {
  return isCodecName(text) && text !== 'topk';
}
