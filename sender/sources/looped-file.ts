/** A transport stream file that begins again at its end, as one legal endless stream (`looper.ts`). */
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import { TsSync } from '../../wire/ts-sync.ts';
import { LoopSurvey } from '../loop-survey.ts';
import { LoopPlan } from '../looper.ts';
import type { Source, SourceDescription } from '../source.ts';
import { emptyInput } from './faults.ts';
import { FileReader, type InputFile, syncNotes } from './transport-file.ts';

/** The first pass is the file itself and is surveyed on the way; the later ones are rewritten. */
export class LoopedFile implements Source {
  readonly description: SourceDescription;
  readonly #path: string;
  readonly #reader: FileReader;
  readonly #survey = new LoopSurvey();
  #sync = new TsSync();
  #plan: LoopPlan | undefined;
  #pass = 0;
  #index = 0; // in the file, of the next packet

  constructor(file: InputFile, description: SourceDescription) {
    this.description = description;
    this.#path = file.path;
    this.#reader = new FileReader(file);
  }

  async read(): Promise<Buffer | undefined> {
    while (!this.#reader.closed) {
      const chunk = await this.#reader.next();
      if (chunk) {
        const run = this.#take(this.#sync.push(chunk));
        if (run.length > 0) return run;
      } else if (!this.#reader.closed) {
        const seam = this.#turn();
        if (seam.length > 0) return seam;
      }
    }
    return undefined;
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(run: Buffer): Buffer {
    if (this.#plan) this.#plan.rewrite(run, this.#index, this.#pass);
    else this.#survey.push(run);
    this.#index += run.length / TS_PACKET_BYTES;
    return run;
  }

  /** From the end of the file to its beginning: the last packets, and what goes before the next pass. */
  #turn(): Buffer {
    const tail = this.#take(this.#sync.finish());
    if (this.#index === 0) throw emptyInput(this.#path); // somebody emptied it meanwhile
    if (!this.#plan) {
      this.description.notes.push(...syncNotes(this.#sync));
      this.#plan = new LoopPlan(this.#survey);
    }
    this.#sync = new TsSync();
    this.#index = 0;
    this.#pass++;
    this.#reader.rewind();
    return Buffer.concat([tail, this.#plan.seam(this.#pass)]);
  }
}
