import { describe, expect, it } from 'vitest';
import { type BlockShapeFault, parseBlockShape } from '../../../wire/fec/block-shape.ts';

describe('parseBlockShape', () => {
  it('reads K, M and I', () => {
    expect(parseBlockShape('20,5,4')).toEqual({ dataShards: 20, parityShards: 5, interleave: 4 });
  });

  it('takes neighbours when I is not said', () => {
    expect(parseBlockShape('10,3')).toEqual({ dataShards: 10, parityShards: 3, interleave: 1 });
  });

  const faults: [text: string, fault: BlockShapeFault][] = [
    ['', 'bad-form'],
    ['20', 'bad-form'],
    ['20,5,4,1', 'bad-form'],
    ['20, 5', 'bad-form'],
    ['-1,5', 'bad-form'],
    ['1e2,5', 'bad-form'],
    ['0,5', 'no-shards'],
    ['20,0', 'no-shards'],
    ['20,5,0', 'no-shards'],
    ['200,56', 'too-many-shards'],
    ['99999,1', 'too-many-shards'],
    ['129,1,256', 'too-far-apart'],
  ];
  for (const [text, fault] of faults) {
    it(`refuses "${text}": ${fault}`, () => expect(parseBlockShape(text)).toBe(fault));
  }

  it('takes the largest that there are', () => {
    expect(parseBlockShape('254,1')).toMatchObject({ dataShards: 254 });
    expect(parseBlockShape('32,1,1057')).toMatchObject({ interleave: 1057 });
  });
});
