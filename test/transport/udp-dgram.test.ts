import { describe } from 'vitest';
import { dgramEngine } from '../../transport/udp-dgram.ts';
import { testBehaviour } from './engine-behaviour.ts';
import { testReach } from './engine-reach.ts';

describe('the engine on node:dgram', () => {
  testReach(dgramEngine);
  testBehaviour(dgramEngine);
});
