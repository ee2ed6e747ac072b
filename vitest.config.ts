import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** Secrets of the Workers under test; nothing outside the tests knows them. */
const testBindings = {
  SLUICE_KEY_RING: 'test=dGVzdC1yaW5nLWVudHJ5LW9mLTMyLWJ5dGVzLWxvbmc',
  SLUICE_OPERATOR_TOKEN: 'operator-token-of-the-tests',
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'core',
          environment: 'node',
          include: ['test/{core,stages,mock,contracts}/**/*.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins: [
          cloudflareTest({
            main: './test/workers/support/worker.ts',
            wrangler: { configPath: './wrangler.toml' },
            miniflare: { bindings: testBindings },
          }),
        ],
        test: { name: 'workers', include: ['test/workers/**/*.test.ts'], sequence: { groupOrder: 1 } },
      },
      {
        test: {
          name: 'scripts',
          environment: 'node',
          include: ['test/scripts/**/*.test.ts'],
          sequence: { groupOrder: 2 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        // One file at a time and after everything else: what it measures in milliseconds is not to wait for a processor.
        test: {
          name: 'wire',
          environment: 'node',
          include: ['test/wire/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
