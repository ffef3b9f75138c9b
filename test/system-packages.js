/**
 * The programs of the system that tests and benchmarks run against: found, or installed on Debian as root, or named.
 *
 * Plain JavaScript without dependencies, for it runs on a fresh clone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { say } from '../cli/setup.js';

/** What may be needed: the command that proves it is there (or a file), and its name in package managers. */
const KNOWN = {
  ffmpeg: { commands: ['ffmpeg'], apt: ['ffmpeg'], brew: 'ffmpeg' },
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    apt: ['chromium'],
    brew: '--cask chromium',
  },
  gcc: { commands: ['gcc'], apt: ['gcc'], brew: 'gcc' },
  'C headers': { files: ['/usr/include/stdio.h'], apt: ['libc6-dev'], brew: 'gcc' },
  ip: { commands: ['ip'], apt: ['iproute2'], brew: 'iproute2mac' },
  unshare: { commands: ['unshare'], apt: ['util-linux'], brew: undefined },
  setpriv: { commands: ['setpriv'], apt: ['util-linux'], brew: undefined },
  multicat: { commands: ['multicat'], apt: ['multicat'], brew: undefined },
  VLC: { commands: ['cvlc'], apt: ['vlc-bin', 'vlc-plugin-base'], brew: '--cask vlc' },
  GStreamer: {
    commands: ['gst-launch-1.0'],
    apt: ['gstreamer1.0-tools', 'gstreamer1.0-plugins-good', 'gstreamer1.0-plugins-bad'],
    brew: 'gstreamer',
  },
  udpxy: { commands: ['udpxy'], apt: [], brew: undefined },
};

/**
 * Makes sure that these are there.
 *
 * @returns {string[]} the names of those that are still missing; people have been told how to install them
 */
export function provide(...names) {
  const missing = names.filter((name) => !present(name));
  if (missing.length === 0) return [];
  const packages = missing.flatMap((name) => KNOWN[name].apt);
  const debian = existsSync('/etc/debian_version');
  if (debian && process.getuid?.() === 0) aptInstall(packages);
  const still = missing.filter((name) => !present(name));
  if (still.length > 0) {
    say(`missing: ${still.join(', ')}`);
    say(`install: ${remedy(still, debian)}`);
  }
  return still;
}

function remedy(missing, debian) {
  if (debian)
    return `sudo apt-get update && sudo apt-get install ${missing.flatMap((name) => KNOWN[name].apt).join(' ')}`;
  if (process.platform === 'darwin') {
    return missing.map((name) => KNOWN[name].brew && `brew install ${KNOWN[name].brew}`).join(' ; ');
  }
  return `these with the package manager of this system: ${missing.join(', ')}`;
}

function aptInstall(packages) {
  say(`installing ${packages.join(', ')} …`);
  // Lists may be absent on a bare machine, or so old that they name packages which are gone.
  apt(['update', '-qq']);
  apt(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr } = spawnSync('apt-get', args, {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0)
    process.stderr.write(`${stdout}${stderr}apt-get ${args.join(' ')} ended with ${status}\n`);
}

/** Says so when tests may not make namespaces here: those of full disks and of network cards that come and go need them. */
export function explainNamespaces() {
  if (spawnSync('unshare', ['-rnm', 'true']).status === 0) return;
  say('this system does not let tests make namespaces, so those that need them (unshare) have failed');
  say('needed: Linux, and root or unprivileged user namespaces; in Docker: --privileged');
}

/** The path of the first of a known program's commands that is there; `undefined` when none is. */
export function locate(name) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = KNOWN[name].commands.flatMap((command) => folders.map((folder) => join(folder, command)));
  return paths.find((file) => existsSync(file));
}

function present(name) {
  return KNOWN[name].files?.some((file) => existsSync(file)) ?? locate(name) !== undefined;
}
