/** A datagram of seven transport packets whose bytes tell which one it is. */

const DATAGRAM_BYTES = 1316;
const TS_PACKET_BYTES = 188;

/** Seven null packets, each with `index` and its own number in it. */
export function numberedDatagram(index: number): Buffer {
  const datagram = Buffer.alloc(DATAGRAM_BYTES, 0xff);
  for (let at = 0; at < DATAGRAM_BYTES; at += TS_PACKET_BYTES) {
    datagram.writeUInt32BE(0x471fff10, at);
    datagram.writeUInt32BE(index, at + 4);
    datagram.writeUInt32BE(at / TS_PACKET_BYTES, at + 8);
  }
  return datagram;
}

/** The first `bytes` bytes of the stream of numbered datagrams. */
export function numberedStream(bytes: number): Buffer {
  const count = Math.ceil(bytes / DATAGRAM_BYTES);
  return Buffer.concat(Array.from({ length: count }, (_, index) => numberedDatagram(index))).subarray(
    0,
    bytes,
  );
}
