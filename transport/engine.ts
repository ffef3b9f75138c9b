/** Which UDP engine is used, and why: the native one where it was built, else the one on `node:dgram`. */
import { loadAddon } from './native-addon.ts';
import type { UdpEngine } from './udp.ts';

/** An engine, and a phrase for people. */
export interface ChosenEngine {
  engine: UdpEngine;
  /** For the native engine what it is, for the JavaScript one why the native one is not used. */
  reason: string;
}

let chosen: Promise<ChosenEngine> | undefined;

/** The engine of this process; the same on each call. */
export function chooseEngine(): Promise<ChosenEngine> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<ChosenEngine> {
  const addon = loadAddon();
  if (typeof addon === 'string') {
    const { dgramEngine } = await import('./udp-dgram.ts');
    return { engine: dgramEngine, reason: addon };
  }
  const { nativeEngine } = await import('./udp-native.ts');
  return { engine: nativeEngine(addon), reason: 'it was built for this system' };
}
