/** See `build.js`. */
export function buildNative(
  target?: string,
  how?: { compiler?: string; platform?: NodeJS.Platform },
): string | undefined;
