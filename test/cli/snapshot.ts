/** Snapshots of streams for the tests of the words about them. */
import type { StreamSnapshot } from '../../wire/metrics.ts';
import { AAC, H264, NO_FAULTS, NO_LOSS } from '../helpers/snapshots.ts';

/** A healthy stream of 1000 datagrams, with what `changes` says instead. */
export function snapshotOf(changes: Partial<StreamSnapshot> = {}): StreamSnapshot {
  return {
    id: 'a',
    name: 'rtp://239.1.1.1:5004',
    address: 'rtp://239.1.1.1:5004',
    interface: { name: 'eth0', address: '10.0.0.2', reason: 'the route to 239.1.1.1' },
    framing: 'rtp',
    state: 'playing',
    source: '10.0.0.9:40000',
    restarts: 0,
    lossMayBeUnderstated: false,
    refused: {},
    jitterMs: 1.2,
    bufferMs: 200,
    bitsPerSecond: 8_104_448,
    ...NO_LOSS,
    packets: 1000,
    bytes: 1_316_000,
    ...NO_FAULTS,
    programmes: [
      {
        number: 1,
        name: 'Lobby',
        pcrPid: 256,
        streams: [H264, { ...AAC, language: 'eng' }],
      },
    ],
    ...changes,
  };
}
