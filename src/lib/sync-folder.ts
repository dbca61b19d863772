import { closeSync, fsyncSync, openSync } from 'node:fs'

/** Brings to the disk what entries a folder has: a file that was given its name is else forgotten when the power fails. */
export function syncFolder(folder: string): void {
  // Windows opens no folders, and keeps their entries itself.
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
