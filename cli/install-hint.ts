/** How a program is installed on this very system. */
import { existsSync } from 'node:fs';

/** The command that installs `name`, by the system's own package manager. */
export function installHint(name: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return `brew install ${name}`;
  if (platform === 'win32') return `winget install ${name}`;
  const managers: readonly (readonly [file: string, command: string])[] = [
    ['/usr/bin/apt-get', 'sudo apt-get install'],
    ['/usr/bin/dnf', 'sudo dnf install'],
    ['/usr/bin/pacman', 'sudo pacman -S'],
    ['/usr/bin/zypper', 'sudo zypper install'],
    ['/sbin/apk', 'sudo apk add'],
  ];
  const found = managers.find(([file]) => existsSync(file));
  return found ? `${found[1]} ${name}` : `install ${name} with the package manager of this system`;
}
