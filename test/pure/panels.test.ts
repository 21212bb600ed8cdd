import { describe, expect, test } from 'vitest';
import { PanelOrder, panelsOf, panelValues } from '../../cluster/panels.js';
import { TensorCoding } from '../../cluster/tensor-coding.js';
import { CODEC_NAMES, codecsOf } from '../../src/codecs/choice.js';
import { FLOAT32, type Codec } from '../../src/codecs/codec.js';
import { Room } from './tensor-room.js';

const CODECS: [string, Codec][] = CODEC_NAMES.map((name) => [name, codecsOf(name).toCoordinator]);
/** The least of a panel. */
const PANEL_VALUES = 32_768;
const VALUES = 2 * PANEL_VALUES + 7;
const SIZES = [PANEL_VALUES, PANEL_VALUES, 7];

test.each([
  [1, 32_768],
  [79_510, 32_768], // an eighth is 9,939
  [1_000_000, 126_976], // an eighth is 125,000, in steps of 4,096
  [2_000_000, 131_072], // the most
])('a tensor of %i values has panels of %i', (values, expected) => {
  expect(panelValues(values)).toBe(expected);
});

describe.each(CODECS)('%s', (name, codec) => {
  const panels = panelsOf(codec, VALUES);

  test('its panels follow each other and are all values', () => {
    expect(panels.map(({ valueCount }) => valueCount)).toEqual(name === 'topk' ? [VALUES] : SIZES);
    const order = new PanelOrder(codec, VALUES);
    for (const panel of panels) {
      expect([order.problem(panel), order.isComplete]).toEqual([undefined, false]);
      order.took(panel);
    }
    expect(order.isComplete).toBe(true);
  });

  test('a tensor arrives as the same values in panels as in one piece', () => {
    const room = new Room();
    const from = room.put(Float32Array.from({ length: VALUES }, (_, i) => Math.sin(i) / (i % 1_000 + 1)));
    const [to, whole] = [room.put(new Float32Array(VALUES)), room.put(new Float32Array(VALUES))];
    const coding = new TensorCoding(room, codec, VALUES);
    for (const panel of panels) expect(coding.decode(coding.encode(from, panel), panel, to)).toBe(true);
    const [all] = panelsOf({ name: 'topk', keptFraction: 1 }, VALUES);
    const large = new LargeRoom(room, codec);
    expect(large.decode(large.encode(from, all!), all!, whole)).toBe(true);
    expect(room.at(to, VALUES)).toEqual(room.at(whole, VALUES));
  });

  test('bytes of another length are no encoding, and change nothing', () => {
    const room = new Room();
    const [from, to] = [room.put(new Float32Array(VALUES).fill(1)), room.put(new Float32Array(VALUES))];
    const coding = new TensorCoding(room, codec, VALUES);
    const bytes = coding.encode(from, panels[0]!);
    for (const wrong of [bytes.subarray(1), new Uint8Array(bytes.length + 1), new Uint8Array()]) expect(coding.decode(wrong, panels[0]!, to)).toBe(false);
    expect(room.at(to, VALUES).every((value) => value === 0)).toBe(true);
  });
});

/** Encodes any number of values in one piece. */
class LargeRoom extends TensorCoding {
  constructor(room: Room, codec: Codec) {
    super({ ...room, allocate: (name) => room.allocate(name, VALUES * 8), memory: room.memory, kernels: room.kernels }, codec, VALUES);
  }
}

describe('a panel is refused', () => {
  const [first, second] = panelsOf(FLOAT32, VALUES) as [{ firstValue: number; valueCount: number }, { firstValue: number; valueCount: number }];
  test.each([
    ['that comes too early', second, /begins at value 32768 and not at 0/],
    ['without values', { ...first, valueCount: 0 }, /0 values/],
    ['beyond the end', { ...first, valueCount: VALUES + 1 }, /of 65543/],
    ['that is too long', { ...first, valueCount: PANEL_VALUES + 1 }, /more than a panel/],
  ])('%s', (_, panel, problem) => {
    expect(new PanelOrder(FLOAT32, VALUES).problem(panel)).toMatch(problem);
  });

  test('that comes twice', () => {
    const order = new PanelOrder(FLOAT32, VALUES);
    order.took(first);
    expect(order.problem(first)).toMatch(/begins at value 0 and not at 32768/);
  });
});
