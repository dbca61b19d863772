import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { type Config, ConfigError, loadConfig } from '../config/config.ts'
import type { DatabaseView, DiagnosisView } from '../endpoints/admin/diagnosis.ts'
import { systemClock } from '../lib/clock.ts'
import { databaseAddress } from '../storage/database.ts'
import { type AdminApi, AdminApiError, type Json } from './admin-api.ts'
import { applicationFindings } from './application-findings.ts'
import { type Answer, apiOptions, type Call, type Command } from './command.ts'
import { databaseFindings } from './database-findings.ts'
import { about, attempt, type Finding, report } from './finding.ts'
import { gatewayUrl } from './gate.ts'
import {
  administratorFindings,
  connectionFindings,
  limitFindings,
  masterKeyFindings,
  proxyFindings,
} from './gateway-findings.ts'
import { segment } from './input.ts'
import { keyFindings } from './key-findings.ts'
import { integrityFindings, localFindings } from './local-findings.ts'
import { checkedFindings, redirectFinding } from './provider-words.ts'
import { metadata, readiness } from './published-findings.ts'
import { resourceFindings } from './resource-findings.ts'
import { itemsOf, wordsOf } from './show.ts'

async function doctor(call: Call): Promise<Answer> {
  const { config, findings } = configuration(call)
  const url = gatewayUrl(call, call.terminal)
  const published = await attempt('metadata', () => metadata(url))
  const isOpen = !published.some(({ state }) => state === 'wrong')
  const found = [
    ...findings,
    ...published,
    ...(isOpen ? await throughGateway(url, call, config) : await withoutGateway(call, config)),
  ]
  const isWrong = found.some(({ state }) => state === 'wrong')
  return {
    text: report(found, call.terminal.screen),
    json: { ok: !isWrong, findings: found },
    exitCode: isWrong ? 1 : 0,
  }
}

