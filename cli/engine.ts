/** Which UDP engine this process uses, in words. */
import type { ChosenEngine } from '../transport/engine.ts';
import { flag } from './command.ts';
import type { Voice } from './output.ts';
import { tell } from './report.ts';

/** The option by the same name in every command that opens sockets. */
export const verboseOption = flag('say which engine sends and receives, and why');

/** What people want of the engine. */
export interface EngineWishes {
  verbose: boolean;
  dscp?: number | undefined;
  kernelPacing?: boolean;
}

/** Tells which engine is used if that is asked for, and always which wishes it cannot fulfil. */
export async function tellEngine(wishes: EngineWishes, voice: Voice): Promise<void> {
  const { verbose, dscp, kernelPacing = false } = wishes;
  if (!verbose && dscp === undefined && !kernelPacing) return;
  const { chooseEngine } = await import('../transport/engine.ts');
  const chosen = await chooseEngine();
  if (verbose) {
    voice.event({ event: 'engine', engine: chosen.engine.kind, reason: chosen.reason });
    voice.say(`    ${engineWords(chosen)}`);
  }
  for (const note of unfulfilled(wishes, chosen)) tell(note, voice);
}

/** `engine JavaScript: no C compiler was found (cc)`. */
export function engineWords({ engine, reason }: ChosenEngine): string {
  return `engine ${engine.kind === 'native' ? 'native' : 'JavaScript'}: ${reason}`;
}

/** A sentence for each wish that the engine cannot fulfil. */
export function unfulfilled(
  { dscp, kernelPacing }: EngineWishes,
  { engine, reason }: ChosenEngine,
): string[] {
  if (engine.kind === 'native') return [];
  const options = [...(dscp === undefined ? [] : ['--dscp']), ...(kernelPacing ? ['--kernel-pacing'] : [])];
  return options.map((option) => `${option} has no effect: only the native engine can set it (${reason})`);
}
