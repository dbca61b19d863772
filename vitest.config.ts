import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['coatcheck-source', 'module', 'node', 'development|production'] } },
  test: {
    setupFiles: ['test/support/globals.ts'],
    include: ['test/**/*.test.ts', 'sdk/test/**/*.test.ts'],
    // No test waits for time to pass; a busy machine takes longer, and that is no fault.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Nothing here keeps state in a module, and importing everything anew for each file took as long as half the tests.
    isolate: false,
  },
})
