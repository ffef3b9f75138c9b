import { describe } from 'vitest';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { testArrivals } from './engine-arrival.ts';
import { testBehaviour } from './engine-behaviour.ts';
import { testReach } from './engine-reach.ts';

describe('the engine on node:dgram', () => {
  testReach(dgramEngine);
  testBehaviour(dgramEngine);
  testArrivals(dgramEngine, { stampsByKernel: false });
});
