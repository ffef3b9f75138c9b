/** The stages of a sender without its shells: from bytes as they are read to datagrams as they go into the queue. */
import { Framer, HEADER_BYTES } from '../../sender/framer.ts';
import { CHUNK_DATAGRAMS, ChunkPool, DATAGRAM_PAYLOAD_BYTES } from '../../sender/media-chunk.ts';
import { Pacer } from '../../sender/pacer.ts';
import { Packetizer } from '../../sender/packetizer.ts';
import { chain } from '../../wire/stage.ts';

/** Datagrams that are read at a time. */
const RUN_DATAGRAMS = 128;
/** So fast that nothing waits in the pacer. */
const FLAT_OUT_BITS_PER_SECOND = 1e12;

/** What sends so many datagrams more of the film, which begins again at its end. `count` is a multiple of 128. */
export function sendFeeder(film: Buffer): (count: number) => void {
  const pool = new ChunkPool(HEADER_BYTES.rtp);
  const packetizer = new Packetizer({ transportStream: true, holdMs: Infinity, pool });
  const framer = new Framer({ framing: 'rtp', sequence: 0, timestamp: 0, ssrc: 1 });
  const stages = chain(chain(packetizer, framer), new Pacer({ bitsPerSecond: FLAT_OUT_BITS_PER_SECOND }));
  const run = Buffer.alloc(RUN_DATAGRAMS * DATAGRAM_PAYLOAD_BYTES);
  let [at, now] = [0, 0];
  return (count) => {
    for (let fed = 0; fed < count; fed += RUN_DATAGRAMS) {
      if (at + run.length > film.length) at = 0;
      at += film.copy(run, 0, at); // what the system does when a file is read
      stages.push(run, ++now);
      for (let paced = stages.poll(now); paced; paced = stages.poll(now))
        if (paced.end === CHUNK_DATAGRAMS) pool.give(paced.chunk);
    }
  };
}