/** The configuration as a gateway started here would read it. */
function configuration({ text, terminal }: Call): { config?: Config; findings: Finding[] } {
  const { ok, wrong, unchecked } = about('configuration')
  if (text('url') !== undefined) {
    const advice = 'Run coatcheck doctor on its own machine, with the variables it has.'
    return { findings: [unchecked('that of a gateway elsewhere is not seen from here', advice)] }
  }
  try {
    const config = loadConfig(terminal.env, terminal.readFile)
    return {
      config,
      findings: [ok('the variables and the file are sound'), ...workerFindings(config.workers)],
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const advice = 'Mend it: no gateway starts until then. docs/configuration.md says what there may be.'
    return { findings: error.errors.map((message) => wrong(message, advice)) }
  }
}

/** Only where there is more to say than that one process does it all. */
export function workerFindings(workers: number, cores = availableParallelism()): Finding[] {
  const { ok, note } = about('workers')
  if (workers === 1) return []
  if (workers <= cores) return [ok(`${workers} processes answer, on a machine of ${cores} cores`)]
  return [
    note(
      `${workers} processes answer, and this machine has ${cores === 1 ? 'one core' : `${cores} cores`}: they wait for one another`,
      'Set COATCHECK_WORKERS to auto, or leave it out.',
    ),
  ]
}

async function withoutGateway({ text }: Call, config: Config | undefined): Promise<Finding[]> {
  const unseen = 'Mend what is wrong above, and ask again.'
  const throughIt = about('limits and proxies').unchecked(
    'only a gateway that answers at its issuer knows them',
    unseen,
  )
  if (config) return [...(await localFindings(config)), throughIt]
  const why =
    text('url') === undefined
      ? 'the configuration does not say where they are'
      : 'they are not of this machine'
  return [about('database, keys and providers').unchecked(why, unseen), throughIt]
}

async function throughGateway(url: string, call: Call, config: Config | undefined): Promise<Finding[]> {
  const ready = await attempt('database', () => readiness(url))
  const asked: { access?: 'granted'; diagnosis?: DiagnosisView } = {}
  const own = await attempt('keys, limits, providers and MCP servers', async () => {
    const diagnosis = await diagnose(call.api())
    Object.assign(asked, { access: 'granted', diagnosis })
    return diagnosis ? ownFindings(diagnosis, { url, config }) : [untold]
  })
  // Without a credential that is taken, the rest would say the same again.
  if (!asked.access) return [...ready, ...own]
  return [
    ...ready,
    ...own,
    ...(await attempt('signing keys', async () => await signingKeys(call.api(), asked.diagnosis))),
    ...(await attempt('providers', async () => await providers(call.api()))),
    ...(await attempt('MCP servers', async () => await resources(call.api()))),
  ]
}

const untold = about('database, master keys, limits and proxies').unchecked(
  'this gateway does not tell of them: it is of another version',
  'Use the command line of the version it runs.',
)

async function diagnose(api: AdminApi): Promise<DiagnosisView | undefined> {
  try {
    return (await api('GET', '/diagnosis')) as DiagnosisView
  } catch (error) {
    if (error instanceof AdminApiError && error.problem?.status === 404) return undefined
    throw error
  }
}

function ownFindings(
  view: DiagnosisView,
  { url, config }: { url: string; config: Config | undefined },
): Finding[] {
  return [
    ...databaseFindings(view.database, 'gateway'),
    ...(config && isItsFile(view.database, config) ? integrityFindings(view.database.path) : []),
    ...masterKeyFindings(view),
    ...administratorFindings(view),
    ...proxyFindings(view, url),
    ...limitFindings(view),
    ...connectionFindings(view),
  ]
}

/** Whether the database is a file of this machine. */
function isItsFile(
  view: DatabaseView,
  { databaseUrl }: Config,
): view is Extract<DatabaseView, { kind: 'sqlite' }> {
  const own = databaseAddress(databaseUrl)
  return (
    view.kind === 'sqlite' &&
    own.kind === 'sqlite' &&
    resolve(own.path) === view.path &&
    existsSync(view.path)
  )
}

async function signingKeys(api: AdminApi, diagnosis: DiagnosisView | undefined): Promise<Finding[]> {
  const keys = itemsOf(await api('GET', '/signing-keys'))
  const { now = systemClock(), token_lifetime: tokenLifetime = 0 } = diagnosis ?? {}
  return keyFindings(keys, { now, tokenLifetime })
}

async function providers(api: AdminApi): Promise<Finding[]> {
  const items = itemsOf(await api('GET', '/providers'))
  if (items.length === 0) {
    return [about('providers').note('there is none, so nobody can sign in', 'coatcheck provider set --help')]
  }
  return (await Promise.all(items.map((item) => provider(api, item)))).flat()
}

/** An administrator who may only read still sees what to register, and whether it is broken. */
async function provider(api: AdminApi, item: Json): Promise<Finding[]> {
  const id = wordsOf(item.id)
  const use = item.enabled === true ? 'enabled' : 'disabled'
  const found = await attempt(`provider ${id}`, async () =>
    checkedFindings({ id, use }, await api('POST', `/providers/${segment(id)}/check`)),
  )
  const isUnchecked = found.every(({ state }) => state === 'unchecked')
  return isUnchecked ? [...found, redirectFinding(id, item.redirect_uri)] : found
}

async function resources(api: AdminApi): Promise<Finding[]> {
  const [items, known] = [itemsOf(await api('GET', '/resources')), itemsOf(await api('GET', '/providers'))]
  if (items.length === 0) {
    const advice = 'coatcheck resource set --help'
    return [about('MCP servers').note('there is none for people to be let in to', advice)]
  }
  const found = items.map(async (item) => {
    const id = wordsOf(item.id)
    const path = `/resources/${segment(id)}`
    const credentials = itemsOf(await api('GET', `${path}/credentials`)).length
    return [
      ...resourceFindings(item, { credentials, providers: known, resources: items }),
      ...(item.enabled === true ? applicationFindings(id, await api('GET', `${path}/application`)) : []),
    ]
  })
  return (await Promise.all(found)).flat()
}

export const doctorCommand: Command = {
  name: 'doctor',
  arguments: [],
  summary: 'what is wrong with the gateway, its keys and its providers, and what to do',
  options: apiOptions,
  examples: ['coatcheck doctor'],
  run: doctor,
}
