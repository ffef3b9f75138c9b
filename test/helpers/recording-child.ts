/**
 * A process that does nothing but record, for tests that need one of its own: to fill its disk, to stop reading from it, to
 * kill it.
 *
 *     node recording-child.js TARGET BITS_PER_SECOND MILLISECONDS [BALLAST]
 *
 * Datagrams are numbered, so that whoever has a piece of the recording knows what it must be. Each line on stderr is a JSON
 * object: `{"pushed":bytes}` often, `{"trouble":code}`, `{"resumed":true}`, `{"gone":true}`, and last `{"summary":{…}}`. The
 * file BALLAST is deleted a second and a half after the first trouble.
 */
import { rm } from 'node:fs/promises';
import { openRecording } from '../../receiver/sinks/open-recording.ts';
import { monotonicNow } from '../../transport/clock.ts';
import { numberedDatagram } from './numbered-datagram.ts';

const [target = '-', rate = '8000000', milliseconds = '1000', ballast] = process.argv.slice(2);
const bytesPerMs = Number(rate) / 8000;
const say = (line: object) => process.stderr.write(`${JSON.stringify(line)}\n`);
const reader = { gone: false };

const recording = await openRecording(target, {
  onTrouble(error) {
    say({ trouble: error.code });
    if (ballast) setTimeout(() => void rm(ballast, { force: true }), 1500);
  },
  onResumed: () => say({ resumed: true }),
  onReaderGone() {
    reader.gone = true;
    say({ gone: true });
  },
});

const from = monotonicNow();
let pushed = 0;
for (let now = from; now - from < Number(milliseconds) && !reader.gone; now = monotonicNow()) {
  for (; pushed < (now - from) * bytesPerMs; pushed += 1316) {
    const index = pushed / 1316;
    const payload = numberedDatagram(index);
    recording.push(
      { kind: 'payload', payload, index, timestampTicks: 0, arrivedAt: now, discontinuity: false },
      now,
    );
  }
  say({ pushed });
  await new Promise((resolve) => setTimeout(resolve, 5));
}
await recording.close();
say({ summary: recording.summary });
