import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { type Control, controlReply } from './control.ts'
import type { Core } from './core.ts'
import { type Call, json, type Reply, readCall, text } from './exchange.ts'
import { type Delivery, patchedReply, scriptedReply } from './faults.ts'
import { send, sendSpoiled } from './send.ts'

/** Answers every request that is not the control API's. */
export type Answer = (call: Call, request: IncomingMessage, response: ServerResponse) => Promise<Reply>

export type Origin = { url: string; server: Server }

export async function listen(port: number): Promise<Origin> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${address.port}`, server }
}

export async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

async function answerControl(core: Core, control: Control, call: Call): Promise<Reply> {
  if (call.method === 'GET' && call.path === '/__ctl/log') return json(200, core.log.entries())
  if (call.method === 'POST' && call.path === '/__ctl') return controlReply(control, call)
  return text(404, 'no such control')
}

type Outcome = { reply: Reply; delivery: Delivery | undefined }

const nothing: Reply = { status: 0, headers: {}, body: '' }

/** The answer to a request, or what a scripted fault makes of it. */
async function outcomeOf(core: Core, call: Call, answer: () => Promise<Reply>): Promise<Outcome> {
  const effect = core.faults.take(call)
  switch (effect?.kind) {
    case undefined:
      return { reply: await answer(), delivery: undefined }
    case 'respond':
      return { reply: scriptedReply(effect), delivery: undefined }
    case 'patch':
      return { reply: patchedReply(effect, await answer()), delivery: undefined }
    case 'hold': {
      const done = effect.when === 'after' ? answer() : undefined
      await core.faults.held()
      return { reply: await (done ?? answer()), delivery: undefined }
    }
    case 'delay':
      await wait(effect.milliseconds)
      return { reply: await answer(), delivery: undefined }
    case 'drop':
      return { reply: effect.when === 'after' ? await answer() : nothing, delivery: effect }
    case 'truncate':
    case 'huge':
    case 'drip':
      return { reply: await answer(), delivery: effect }
  }
}

/** Connects a listening server to a stand-in: control API first, then the log, scripted faults and the answer. */
export function attach(origin: Origin, name: string, core: Core, control: Control, answer: Answer): void {
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const call = await readCall(name, request)
    if (call.path === '/__ctl' || call.path.startsWith('/__ctl/')) {
      return send(response, await answerControl(core, control, call))
    }
    const entry = core.log.add(call, core.clock.now())
    const { reply, delivery } = await outcomeOf(core, call, () => answer(call, request, response))
    entry.status = delivery?.kind === 'drop' ? undefined : reply.status
    return delivery ? sendSpoiled(delivery, response, reply) : send(response, reply)
  }
  origin.server.on('request', (request, response) => {
    respond(request, response).catch((error: unknown) => {
      // A bug of the stand-in itself: say so loudly, tests must not take it for a provider's answer.
      console.error(`stand-in ${name}:`, error)
      if (!response.headersSent) send(response, text(599, 'the stand-in is broken'))
    })
  })
}
