/** Seconds since the epoch. The one way anything here learns what time it is. */
export type Clock = () => number

export const systemClock: Clock = () => Math.floor(Date.now() / 1000)
