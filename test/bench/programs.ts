/** The small C programs that measurements use, and the peers that are installed. */
import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** Compiles `test/bench/NAME.c` into `folder`; returns the path. Rejects when there is no C compiler. */
export async function compile(
  root: string,
  folder: string,
  name: string,
  ...flags: readonly string[]
): Promise<string> {
  const program = path.join(folder, name);
  const source = path.join(root, 'test/bench', `${name}.c`);
  await promisify(execFile)('cc', ['-O2', '-o', program, source, ...flags]);
  return program;
}

/** Name, command, and the package of Debian that knows its version. */
const PEERS: readonly [name: string, command: string, debian: string][] = [
  ['multicat', 'multicat', 'multicat'],
  ['ffmpeg', 'ffmpeg', 'ffmpeg'],
  ['VLC', 'cvlc', 'vlc-bin'],
  ['GStreamer', 'gst-launch-1.0', 'gstreamer1.0-tools'],
  ['udpxy', 'udpxy', 'udpxy'],
];

/** All programs lancast is compared with. */
export const PEER_NAMES = PEERS.map(([name]) => name);

/** Which of them are installed, with their versions. */
export function installedPeers(): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, command, debian] of PEERS) {
    if (!isInstalled(command)) continue;
    const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Version}', debian], {
      encoding: 'utf8',
    });
    found.set(name, status === 0 && stdout !== '' ? stdout : 'version not known');
  }
  return found;
}

/** True when the command is on the PATH. */
export function isInstalled(command: string): boolean {
  return spawnSync('which', [command]).status === 0;
}
