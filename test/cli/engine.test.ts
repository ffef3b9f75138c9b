import { describe, expect, it } from 'vitest';
import { engineWords, unfulfilled, type EngineWishes } from '../../cli/engine.ts';
import { dgramEngine } from '../../transport/udp-dgram.ts';

const javascript = { engine: dgramEngine, reason: 'no C compiler was found (cc)' };
const native = {
  engine: { ...dgramEngine, kind: 'native' as const },
  reason: 'it was built for this system',
};

describe('the words about the engine', () => {
  it('name it and the reason', () => {
    expect(engineWords(javascript)).toBe('engine JavaScript: no C compiler was found (cc)');
    expect(engineWords(native)).toBe('engine native: it was built for this system');
  });

  const wishes: [name: string, wishes: Partial<EngineWishes>, options: string[]][] = [
    ['nothing when nothing is asked for', {}, []],
    ['DSCP, 0 included', { dscp: 0 }, ['--dscp']],
    ['kernel pacing', { kernelPacing: true }, ['--kernel-pacing']],
    ['both', { dscp: 34, kernelPacing: true }, ['--dscp', '--kernel-pacing']],
  ];
  for (const [name, asked, options] of wishes) {
    it(`name of what JavaScript cannot do ${name}`, () => {
      const told = unfulfilled({ verbose: false, ...asked }, javascript);
      expect(told).toEqual(
        options.map(
          (option) => `${option} has no effect: only the native engine can set it (${javascript.reason})`,
        ),
      );
      expect(unfulfilled({ verbose: false, ...asked }, native)).toEqual([]);
    });
  }
});
