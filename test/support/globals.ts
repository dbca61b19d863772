// Test files share a process: one that put another class in the place of these would change how all others run.
for (const name of ['fetch', 'Request', 'Response', 'Headers'] as const) {
  Object.defineProperty(globalThis, name, { value: globalThis[name], writable: false, configurable: false })
}
