import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** A file system in a file, of which only what was synced outlives a cut. */
export type Disk = {
  mount: string
  /** Keeps what the disk would hold if the power failed now. Whoever writes is stopped meanwhile. */
  photograph(): void
  /** Mounts what was kept, in the place of what was there; nobody has it open. */
  cut(): void
  remove(): void
}

const megabytes = 64

/** Throws where this user may not mount. */
export function makeDisk(folder: string): Disk {
  const image = join(folder, 'disk.img')
  const photo = join(folder, 'cut.img')
  const mount = join(folder, 'disk')
  mkdirSync(mount)
  run('dd', 'if=/dev/zero', `of=${image}`, 'bs=1M', `count=${megabytes}`)
  run('mkfs.ext4', '-q', image)
  const attach = () => run('mount', '-o', 'loop', image, mount)
  attach()
  return {
    mount,
    photograph: () => copyFileSync(image, photo),
    cut() {
      run('umount', mount)
      renameSync(photo, image)
      attach()
    },
    remove() {
      run('umount', mount)
      rmSync(image)
    },
  }
}

/** A small disk that forgets everything when it is gone, for filling it up. */
export function makeSmallDisk(folder: string, size: string): { mount: string; remove(): void } {
  const mount = join(folder, 'small')
  mkdirSync(mount)
  run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', mount)
  return { mount, remove: () => run('umount', mount) }
}

function run(command: string, ...parameters: string[]): void {
  execFileSync(command, parameters, { stdio: 'pipe' })
}
