/** Numbers as people read them. Pure. */

/** `8.1 Mbit/s`. */
export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond < 999.5e3) return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
  return `${(bitsPerSecond / 1e6).toFixed(bitsPerSecond < 99.95e6 ? 1 : 0)} Mbit/s`;
}

/** A share of 1 as percent, with as many digits as it takes to tell it from nothing: `0 %`, `0.0003 %`, `1.2 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return '0 %';
  if (value >= 10) return `${value.toFixed(0)} %`;
  const digits = Math.min(6, Math.max(1, 1 - Math.floor(Math.log10(value))));
  return `${value.toFixed(digits).replace(/\.?0+$/, '')} %`;
}

/** `228 041`, grouped by thin spaces. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `0 ms`, `1.2 ms`, `198 ms`. */
export function milliseconds(value: number): string {
  return `${value.toFixed(value < 9.95 && value >= 0.05 ? 1 : 0)} ms`;
}

/** `0.4 s`. */
export function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}

/** How long ago: `12 s`, `3 min`, `2 h 5 min`. */
export function duration(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1000));
  if (whole < 120) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Time of day here: `14:02:11`. */
export function clockTime(ms: number): string {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}
