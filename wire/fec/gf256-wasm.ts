/**
 * The kernel in WebAssembly with SIMD (WebAssembly Core 2.0, §5): a module of some hundred bytes, put together here at the
 * first use, so that no build needs a toolchain.
 *
 * A product with a constant is linear, so that of a byte is that of its low nibble ^ that of its high nibble. Both come out of
 * a table with 16 entries, and `i8x16.swizzle` looks up sixteen at once. Up to five rows share the reading and splitting.
 *
 * Memory:
 *
 *     tables         256 × 32 bytes, by factor: products of 0x00 to 0x0f, and of 0x00, 0x10 … 0xf0
 *     input          one slice of a shard
 *     accumulators   255 slices, one for each row
 */
import { multiply } from './gf256.ts';
import type { Gf256Kernel } from './gf256-kernel.ts';

/** Most rows that one function adds to: the tables of more do not fit into 16 registers. */
const MOST_ROWS = 5;
const MAX_ROWS = 255;
const VECTOR_BYTES = 16;
const TABLE_BYTES = 32;
/** Longer shards are worked on a slice at a time: it, its tables and some accumulators fit into the first-level cache. */
const SLICE_BYTES = 2048;
const INPUT_AT = 256 * TABLE_BYTES;
const ACCUMULATORS_AT = INPUT_AT + SLICE_BYTES;
const PAGE_BYTES = 65_536;
const PAGES = Math.ceil((ACCUMULATORS_AT + MAX_ROWS * SLICE_BYTES) / PAGE_BYTES);

/** Adds the input times some factors to as many neighbouring accumulators. Tables and accumulators are given by address. */
type AddRows = (inputEnd: number, accumulator: number, ...tables: number[]) => void;

/** What is used of the global of this name, which the types of Node do not have. */
interface WasmEngine {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => {
    exports: { memory: { buffer: ArrayBuffer } } & Record<string, AddRows>;
  };
}
declare const WebAssembly: WasmEngine | undefined;

/** The kernel; `undefined` where there is no WebAssembly with SIMD. */
export function wasmKernel(): Gf256Kernel | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const module = assembleModule();
  return WebAssembly.validate(module) ? new WasmKernel(WebAssembly, module) : undefined;
}

class WasmKernel implements Gf256Kernel {
  readonly name = 'wasm-simd';
  readonly #memory: Uint8Array;
  /** By the number of rows, less one. */
  readonly #add: AddRows[] = [];

  constructor(engine: WasmEngine, module: Uint8Array) {
    const { exports } = new engine.Instance(new engine.Module(module));
    this.#memory = new Uint8Array(exports.memory.buffer);
    for (let rows = 1; rows <= MOST_ROWS; rows++) {
      const add = exports[nameOf(rows)];
      if (add) this.#add.push(add);
    }
    for (let factor = 0; factor < 256; factor++) {
      for (let nibble = 0; nibble < 16; nibble++) {
        this.#memory[tableOf(factor) + nibble] = multiply(factor, nibble);
        this.#memory[tableOf(factor) + 16 + nibble] = multiply(factor, nibble << 4);
      }
    }
  }

  combine(rows: readonly Uint8Array[], inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
    const bytes = outputs[0]?.length ?? 0;
    for (let from = 0; from < bytes; from += SLICE_BYTES) {
      const length = Math.min(SLICE_BYTES, bytes - from);
      const padded = Math.ceil(length / VECTOR_BYTES) * VECTOR_BYTES;
      this.#memory.fill(0, ACCUMULATORS_AT, accumulatorOf(rows.length - 1) + padded);
      for (let at = 0; at < inputs.length; at++) {
        this.#load(inputs[at], from, padded);
        this.#addTo(rows, at, INPUT_AT + padded);
      }
      for (let row = 0; row < rows.length; row++)
        outputs[row]?.set(this.#memory.subarray(accumulatorOf(row), accumulatorOf(row) + length), from);
    }
  }

  /** Copies a slice of an input to where the module reads it. */
  #load(input: Uint8Array | undefined, from: number, padded: number): void {
    if (!input) return;
    const isWhole = from === 0 && input.length <= padded;
    const slice = isWhole ? input : input.subarray(from, from + padded);
    this.#memory.set(slice, INPUT_AT);
    if (slice.length < padded) this.#memory.fill(0, INPUT_AT + slice.length, INPUT_AT + padded);
  }

  /** Adds the input times its factors to the accumulators of all rows. */
  #addTo(rows: readonly Uint8Array[], at: number, end: number): void {
    for (let row = 0; row < rows.length; row += MOST_ROWS) {
      const first = tableFor(rows[row], at);
      const second = tableFor(rows[row + 1], at);
      const third = tableFor(rows[row + 2], at);
      const fourth = tableFor(rows[row + 3], at);
      const fifth = tableFor(rows[row + 4], at);
      const add = this.#add[Math.min(MOST_ROWS, rows.length - row) - 1];
      // Those beyond its rows are not among its parameters, and are left aside.
      add?.(end, accumulatorOf(row), first, second, third, fourth, fifth);
    }
  }
}

function tableOf(factor: number): number {
  return factor * TABLE_BYTES;
}

