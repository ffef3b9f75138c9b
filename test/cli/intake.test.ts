import { describe, expect, it } from 'vitest';
import { Intake } from '../../cli/intake.ts';
import type { Released, Sink } from '../../receiver/sink.ts';

/** A sink that writes down what it is told. */
class Notebook implements Sink {
  readonly lines: string[] = [];
  closed = false;

  push(released: Released, now: number): void {
    const what = released.kind === 'payload' ? released.payload.toString() : released.kind;
    this.lines.push(`${now}:${what}`);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function payload(text: string): Released & { kind: 'payload' } {
  return {
    kind: 'payload',
    payload: Buffer.from(text),
    index: 0,
    timestampTicks: undefined,
    arrivedAt: 0,
    discontinuity: false,
  };
}

describe('Intake', () => {
  it('holds what comes until the sink is there, in order', () => {
    const [intake, notebook] = [new Intake(() => undefined), new Notebook()];
    const first = payload('a');
    intake.push(first, 1);
    first.payload.fill('x'); // a view is valid during the call only
    intake.push({ kind: 'gap', first: 1, count: 2 }, 2);
    intake.handTo(notebook);
    intake.push(payload('b'), 3);
    expect(notebook.lines).toEqual(['1:a', '2:gap', '3:b']);
  });
  it('takes nothing after the end of the stream, and says once that it has come', () => {
    let ends = 0;
    const [intake, notebook] = [new Intake(() => ends++), new Notebook()];
    intake.handTo(notebook);
    intake.push({ kind: 'end', proven: true }, 1);
    intake.push(payload('of another sender'), 2);
    intake.push({ kind: 'end', proven: true }, 3);
    expect(notebook.lines).toEqual(['1:end']);
    expect(ends).toBe(1);
  });
  it('closes the sink, when there is one', async () => {
    const [intake, notebook] = [new Intake(() => undefined), new Notebook()];
    await intake.close();
    intake.handTo(notebook);
    await intake.close();
    expect(notebook.closed).toBe(true);
  });
});
