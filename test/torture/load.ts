import { setTimeout } from 'node:timers/promises'
import { redirectUri } from '../support/world.ts'
import { pick, type Random } from './scenario.ts'
import {
  addCredential,
  addSwitched,
  type Credential,
  removeCredential,
  type Switched,
  turn,
} from './things/administration.ts'
import { type Registration, register, unregister } from './things/registration.ts'
import { introspect, refresh, replay, retrieve, revoke, type Scene, type Session } from './things/session.ts'
import {
  authorize,
  type Consent,
  comeBack,
  consent,
  endAccess,
  type Person,
  redeem,
} from './things/sign-in.ts'

/** Somebody with their clients, and everything that is theirs alone: so nobody else changes it meanwhile. */
type Actor = {
  person: Person
  random: Random
  registration?: Registration | undefined
  consent?: Consent | undefined
  /** All they ever had; they use the newest ones. */
  sessions: Session[]
  credentials: Credential[]
  switched?: Switched | undefined
}

type Act = (scene: Scene, actor: Actor) => Promise<unknown>

/** What people, clients, MCP servers and administrators do, and how often beside each other. */
const acts: Record<string, { weight: number; act: Act }> = {
  'sign in': { weight: 4, act: signIn },
  'sign in, sending the code twice': { weight: 0.5, act: (scene, actor) => signIn(scene, actor, 2) },
  refresh: { weight: 6, act: withSession(refresh) },
  'refresh, twice at once': { weight: 2, act: withSession((scene, session) => refresh(scene, session, 2)) },
  retrieve: { weight: 10, act: withSession(retrieve) },
  introspect: { weight: 4, act: withSession(introspect) },
  revoke: { weight: 1.5, act: withSession(revoke) },
  'replay a spent refresh token': { weight: 0.5, act: withSession(replay) },
  'register anew': { weight: 0.7, act: registerAnew },
  'take a registration back': { weight: 0.3, act: takeBack },
  'come back to the trusted client': { weight: 1.5, act: useTrusted },
  'end access on the account page': { weight: 0.5, act: endOnAccountPage },
  'credentials of the MCP server': { weight: 1, act: administerCredentials },
  'switch a client': { weight: 1, act: switchClient },
}

/** Sessions of one actor that are in use. */
const inUse = 4

export type Load = {
  /** Lets what is under way come to its end, and begins nothing more. */
  pause(): Promise<void>
  resume(): void
  /** How often each act was begun. */
  counts: Readonly<Record<string, number>>
}

/** So many people at once, each doing one thing after the other; paused at first. */
export function createLoad(scene: Scene, { actors, random }: { actors: number; random: Random }): Load {
  const counts: Record<string, number> = {}
  const everybody: Actor[] = Array.from({ length: actors }, () => ({
    person: scene.stage.newPerson(),
    random,
    sessions: [],
    credentials: [],
  }))
  let isPaused = true
  let running: Promise<void>[] = []
  const live = async (actor: Actor) => {
    while (!isPaused) {
      if (!scene.stage.isOpen()) {
        await setTimeout(20)
        continue
      }
      const name = choose(random)
      counts[name] = (counts[name] ?? 0) + 1
      await acts[name]?.act(scene, actor)
      // A moment to think.
      await setTimeout(5 + random() * 20)
    }
  }
  return {
    counts,
    resume() {
      isPaused = false
      running = everybody.map(live)
    },
    async pause() {
      isPaused = true
      await Promise.all(running)
    },
  }
}

function choose(random: Random): string {
  const all = Object.entries(acts)
  let left = random() * all.reduce((sum, [, { weight }]) => sum + weight, 0)
  for (const [name, { weight }] of all) {
    left -= weight
    if (left <= 0) return name
  }
  return 'retrieve'
}

function withSession(act: (scene: Scene, session: Session) => Promise<unknown>): Act {
  return async (scene, actor) => {
    if (actor.sessions.length > 0) return await act(scene, pick(actor.sessions.slice(-inUse), actor.random))
    return await signIn(scene, actor)
  }
}

async function signIn(scene: Scene, actor: Actor, times = 1): Promise<void> {
  actor.registration ??= await register(scene)
  if (!actor.registration) return
  const code = await authorize(scene, actor.person, { id: actor.registration.id, redirectUri })
  if (!code || 'error' in code) return
  const session = await redeem(scene, code, times)
  if (session) actor.sessions.push(session)
}

/** The client before stays registered, and its sessions live on. */
async function registerAnew(scene: Scene, actor: Actor): Promise<void> {
  actor.registration = (await register(scene)) ?? actor.registration
}

async function takeBack(scene: Scene, actor: Actor): Promise<void> {
  const { registration } = actor
  if (!registration) return
  await unregister(scene, registration, ofClient(actor, registration.id))
  actor.registration = undefined
}

async function useTrusted(scene: Scene, actor: Actor): Promise<void> {
  const isKept = actor.consent?.state.possible.has('kept')
  if (actor.consent && isKept) await comeBack(scene, actor.consent)
  else actor.consent = await consent(scene, actor.person)
}

async function endOnAccountPage(scene: Scene, actor: Actor): Promise<void> {
  const { consent: given, registration } = actor
  if (given && actor.random() < 0.3)
    return await endAccess(scene, actor.person, {
      clientId: scene.stage.trusted.id,
      sessions: [],
      consent: given,
    })
  if (!registration) return
  const sessions = ofClient(actor, registration.id)
  await endAccess(scene, actor.person, { clientId: registration.id, sessions })
}

async function administerCredentials(scene: Scene, actor: Actor): Promise<void> {
  const [oldest] = actor.credentials
  if (oldest && actor.random() < 0.5) {
    await removeCredential(scene, oldest)
    if (!oldest.state.possible.has('good')) actor.credentials.shift()
    return
  }
  const made = await addCredential(scene)
  if (made) actor.credentials.push(made)
}

async function switchClient(scene: Scene, actor: Actor): Promise<void> {
  actor.switched ??= await addSwitched(scene)
  if (actor.switched) await turn(scene, actor.switched, actor.random() < 0.5 ? 'on' : 'off')
}

const ofClient = ({ sessions }: Actor, clientId: string) =>
  sessions.filter(({ client }) => client.id === clientId)
