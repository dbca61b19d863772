import { spawn, spawnSync } from 'node:child_process'

export type Child = {
  pid: number
  /** Sends a message over the channel and waits for the next that comes back. One at a time. */
  ask<Answer>(message: unknown): Promise<Answer>
  /** The next message, whatever for. */
  told<Message>(): Promise<Message>
  /** Rejects should it end by itself. */
  died: Promise<never>
  /** Asks it to stop, and waits until it did. */
  stop(): Promise<void>
}

export type ChildOptions = {
  /** What follows `node`. */
  args: readonly string[]
  /** The cores it may run on, as `taskset` has them, where the machine has that. */
  cores: string
  env?: Record<string, string>
}

/** Whether processes can be kept to one core here. */
export const canPin: boolean = spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** A Node process with a channel to it. What it logs goes nowhere, what it complains of is shown if it dies. */
export function startChild({ args, cores, env }: ChildOptions): Child {
  // What is built is measured as it is shipped: with the SDK as that is built.
  const conditions = args.some((arg) => arg.endsWith('.ts')) ? ['--conditions=coatcheck-source'] : []
  const node = [process.execPath, ...conditions, ...args]
  const [command = '', ...rest] = canPin ? ['taskset', '-c', cores, ...node] : node
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let complaints = ''
  child.stderr?.on('data', (chunk) => {
    complaints = (complaints + chunk).slice(-4000)
  })
  let waiting: PromiseWithResolvers<unknown> | undefined
  const exited = new Promise<Error>((resolve) => {
    child.once('close', (code) => resolve(new Error(`${args.at(-1)} ended with ${code}: ${complaints}`)))
  })
  void exited.then((error) => waiting?.reject(error))
  const died = exited.then((error) => Promise.reject(error))
  died.catch(() => {})
  child.on('message', (message) => waiting?.resolve(message))

  async function told<Message>(): Promise<Message> {
    if (child.exitCode !== null) throw new Error(`${args.at(-1)} has ended: ${complaints}`)
    waiting = Promise.withResolvers<unknown>()
    return (await waiting.promise) as Message
  }

  return {
    pid: child.pid ?? 0,
    told,
    died,
    ask<Answer>(message: unknown) {
      const answer = told<Answer>()
      child.send(message as object)
      return answer
    },
    async stop() {
      if (child.connected) child.send('stop')
      const impatience = setTimeout(() => child.kill('SIGKILL'), 5000)
      await exited
      clearTimeout(impatience)
    },
  }
}
