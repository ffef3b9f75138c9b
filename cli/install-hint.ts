/** How programs are installed on this very system. */
import { existsSync } from 'node:fs';

/** A package manager: the file it is known by, how it installs, and where the C compiler comes from. */
type Manager = readonly [file: string, command: string, compiler: string];

const MANAGERS: readonly Manager[] = [
  ['/usr/bin/apt-get', 'sudo apt-get install', 'gcc libc6-dev'],
  ['/usr/bin/dnf', 'sudo dnf install', 'gcc'],
  ['/usr/bin/pacman', 'sudo pacman -S', 'gcc'],
  ['/usr/bin/zypper', 'sudo zypper install', 'gcc'],
  ['/sbin/apk', 'sudo apk add', 'gcc musl-dev'],
];

/** The command that installs `name`, by the system's own package manager. */
export function installHint(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return `brew install ${name}`;
  if (platform === 'win32') return `winget install ${name}`;
  const [, command] = manager() ?? [];
  return command === undefined
    ? `install ${name} with the package manager of this system`
    : `${command} ${name}`;
}

/** The command that installs a C compiler on Linux. */
export function compilerHint(): string {
  return installHint(manager()?.[2] ?? 'gcc', 'linux');
}

function manager(): Manager | undefined {
  return MANAGERS.find(([file]) => existsSync(file));
}
