import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { acceptFormsOnly, formOf, queryOf } from '../../http/form-body.ts'
import { answerWithPage } from '../../http/page-errors.ts'
import { countRequest, holderOf } from '../../http/rates.ts'
import { requireSameOrigin } from '../../http/same-origin.ts'
import { sendPage } from '../../http/send-page.ts'
import { findVisitor } from '../../http/visitor.ts'
import { act } from './actions.ts'
import { showAsked } from './deeds.ts'
import { noticeOf, showAccount, showSignIn } from './overview.ts'

/** The page where people see what is done in their name, and end it. */
export async function accountEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  await scope.register(cookie)
  acceptFormsOnly(scope)
  scope.setErrorHandler((error: Error, request, reply) => answerWithPage(gateway, error, request, reply))

  scope.get('/account', async (request, reply) => {
    countVisit(gateway, request)
    return await show(gateway, request, reply)
  })
  scope.post('/account', async (request, reply) => {
    requireSameOrigin(gateway.config.issuer, request)
    countVisit(gateway, request)
    return await act(gateway, request, reply, formOf(request))
  })
}

const countVisit = (gateway: Gateway, request: FastifyRequest) =>
  countRequest(gateway, ['account_visits_per_address', holderOf(request)])

async function show(gateway: Gateway, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { values } = queryOf(request)
  const notice = noticeOf(values.get('done'))
  const visitor = await findVisitor(gateway, request)
  const asked = visitor && (await showAsked(gateway, request, visitor, values.get('asked') ?? ''))
  if (asked) return sendPage(reply, asked)
  const page = visitor ? await showAccount(gateway, visitor, notice) : await showSignIn(gateway, notice)
  return sendPage(reply, page)
}
