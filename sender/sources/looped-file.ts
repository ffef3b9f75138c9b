/** A transport stream file that begins again at its end, as one legal endless stream (`looper.ts`). */
import { TS_PACKET_BYTES } from '../../wire/mpeg-ts.ts';
import { TsSync } from '../../wire/ts-sync.ts';
import { LoopSurvey } from '../loop-survey.ts';
import { LoopPlan } from '../looper.ts';
import type { RunSink, Source, SourceDescription } from '../source.ts';
import { emptyInput } from './faults.ts';
import { FileReader, type InputFile } from './file-reader.ts';
import { RunOutlet, syncNotes } from './transport-source.ts';

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

  async read(take: RunSink, wantedBytes?: number): Promise<boolean> {
    const outlet = new RunOutlet(take);
    const pass = (bytes: Buffer): void => outlet.give(this.#prepare(this.#sync.push(bytes)));
    while (!this.#reader.closed && !outlet.used)
      if (!(await this.#reader.next(pass, wantedBytes)) && !this.#reader.closed) outlet.give(this.#turn());
    return outlet.used;
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Surveys a run of the first pass; makes one of the file that of a later pass. */
  #prepare(run: Buffer): Buffer {
    if (this.#plan) this.#plan.rewrite(run, this.#index, this.#pass);
    else this.#survey.push(run);
    this.#index += run.length / TS_PACKET_BYTES;
    return run;
  }

  /** From the end of the file to its beginning: the last packets, and what goes before the next pass. */
  #turn(): Buffer {
    const tail = this.#prepare(this.#sync.finish());
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
