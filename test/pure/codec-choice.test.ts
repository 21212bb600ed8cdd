import { describe, expect, test } from 'vitest';
import { CODEC_NAMES, codecsOf, formatCodecs, isLossless, parseCodecChoice } from '../../src/codecs/choice.js';

const directions = CODEC_NAMES.flatMap((toNode) => CODEC_NAMES.map((toCoordinator) => ({ toNode, toCoordinator })));

test.each(CODEC_NAMES)('%s is a choice for both directions, but for top-k, which goes to the coordinator alone', (name) => {
  const { toNode, toCoordinator } = codecsOf(parseCodecChoice(name));
  expect([toNode.name, toCoordinator.name]).toEqual([name === 'topk' ? 'int8' : name, name]);
});

test.each(directions)('toNode=$toNode,toCoordinator=$toCoordinator', ({ toNode, toCoordinator }) => {
  const choice = parseCodecChoice(`toNode=${toNode},toCoordinator=${toCoordinator}`);
  expect(parseCodecChoice(`toCoordinator=${toCoordinator},toNode=${toNode}`)).toEqual(choice);
  if (toNode === 'topk') return expect(choice).toBeUndefined();
  const codecs = codecsOf(choice);
  expect([codecs.toNode.name, codecs.toCoordinator.name]).toEqual([toNode, toCoordinator]);
  // What is kept of a run means the same codecs, and is the same text for them.
  const text = formatCodecs(codecs);
  expect(codecsOf(parseCodecChoice(text))).toEqual(codecs);
  expect(formatCodecs(codecsOf(parseCodecChoice(text)))).toBe(text);
  expect(isLossless(codecs)).toBe(toNode === 'float32' && toCoordinator === 'float32');
});

test('what is left out is float32', () => {
  expect(codecsOf()).toEqual(codecsOf('float32'));
  expect(codecsOf(parseCodecChoice('toCoordinator=topk'))).toEqual(codecsOf({ toNode: 'float32', toCoordinator: 'topk' }));
  expect(codecsOf(parseCodecChoice('toNode=int8'))).toEqual(codecsOf({ toNode: 'int8' }));
});

describe('no choice', () => {
  test.each([
    '', 'int', 'INT8', 'float32,int8', 'toNode', 'toNode=', 'toNode=int4', 'toNode=int8,', 'toNode=int8,toNode=int8', 'toNode=int8 toCoordinator=int8',
    'toNodes=int8', 'xtoNode=int8', 'toNode=int8,toCoordinator=topk,codec=int8', 'toNode=int8,codec=int8',
  ])('"%s"', (text) => {
    expect(parseCodecChoice(text)).toBeUndefined();
  });
});
