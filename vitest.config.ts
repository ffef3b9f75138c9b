import { defineConfig } from 'vitest/config';

/** Test layers, each a project: pure tests in parallel, tests with sockets, children and pages one file at a time. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{e2e,browser,lab,interop,soak,chains,transport}/**'],
        },
      },
      { test: { name: 'chains', include: ['test/chains/**/*.test.ts'], testTimeout: 240_000 } },
      {
        test: {
          name: 'transport',
          include: ['test/transport/**/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          testTimeout: 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          testTimeout: 600_000,
          fileParallelism: false,
        },
      },
      { test: { name: 'soak', include: ['test/soak/**/*.test.ts'], testTimeout: 0, fileParallelism: false } },
    ],
  },
});
