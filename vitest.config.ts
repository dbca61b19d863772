import { defineConfig } from 'vitest/config'
import { filesOn } from './test/support/projects.ts'
import { quickFolder } from './test/support/quick-folder.ts'

export default defineConfig({
  ssr: { resolve: { conditions: ['coatcheck-source', 'module', 'node', 'development|production'] } },
  test: {
    setupFiles: ['test/support/globals.ts'],
    env: { TMPDIR: quickFolder() },
    // No test waits for time to pass; a busy machine takes longer, and that is no fault.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Twice as many as there are cores where it has to be quick: many a test waits for a deadline, and burns nothing.
    maxWorkers: 4,
    // Most of what a request makes is dead when it is answered; with more room it never has to be copied.
    execArgv: ['--max-semi-space-size=64'],
    // Nothing here keeps state in a module, and importing everything anew for each file took as long as half the tests.
    isolate: false,
    projects: [
      { test: { name: 'sqlite', include: filesOn('sqlite'), provide: { database: 'sqlite' } } },
      {
        test: {
          name: 'postgres',
          include: filesOn('postgres'),
          provide: { database: 'postgres' },
          globalSetup: ['test/support/postgres-setup.ts'],
        },
      },
    ],
  },
})
