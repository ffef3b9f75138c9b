/** Files of any kind, sent as they are (`--as-is`). */
import type { RunSink, Source, SourceDescription } from '../source.ts';
import { FileReader, type InputFile } from './file-reader.ts';

/** The bytes of a file, whatever they are. */
export class RawFile implements Source {
  readonly description: SourceDescription;
  readonly #reader: FileReader;
  readonly #loop: boolean;

  constructor(file: InputFile, description: SourceDescription, loop: boolean) {
    this.description = description;
    this.#reader = new FileReader(file);
    this.#loop = loop;
  }

  async read(take: RunSink, wantedBytes?: number): Promise<boolean> {
    if (await this.#reader.next(take, wantedBytes)) return true;
    if (!this.#loop) return false;
    this.#reader.rewind();
    return this.#reader.next(take, wantedBytes);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
