import { describe } from 'vitest';
import { testArrivals } from './engine-arrival.ts';
import { testBehaviour } from './engine-behaviour.ts';
import { native } from './engines.ts';
import { testReach } from './engine-reach.ts';

describe('the native engine', () => {
  testReach(native);
  testBehaviour(native);
  testArrivals(native, { stampsByKernel: true });
});
