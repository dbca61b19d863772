export type Pulse = {
  /** The worker said that it lives. */
  heard(): void
  end(): void
}

/** Milliseconds from one word of a worker to the next. */
export const pulseEvery = 5_000
/** Looks in a row without a word after which nobody waits for one. */
const patience = 12

const byPulse = (look: () => void) => {
  const timer = setInterval(look, pulseEvery).unref()
  return () => clearInterval(timer)
}

/**
 * Calls `onSilence`, once, where a worker was not heard of for a minute: it may stand still for ever, hears nobody who
 * asks it to stop, and whoever watches the gateway from outside is answered by the others. No clock is asked: where all
 * of them were paused together, none was missed.
 */
export function watchPulse(onSilence: () => void, eachLook = byPulse): Pulse {
  let silent = 0
  const end = eachLook(() => {
    silent += 1
    if (silent < patience) return
    end()
    onSilence()
  })
  return {
    heard() {
      silent = 0
    },
    end,
  }
}
