/** Seconds since the epoch. The one way any part of the gateway learns what time it is. */
export type Clock = () => number

export const systemClock: Clock = () => Math.floor(Date.now() / 1000)

/** Seconds by which the clocks of two processes may differ, so that they still tell each other when something was. */
export const clockMargin = 5
