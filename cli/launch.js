#!/usr/bin/env node
/**
 * Starts lancast from a checkout: sets up what is missing, then runs the built program in this same process, so that
 * it starts fast and signals reach it.
 */
import { SetupError, checkNode, prepare } from './setup.js';

try {
  checkNode();
  await prepare();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(error.exitCode);
}
// `npm run lancast` moves to the checkout; the paths people type are meant from where they are.
if (process.env.npm_lifecycle_event === 'lancast' && process.env.INIT_CWD)
  process.chdir(process.env.INIT_CWD);
await import('../dist/cli/main.js');
