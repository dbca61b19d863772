import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { type Cluster, createCluster } from '../../support/postgres-cluster.ts'
import { createServer, type Server } from './server.ts'

/** The gateways' database on servers of its own, and an address that leads to whichever of them is in charge. */
export type Database = {
  /** Of an empty database that belongs to somebody who is no superuser, as it would in earnest. */
  url: string
  primary(): Server
  /** A statement of the superuser's there. */
  run: Server['run']
  /** A connection of somebody's who is not a gateway, for as long as they like. */
  hold(user: 'postgres' | 'coatcheck'): Promise<pg.Client>
  /** Gives the primary a standby that every commit waits for; the primary is restarted for it. */
  addStandby(): Promise<void>
  /** Puts the standby in charge, and the address with it. The primary that was is to be dead. */
  promote(): Promise<void>
  stop(): Promise<void>
}

export async function openDatabase(settings: Record<string, string> = {}): Promise<Database> {
  const folders: string[] = []
  const servers: Server[] = []
  const newFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-torture-pg-'))
    folders.push(folder)
    return folder
  }
  let files = await createCluster(newFolder())
  let primary = createServer(files, settings)
  let standby: { server: Server; files: Cluster } | undefined
  servers.push(primary)
  await primary.start()
  await primary.run('CREATE ROLE coatcheck LOGIN')
  await primary.run('CREATE DATABASE coatcheck OWNER coatcheck')

  const address = join(newFolder(), 'address')
  const lead = (folder: string) => {
    symlinkSync(folder, `${address}.next`)
    renameSync(`${address}.next`, address)
  }
  lead(primary.folder)

  return {
    url: `postgres://coatcheck@localhost/coatcheck?host=${address}`,
    primary: () => primary,
    run: (sql, values) => primary.run(sql, values, 'coatcheck'),

    async hold(user) {
      const client = new pg.Client(`postgres://${user}@localhost/coatcheck?host=${primary.folder}`)
      client.on('error', () => {})
      await client.connect()
      return client
    },

    async addStandby() {
      await primary.stop('fast')
      const copy = copyCluster(files, newFolder())
      writeFileSync(join(copy.data, 'standby.signal'), '')
      const server = createServer(copy, {
        ...settings,
        primary_conninfo: `host=${primary.folder} user=postgres application_name=standby`,
      })
      standby = { server, files: copy }
      servers.push(server)
      await primary.start()
      await server.start()
      // Not before it is there: until then no commit would end.
      while ((await primary.run('SELECT 1 FROM pg_stat_replication')).length === 0) await setTimeout(50)
      await primary.run(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
      await primary.run('SELECT pg_reload_conf()')
    },

    async promote() {
      if (!standby) throw new Error('there is no standby')
      await standby.server.run('SELECT pg_promote()')
      primary = standby.server
      files = standby.files
      standby = undefined
      lead(primary.folder)
    },

    async stop() {
      await Promise.all(servers.map((server) => server.close()))
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The files of a server that stands still, as those of another. */
function copyCluster({ postgres, data, asOwner }: Cluster, folder: string): Cluster {
  const copy = { postgres, data: join(folder, 'data'), asOwner: { ...asOwner, cwd: folder } }
  execFileSync('cp', ['--archive', data, copy.data])
  const { uid, gid } = asOwner
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return copy
}
