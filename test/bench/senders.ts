/** The programs that cast a film to a group, and how each of them is called. */
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from './bench.ts';
import { Measured } from './processes.ts';

/** A group and a port. */
export interface Target {
  group: string;
  port: number;
}

/** One way to cast a file at its own pace. */
export interface SenderProgram {
  name: string;
  /** The peer of `Bench.peers` that has to be installed; absent for lancast itself. */
  peer?: string;
  start(bench: Bench, file: string, to: Target): Measured;
}

/** lancast with options. */
export function lancastSender(
  name: string,
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): SenderProgram {
  return {
    name,
    start: ({ lancast }, file, { group, port }) => {
      const to = ['--iface', 'lo', '--to', `rtp://${group}:${port}`];
      return new Measured(process.execPath, [lancast, 'send', file, ...to, ...options], { env });
    },
  };
}

/** multicat: RTP, times from the index beside the file. */
export const MULTICAT: SenderProgram = {
  name: 'multicat',
  peer: 'multicat',
  start: (_, file, { group, port }) => new Measured('multicat', [file, `${group}:${port}`]),
};

/** ffmpeg as most people call it. It leaves the null packets of the film out. */
export const FFMPEG: SenderProgram = {
  name: 'ffmpeg -re -c copy',
  peer: 'ffmpeg',
  start(_, file, { group, port }) {
    const url = `udp://${group}:${port}?pkt_size=1316&localaddr=127.0.0.1`;
    const copy = ['-re', '-i', file, '-map', '0', '-c', 'copy', '-f', 'mpegts', url];
    return new Measured('ffmpeg', ['-nostdin', '-loglevel', 'quiet', ...copy]);
  },
};

/** VLC, which makes the transport stream anew, and refuses to be run by root. */
export const VLC: SenderProgram = {
  name: 'VLC',
  peer: 'VLC',
  start({ folder }, file, { group, port }) {
    const home = path.join(folder, 'home');
    mkdirSync(home, { recursive: true });
    chmodSync(home, 0o777);
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'env', `HOME=${home}`];
    const sout = `#std{access=udp,mux=ts,dst=${group}:${port}}`;
    return new Measured('setpriv', [
      ...nobody,
      'cvlc',
      '-I',
      'dummy',
      '-q',
      file,
      '--sout',
      sout,
      '--miface',
      'lo',
    ]);
  },
};

/** GStreamer paced by the programme clock. */
export const GSTREAMER: SenderProgram = {
  name: 'GStreamer tsparse ! udpsink',
  peer: 'GStreamer',
  start(_, file, { group, port }) {
    const parse = ['tsparse', 'set-timestamps=true', 'alignment=7'];
    const sink = ['udpsink', `host=${group}`, `port=${port}`, 'multicast-iface=lo'];
    return new Measured('gst-launch-1.0', ['-q', 'filesrc', `location=${file}`, '!', ...parse, '!', ...sink]);
  },
};
