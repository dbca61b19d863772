import { z } from 'zod'

/** The control API was asked for something that makes no sense. */
export class ControlError extends Error {}

type Arguments<Schema extends z.ZodType> =
  undefined extends z.input<Schema> ? [argument?: z.input<Schema>] : [argument: z.input<Schema>]

/** For commands that take no argument; over HTTP that is `null`. */
export const nothing = z.null().optional()

/** One verb of a control API: its argument is checked, whether it comes from code or over HTTP. */
export function command<Schema extends z.ZodType, Result>(
  schema: Schema,
  run: (argument: z.output<Schema>) => Result,
): (...args: Arguments<Schema>) => Result {
  return (...[argument]) => {
    const parsed = schema.safeParse(argument)
    if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error))
    return run(parsed.data)
  }
}
