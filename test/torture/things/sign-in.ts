import type { Browser } from '../../support/browser.ts'
import { newPkce, redirectUri } from '../../support/world.ts'
import { becomes, change, type Fact, learn, observe } from '../model.ts'
import { type Answer, outcomeOf, post } from '../send.ts'
import { resourceUri, type Stage } from '../stage.ts'
import { register } from './registration.ts'
import { clientForm, learnSession, type Scene, type Session } from './session.ts'

export type Person = ReturnType<Stage['newPerson']>
type Client = Session['client']

/** A code, and what it is redeemed with. */
type Code = { code: string; verifier: string; client: Client; accountId: string }

/** Goes all the way to a code, saying yes to whatever is asked; `undefined` where something broke on the way. */
export async function authorize(
  { stage }: Scene,
  { browser, accountId }: Person,
  client: Client,
  more: Record<string, string> = {},
): Promise<Code | { error: string } | undefined> {
  const { verifier, challenge } = newPkce()
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.id,
    redirect_uri: client.redirectUri,
    state: 'state-of-the-client',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    resource: resourceUri,
    ...more,
  })
  try {
    const stop = await browser.walk(`${stage.issuer}/oauth/authorize?${query}`, ['atlassian', 'allow'])
    const { code, error } = stop.left ? Object.fromEntries(new URL(stop.url).searchParams) : {}
    if (code !== undefined) return { code, verifier, client, accountId }
    return error === undefined ? undefined : { error }
  } catch {
    // The connection broke. Whoever sits there begins anew, another time.
    return undefined
  }
}

/** The client redeems a code, which works once; at once several times if told to, which ends what came of it. */
export async function redeem(scene: Scene, code: Code, times = 1): Promise<Session | undefined> {
  const { stage, model } = scene
  const ask = () =>
    post(`${stage.address()}/oauth/token`, {
      ...clientForm(code),
      grant_type: 'authorization_code',
      code: code.code,
      code_verifier: code.verifier,
      redirect_uri: code.client.redirectUri,
    })
  const answers = await Promise.all(Array.from({ length: times }, ask))
  // Cut off, a client asks once more: it is given tokens if nothing had come about, and nothing otherwise.
  if (answers.every(({ outcome }) => outcome === 'unknown')) answers.push(await ask())
  for (const { outcome } of answers) model.answers[outcome]++
  const given = answers.filter(({ status }) => status === 200)
  if (given.length > 1) model.wrong.push(`a code of ${code.accountId} worked ${given.length} times`)
  const [first] = given
  if (!first) return undefined
  const session = learnSession(scene, { ...code, body: first.body })
  // What was refused proved to be the client, too, and a second use revokes.
  for (const answer of answers.filter((each) => each !== first)) {
    const outcome: Answer = { ...answer, outcome: answer.status === 400 ? 'acknowledged' : answer.outcome }
    const changes = [becomes(session.state, 'ended')]
    await change(model, { what: 'a second use of a code', changes }, async () => outcome)
  }
  return session
}

/** Somebody new with a new client; throws where anything is wrong, so it is for quiet moments. */
export async function enter(scene: Scene): Promise<Session> {
  const person = scene.stage.newPerson()
  const registration = await register(scene)
  if (!registration) throw new Error('no client can be registered')
  const code = await authorize(scene, person, { id: registration.id, redirectUri })
  if (!code || 'error' in code) throw new Error('nobody can sign in')
  const session = await redeem(scene, code)
  if (!session) throw new Error('a code is not redeemed')
  return session
}

/** Somebody's yes to the trusted client, in the browser they are signed in with. */
export type Consent = { person: Person; state: Fact<'kept' | 'gone'> }

/** Signs in at the trusted client, whose consent is remembered. */
export async function consent(scene: Scene, person: Person): Promise<Consent | undefined> {
  const code = await authorize(scene, person, scene.stage.trusted)
  if (!code || 'error' in code) return undefined
  const given: Consent = {
    person,
    state: learn(scene.model, {
      name: `consent of ${person.name}`,
      state: 'kept',
      look: () => comeBack(scene, given),
    }),
  }
  return given
}

/** Comes back without a page: as good as the session of the browser, the consent and the connection all together. */
export async function comeBack(
  scene: Scene,
  { person, state }: Consent,
): Promise<'kept' | 'gone' | undefined> {
  const code = await authorize(scene, person, scene.stage.trusted, { prompt: 'none' })
  if (code === undefined) return undefined
  const seen = 'error' in code ? 'gone' : 'kept'
  observe(scene.model, state, seen, `coming back${'error' in code ? ` (${code.error})` : ''}`)
  return seen
}

/** Ends what a client may do, on the account page. */
export async function endAccess(
  { stage, model }: Scene,
  { browser }: Person,
  { clientId, sessions, consent }: { clientId: string; sessions: readonly Session[]; consent?: Consent },
): Promise<void> {
  const page = await readAccount(stage, browser)
  const form = page?.forms.find(({ fields }) =>
    fields.some(({ name, value }) => name === 'client_id' && value === clientId),
  )
  if (!page || !form) return
  const changes = sessions.map(({ state }) => becomes(state, 'ended'))
  if (consent) changes.push(becomes(consent.state, 'gone'))
  await change(model, { what: 'ending access', changes }, async () => {
    try {
      const { status } = await browser.submit({ ...page, forms: [form] })
      return { outcome: outcomeOf(status), status, body: {} }
    } catch {
      return { outcome: 'unknown', status: 0, body: {} }
    }
  })
}

async function readAccount(stage: Stage, browser: Browser) {
  try {
    const page = await browser.get(`${stage.issuer}/account`)
    return page.status === 200 ? page : undefined
  } catch {
    return undefined
  }
}
