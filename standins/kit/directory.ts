import { ControlError } from './command.ts'
import type { Choice } from './page.ts'

/** What a directory needs to know of its people; an alias is another name the control API may use. */
export type Naming<User> = {
  id(user: User): string
  alias(user: User): string | null
  label(user: User): string
}

/** The people who have an account at a stand-in. */
export type Directory<User> = {
  /** Adds somebody, or replaces whoever has the same id. */
  add(user: User): void
  find(id: string | undefined): User | undefined
  findByAlias(alias: string | undefined): User | undefined
  /** By id or alias; throws for anybody who was never seeded. */
  get(name: string): User
  idOf(user: User): string
  choices(): Choice[]
}

export function createDirectory<User>(naming: Naming<User>): Directory<User> {
  const users = new Map<string, User>()
  const findByAlias = (alias: string | undefined) =>
    alias === undefined ? undefined : [...users.values()].find((user) => naming.alias(user) === alias)

  return {
    add(user) {
      users.set(naming.id(user), user)
    },
    find: (id) => users.get(id ?? ''),
    findByAlias,
    get(name) {
      const user = users.get(name) ?? findByAlias(name)
      if (!user) throw new ControlError(`no such user: ${name}`)
      return user
    },
    idOf: naming.id,
    choices: () =>
      [...users].map(([id, user]) => ({ id, label: naming.label(user), hint: naming.alias(user) ?? id })),
  }
}