/** The table of the factor that a row has for an input. */
function tableFor(row: Uint8Array | undefined, input: number): number {
  return tableOf(row?.[input] ?? 0);
}

function accumulatorOf(row: number): number {
  return ACCUMULATORS_AT + row * SLICE_BYTES;
}

function nameOf(rows: number): string {
  return `add${rows}`;
}

// The module. Everything is a list of bytes; names are those of the standard.
const MAGIC = [0x00, 0x61, 0x73, 0x6d]; // \0asm
const VERSION = [1, 0, 0, 0];
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const;
const FUNCTION_TYPE = 0x60;
const I32 = 0x7f;
const V128 = 0x7b;
const EXPORT_FUNCTION = 0;
const EXPORT_MEMORY = 2;

const LOOP = [0x03, 0x40]; // without a value
const END = [0x0b];
const BR_IF_AGAIN = [0x0d, 0];
const I32_LT_U = [0x49];
const I32_ADD = [0x6a];
const I8X16_SWIZZLE = [0xfd, 0x0e];
const V128_AND = [0xfd, 0x4e];
const V128_XOR = [0xfd, 0x51];
const I16X8_SHR_U = [0xfd, 0x8d, 0x01];
const V128_OF_0F = [0xfd, 0x0c, ...fill(0x0f, VECTOR_BYTES)];
const ALIGN_16 = 4;
const load = (offset: number): number[] => [0xfd, 0x00, ALIGN_16, ...leb(offset)];
const store = (offset: number): number[] => [0xfd, 0x0b, ALIGN_16, ...leb(offset)];
const constant = (value: number): number[] => [0x41, ...signedLeb(value)];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const tee = (local: number): number[] => [0x22, local];

/** The module: a memory, and a function for each number of rows. */
function assembleModule(): Uint8Array {
  const rows = Array.from({ length: MOST_ROWS }, (_, place) => place + 1);
  const types = rows.map((count) => [FUNCTION_TYPE, 2 + count, ...fill(I32, 2 + count), 0]);
  const exports = rows.map((count) => [...name(nameOf(count)), EXPORT_FUNCTION, count - 1]);
  const sections = [
    section(SECTION.type, types),
    section(
      SECTION.function,
      rows.map((count) => [count - 1]),
    ),
    section(SECTION.memory, [[0, ...leb(PAGES)]]), // it never grows, so its bytes never move
    section(SECTION.export, [[...name('memory'), EXPORT_MEMORY, 0], ...exports]),
    section(
      SECTION.code,
      rows.map((count) => sized(assembleFunction(count))),
    ),
  ];
  return Uint8Array.from([MAGIC, VERSION, ...sections].flat());
}

/** The function that adds to so many rows: locals, then instructions. */
function assembleFunction(rows: number): number[] {
  // Parameters, then what is declared: the input's address, and vectors.
  const [inputEnd, accumulator, firstTable] = [0, 1, 2];
  const input = firstTable + rows;
  const [mask, low, high] = [input + 1, input + 2, input + 3];
  const lowTable = (row: number): number => high + 1 + 2 * row;
  const highTable = (row: number): number => high + 2 + 2 * row;
  const each = (code: (row: number) => number[][]): number[] =>
    Array.from({ length: rows }, (_, row) => code(row).flat()).flat();
  const advance = (address: number): number[] =>
    [get(address), constant(VECTOR_BYTES), I32_ADD, set(address)].flat();
  const lookUp = (table: number, nibbles: number): number[] =>
    [get(table), get(nibbles), I8X16_SWIZZLE].flat();
  return [
    [2, 1, I32, 3 + 2 * rows, V128],
    [constant(INPUT_AT), set(input), V128_OF_0F, set(mask)].flat(),
    each((row) => [get(firstTable + row), load(0), set(lowTable(row))]),
    each((row) => [get(firstTable + row), load(VECTOR_BYTES), set(highTable(row))]),
    LOOP,
    [get(input), load(0), tee(high), get(mask), V128_AND, set(low)].flat(),
    [get(high), constant(4), I16X8_SHR_U, get(mask), V128_AND, set(high)].flat(),
    each((row) => [
      [get(accumulator), get(accumulator), load(row * SLICE_BYTES)].flat(),
      [lookUp(lowTable(row), low), V128_XOR, lookUp(highTable(row), high), V128_XOR].flat(),
      store(row * SLICE_BYTES),
    ]),
    advance(accumulator),
    advance(input),
    [get(input), get(inputEnd), I32_LT_U, BR_IF_AGAIN].flat(),
    END, // of the loop
    END,
  ].flat();
}

/** A section: its items, their number before them, its length before that. */
function section(id: number, items: readonly number[][]): number[] {
  return [id, ...sized([...leb(items.length), ...items.flat()])];
}

function sized(content: readonly number[]): number[] {
  return [...leb(content.length), ...content];
}

function name(text: string): number[] {
  return sized([...Buffer.from(text)]);
}

function fill(byte: number, count: number): number[] {
  return Array.from({ length: count }, () => byte);
}

/** An unsigned number in LEB128. */
function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

/** A number from 0 in signed LEB128: its last byte must not look like that of a negative one. */
function signedLeb(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, ...signedLeb(value >>> 7)];
}
