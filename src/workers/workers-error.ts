/** No worker can run, or one did not end as it should; the message is a worker's reason. */
export class WorkersError extends Error {
  override name = 'WorkersError'
}
