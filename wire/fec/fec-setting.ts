/** How a stream is protected without asking back, as people write it: `--fec 2022:LxD | rs:K,M[,I]`. */
import { parseBlockShape, type BlockShape, type BlockShapeFault } from './block-shape.ts';
import { parseMatrix, type FecMatrix, type MatrixFault } from './smpte2022.ts';

/** Columns (and rows) of SMPTE 2022-1, or Reed-Solomon blocks. */
export type FecSetting = { kind: '2022'; matrix: FecMatrix } | { kind: 'rs'; shape: BlockShape };

/** Why a text names no setting. */
export type FecSettingFault = 'unknown-scheme' | MatrixFault | BlockShapeFault;

const MATRIX = '2022:';
const BLOCKS = 'rs:';

/** Reads `2022:10x5`, `2022:10x5+rows`, `rs:20,5` or `rs:20,5,4`. */
export function parseFecSetting(text: string): FecSetting | FecSettingFault {
  if (text.startsWith(MATRIX)) {
    const matrix = parseMatrix(text.slice(MATRIX.length));
    return typeof matrix === 'string' ? matrix : { kind: '2022', matrix };
  }
  if (!text.startsWith(BLOCKS)) return 'unknown-scheme';
  const shape = parseBlockShape(text.slice(BLOCKS.length));
  return typeof shape === 'string' ? shape : { kind: 'rs', shape };
}

/** The same text again. */
export function formatFecSetting(setting: FecSetting): string {
  if (setting.kind === '2022') {
    const { columns, rows, rowPackets } = setting.matrix;
    return `${MATRIX}${columns}x${rows}${rowPackets ? '+rows' : ''}`;
  }
  const { dataShards, parityShards, interleave } = setting.shape;
  return `${BLOCKS}${dataShards},${parityShards}${interleave === 1 ? '' : `,${interleave}`}`;
}

/** How much more is sent for it, as a share of the stream: 0.1 is a tenth. */
export function fecOverhead(setting: FecSetting): number {
  if (setting.kind === 'rs') return setting.shape.parityShards / setting.shape.dataShards;
  const { columns, rows, rowPackets } = setting.matrix;
  return 1 / rows + (rowPackets ? 1 / columns : 0);
}

/** Source packets from the first to the last of which one repairs another. */
export function fecSpan(setting: FecSetting): number {
  if (setting.kind === '2022') return setting.matrix.columns * setting.matrix.rows;
  return setting.shape.dataShards * setting.shape.interleave;
}

/** From a lost datagram to the last repair packet that may bring it back: so many datagrams at most. */
export function repairWait(setting: FecSetting): number {
  const span = fecSpan(setting);
  if (setting.kind === '2022') return span + (setting.matrix.columns - 1) * (setting.matrix.rows - 1);
  const { dataShards, parityShards, interleave } = setting.shape;
  return (
    span + Math.floor(((parityShards * interleave - 1) * dataShards) / parityShards) - (interleave - 1) + 1
  );
}
