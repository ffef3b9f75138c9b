/** Describes the machine that the figures come from. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** What a reader has to know to compare figures. */
export interface Machine {
  date: string;
  cpu: string;
  cores: number;
  memoryGb: number;
  kernel: string;
  system: string;
  node: string;
  /** The engine lancast used, with the reason. */
  engine: string;
  /** Whether programs could ask for real-time priority. */
  realTimePriority: boolean;
  /** `net.core.rmem_default` and `net.core.rmem_max`. */
  receiveBufferDefaultBytes: number;
  receiveBufferMostBytes: number;
  /** Where recordings went. */
  recordings: string;
  /** Runnable programs over the last minute, before anything was measured. */
  loadBefore: number;
  /** Their versions; `null` for one that is not installed. */
  peers: Record<string, string | null>;
}

/** Its bit among the capabilities of Linux. */
const CAP_SYS_NICE = 1n << 23n;

/** What is known of this machine; the rest is the caller's. */
export function describeMachine(): Omit<Machine, 'engine' | 'recordings' | 'peers'> {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: first?.model ?? 'not known',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release'))?.[1] ?? 'not known',
    node: process.version,
    realTimePriority: mayRunInRealTime(),
    receiveBufferDefaultBytes: Number(read('/proc/sys/net/core/rmem_default')),
    receiveBufferMostBytes: Number(read('/proc/sys/net/core/rmem_max')),
    loadBefore: Number((loadavg()[0] ?? Number.NaN).toFixed(2)),
  };
}

/** The machine as lines for people: what, and its value. */
export function machineLines(machine: Machine): [what: string, value: string][] {
  const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;
  return [
    ['date', machine.date],
    ['processor', `${machine.cpu}, ${machine.cores} cores`],
    ['memory', `${machine.memoryGb} GB`],
    ['system', `${machine.system}, Linux ${machine.kernel}, Node.js ${machine.node}`],
    ['engine of lancast', machine.engine],
    ['real-time priority', machine.realTimePriority ? 'allowed to all programs' : 'denied to all programs'],
    [
      'receive buffer',
      `${kib(machine.receiveBufferDefaultBytes)} by default, ${kib(machine.receiveBufferMostBytes)} at most`,
    ],
    ['recordings go to', machine.recordings],
    ['load before', String(machine.loadBefore)],
    [
      'peers',
      Object.entries(machine.peers)
        .map(([name, version]) => (version === null ? `${name} is not installed` : `${name} ${version}`))
        .join(', '),
    ],
  ];
}

/** By a capability, or by a limit that leaves room. */
function mayRunInRealTime(): boolean {
  const capabilities = /^CapEff:\s+([0-9a-f]+)/m.exec(read('/proc/self/status'))?.[1] ?? '0';
  const allowed = /^Max realtime priority\s+(\S+)/m.exec(read('/proc/self/limits'))?.[1] ?? '0';
  return (BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n || allowed !== '0';
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
