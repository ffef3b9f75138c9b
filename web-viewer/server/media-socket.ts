/**
 * The way of media into a page's WebSocket: whole frames, written into its stream as they are. `ws` would put a header of its own
 * before each and write both together, which costs a fifth more for a hundred pages.
 *
 * This may go beside `ws` because what `ws` sends here, it writes at once and whole: nothing is compressed and nothing is a Blob.
 */
import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';

/** The sending half of one page's WebSocket. */
export class MediaSocket {
  readonly #socket: Pick<WebSocket, 'readyState'>;
  readonly #stream: Writable;

  /** @param stream what the socket was made of, with `perMessageDeflate` off */
  constructor(socket: Pick<WebSocket, 'readyState'>, stream: Writable) {
    this.#socket = socket;
    this.#stream = stream;
  }

  /** Bytes that the system has not taken yet. */
  get waitingBytes(): number {
    return this.#stream.writableLength;
  }

  /** Sends one frame, which stays as it is until `onTaken` is called. A socket that is closing takes nothing more. */
  send(frame: Buffer, onTaken: () => void): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#stream.write(frame, onTaken);
  }
}
