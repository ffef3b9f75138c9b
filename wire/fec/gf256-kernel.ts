/**
 * The one thing that coding spends its time on, in two implementations of identical results: by WebAssembly with SIMD where
 * the machine has it, by plain JavaScript everywhere.
 */
import { multiplyAdd } from './gf256.ts';
import { wasmKernel } from './gf256-wasm.ts';

/** Adds up shards, each times a factor. */
export interface Gf256Kernel {
  readonly name: 'wasm-simd' | 'javascript';
  /**
   * Writes to each output the sum of all inputs, each times its factor in the row of that output. Outputs have one length;
   * inputs that are shorter count as if zeros followed, longer ones are cut.
   *
   * @param rows one for each output, with one byte for each input; at most 255 of them
   */
  combine(rows: readonly Uint8Array[], inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void;
}

/** Runs everywhere. */
export const javascriptKernel: Gf256Kernel = {
  name: 'javascript',
  combine(rows, inputs, outputs) {
    for (const [place, output] of outputs.entries()) {
      output.fill(0);
      for (const [at, input] of inputs.entries()) multiplyAdd(rows[place]?.[at] ?? 0, input, output);
    }
  },
};

let fastest: Gf256Kernel | undefined;

/** The fastest kernel that runs here. The choice is made once. */
export function fastestKernel(): Gf256Kernel {
  return (fastest ??= wasmKernel() ?? javascriptKernel);
}
