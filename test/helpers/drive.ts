/** Runs stages on virtual time. */
import { strict as assert } from 'node:assert';
import type { Stage } from '../../wire/stage.ts';

/** Runs a stage on virtual time until it is idle, woken only by `wakeAt`; yields [time, output]. */
export function* drive<Out>(stage: Stage<never, Out>, from = 0): Generator<[now: number, output: Out]> {
  for (let now = from; now < Infinity; now = Math.max(now, stage.wakeAt)) {
    const before = stage.wakeAt;
    let count = 0;
    for (let output = stage.poll(now); output !== undefined; output = stage.poll(now), count++) {
      yield [now, output];
    }
    assert.ok(
      count > 0 || stage.wakeAt > before || before > now,
      `stuck at ${now}: wakeAt passed but poll gave nothing`,
    );
  }
}

/** One input and the time at which it is pushed. */
export type Timed<In> = readonly [at: number, input: In];

/**
 * Feeds timed inputs into a stage and keeps every promise of `wakeAt` on the way; yields [time, output].
 *
 * Inputs must be in order of time. After the last one the stage runs until it is idle, or until `until`.
 */
export function* play<In, Out>(
  stage: Stage<In, Out>,
  inputs: Iterable<Timed<In>>,
  until = Infinity,
): Generator<[now: number, output: Out]> {
  let now = 0;
  for (const [at, input] of inputs) {
    yield* wakes(stage, now, at);
    now = at;
    stage.push(input, now);
    for (let output = stage.poll(now); output !== undefined; output = stage.poll(now)) yield [now, output];
  }
  yield* wakes(stage, now, until);
}

/** Polls at each `wakeAt` from `from` up to, and not including, `to`. */
function* wakes<Out>(stage: Stage<never, Out>, from: number, to: number): Generator<[number, Out]> {
  for (let at = Math.max(from, stage.wakeAt); at < to; at = Math.max(at, stage.wakeAt)) {
    const before = stage.wakeAt;
    let count = 0;
    for (let output = stage.poll(at); output !== undefined; output = stage.poll(at), count++)
      yield [at, output];
    assert.ok(count > 0 || stage.wakeAt > before, `stuck at ${at}: wakeAt passed but poll gave nothing`);
  }
}
