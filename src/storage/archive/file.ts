import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, lstat, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { syncFolder } from '../../lib/sync-folder.ts'
import { ArchiveError, type ReadArchive, readArchive } from './format.ts'

/** Bytes brought to the disk at once: a gateway that commits to the same disk waits for no more than these. */
const mostUnsynced = 4 * 1024 * 1024

/**
 * Writes an archive into a file that must not be there yet. It appears under its name when all of it is on the disk
 * and was read back, for its owner's eyes only. Throws `ArchiveError`.
 */
export async function writeArchiveFile(path: string, chunks: AsyncIterable<Buffer>): Promise<ReadArchive> {
  await refuseExisting(path)
  const draft = `${path}.${randomBytes(6).toString('hex')}.part`
  const handle = await open(draft, 'wx', 0o600).catch((error: unknown) => unwritable(path, error))
  try {
    // Sealed values hardly get smaller, however long one tries.
    await pipeline(chunks, createGzip({ level: 1 }), async (zipped: AsyncIterable<Buffer>) => {
      let unsynced = 0
      for await (const part of zipped) {
        await handle.writeFile(part)
        unsynced += part.length
        if (unsynced < mostUnsynced) continue
        await handle.datasync()
        unsynced = 0
      }
    })
    await handle.sync()
    const read = await readArchive(archiveFile(draft))
    await publish(draft, path)
    return read
  } catch (error) {
    return unwritable(path, error)
  } finally {
    await handle.close()
    await unlink(draft).catch(() => {})
  }
}

/** The archive in a file. Throws `ArchiveError` for a file that is not compressed as one, or not to its end. */
export async function* archiveFile(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path)
  const unzipped = createGunzip()
  file.on('error', (error) => unzipped.destroy(error))
  try {
    for await (const chunk of file.pipe(unzipped)) yield chunk
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'Z_BUF_ERROR') throw new ArchiveError('the archive ends too soon')
    if (code.startsWith('Z_')) throw new ArchiveError('this is no archive of Coatcheck, or it is damaged')
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') {
      throw new ArchiveError(`${path} cannot be read (${code})`)
    }
    throw error
  } finally {
    file.destroy()
    unzipped.destroy()
  }
}

const ofTheDisk = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EFBIG']

function unwritable(path: string, error: unknown): never {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  throw ofTheDisk.includes(code) ? new ArchiveError(`${path} cannot be written (${code})`) : error
}

async function refuseExisting(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found) throw new ArchiveError(`${path} is there already; nothing is written over it`)
}

/** A link never takes another file's place; a file system without links gets as near to that as it can. */
async function publish(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') throw new ArchiveError(`${path} is there already; nothing is written over it`)
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    await refuseExisting(path)
    await rename(draft, path)
  }
  syncFolder(dirname(path))
}
