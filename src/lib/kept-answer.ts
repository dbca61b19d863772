/**
 * Asks once for everybody who wants to know within one moment: its answer is kept for as long as `moment` says the same,
 * as a clock does for a second. Who comes in another one waits for no earlier asking.
 */
export function keepAnswer<Answer>(
  ask: () => Promise<Answer>,
  moment: () => number | string,
): () => Promise<Answer> {
  let kept: { moment: number | string; answer: Promise<Answer> } | undefined
  return () => {
    const now = moment()
    if (kept?.moment === now) return kept.answer
    const answer = ask()
    kept = { moment: now, answer }
    // A failure is told to those who wait for it, and then forgotten.
    answer.catch(() => {
      if (kept?.answer === answer) kept = undefined
    })
    return answer
  }
}
