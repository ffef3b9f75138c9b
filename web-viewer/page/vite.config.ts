/** Builds the page into `dist/page`: hashed files in `assets/`, nothing inline, no request to anywhere else. */
import { defineConfig } from 'vite';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/page',
    emptyOutDir: true,
    // The content security policy allows no inline code and no data: scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    // mpegts.js, which is loaded only when something plays, is larger than Vite's default of 500 kB.
    chunkSizeWarningLimit: 700,
  },
});
