import { displayHost, displayText } from '../lib/display-text.ts'
import type { ErrorText } from './error.ts'

/** Everything that ends on an error page. Names are neutralised here; hosts too. */
export type PageError =
  | { kind: 'bad request' }
  /** `registers`: how a client of its sort becomes known here. */
  | { kind: 'unknown client'; registers: 'by itself' | 'by the administrator' }
  | { kind: 'unregistered redirect'; host?: string }
  | { kind: 'client unreachable'; host: string }
  | { kind: 'expired' }
  | { kind: 'already used' }
  | { kind: 'another browser' }
  | ({ kind: 'denied at provider'; providerName: string } & Begun)
  | ({ kind: 'no site'; providerName: string } & Begun)
  | ({ kind: 'provider trouble'; providerName: string } & Begun)
  | { kind: 'provider misconfigured'; providerName: string }
  | ({ kind: 'granted too much'; providerName: string } & Begun)
  | ({ kind: 'not admitted'; providerName: string } & Begun)
  | ({ kind: 'account of somebody else'; providerName: string } & Begun)
  | { kind: 'account page outdated' }
  | ({ kind: 'not signed in anew'; providerName: string } & Begun)
  | { kind: 'nobody can sign in' }
  | { kind: 'cross-site' }
  | { kind: 'too many requests' }
  | { kind: 'not found' }
  | { kind: 'unavailable' }
  | { kind: 'our fault' }

/** Where the person set out; absent: in their MCP client. */
type Begun = { begun?: 'on the account page' }

const origin = ({ begun }: Begun) => (begun === undefined ? 'your MCP client' : 'your account page')

const startAgain = 'Go back to your MCP client and start again from there.'
const tellAdministrator =
  'tell the administrator the number on this ticket. Whoever gave you the address of the MCP server knows who that is.'

const forgottenClient: ErrorText = {
  title: 'We do not know this client',
  message:
    'Your MCP client uses a registration that is not on our list. It may have been removed because nobody used it for a long time. Nothing was shared.',
  // No client finds out by itself: it sent the browser here and hears nothing of this page.
  whatToDo: [
    'In your MCP client, find the list of MCP servers (it may call them connectors, integrations or tools).',
    'Sign out of this one there, or clear its authentication, if it offers that; otherwise remove it and add it again with the same address. Your client will then register anew.',
    'If you still end up here, close the client and open it again, and if that does not help, ask the administrator.',
  ],
}

const clientNotAdmitted: ErrorText = {
  title: 'We do not know this client',
  message:
    'Your MCP client is not on the list of those that may be used here, and trying again will not change that. Nothing was shared.',
  whatToDo: 'Ask the administrator to add your MCP client. Tell them its name and the number on this ticket.',
}

/** The words for an error, in one voice. */
export function errorText(error: PageError): ErrorText {
  switch (error.kind) {
    case 'bad request':
      return {
        title: 'This request is incomplete',
        message: 'Your MCP client sent you here with a request we could not read. Nothing was shared.',
        whatToDo: `${startAgain} If it happens again, the client may need an update.`,
      }
    case 'unknown client':
      return error.registers === 'by itself' ? forgottenClient : clientNotAdmitted
    case 'unregistered redirect':
      return {
        title: 'We will not send you there',
        message: `Your MCP client asked us to send you back to ${error.host === undefined ? 'an address' : displayHost(error.host)}, but it never registered that address. That can be a mistake, or somebody trying to lead you astray.`,
        whatToDo:
          'If you did not start this yourself, close this page. Otherwise remove this MCP server in your MCP client and add it again. If that does not help, ask the administrator.',
      }
    case 'client unreachable':
      return {
        title: 'We could not check this client',
        message: `Your MCP client describes itself at ${displayHost(error.host)}, and we could not read that description.`,
        whatToDo:
          'Wait a few minutes, then start again from your MCP client. If it stays like this, tell the administrator, who can keep that description here.',
      }
    case 'expired':
      return {
        title: 'This took too long',
        message: 'For your safety a sign-in or a link is only good for a few minutes. This one has run out.',
        whatToDo: startAgain,
      }
    case 'already used':
      return {
        title: 'This link was used before',
        message: 'Such a link works only once. Perhaps you are done already, in another tab.',
        whatToDo: `Look into your MCP client. If it still waits, start again from there.`,
      }
    case 'another browser':
      return {
        title: 'This began in another browser',
        message:
          'We only go on in the browser where you started, so that nobody can finish for you. If this is the same browser, it may be blocking cookies.',
        whatToDo:
          'Go back to the browser where you started, or start again from your MCP client in this one.',
      }
    case 'denied at provider': {
      const name = displayText(error.providerName, 60)
      return {
        title: `${name} was told no`,
        message: `The request was turned down at ${name}, so nothing was shared.`,
        whatToDo: `If you meant to allow it, start again from ${origin(error)}. If you did not turn it down, your organization’s rules at ${name} may have.`,
      }
    }
    case 'no site': {
      const name = displayText(error.providerName, 60)
      return {
        title: `This ${name} account opens no site`,
        message: `There is no site at ${name} that your account could open for the MCP server, so it was not connected.`,
        whatToDo: `Ask whoever runs a site at ${name} to let you in, or use another account. Then start again from ${origin(error)}.`,
      }
    }
    case 'provider trouble': {
      const name = displayText(error.providerName, 60)
      return {
        title: `${name} did not answer as it should`,
        message: `We could not finish with ${name} just now. You have done nothing wrong, and nothing was changed.`,
        whatToDo: `Wait a few minutes, then start again from ${origin(error)}.`,
      }
    }
    case 'provider misconfigured': {
      const name = displayText(error.providerName, 60)
      return {
        title: `${name} does not let us in`,
        message: `The setup between Coatcheck and ${name} is not right. You have done nothing wrong, and trying again will not help.`,
        whatToDo: `Please ${tellAdministrator}`,
      }
    }
    case 'granted too much': {
      const name = displayText(error.providerName, 60)
      return {
        title: `${name} gave more than we asked for`,
        message: `What ${name} allowed goes beyond what you were asked about, so the MCP server gets none of it. You have done nothing wrong, and trying again will not help.`,
        whatToDo: `Please ${tellAdministrator}`,
      }
    }
    case 'not admitted': {
      const name = displayText(error.providerName, 60)
      return {
        title: 'This account may not sign in here',
        message: `You signed in at ${name}, but the administrator has not opened this place to that account. Nothing was kept.`,
        whatToDo:
          'If you have another account, such as one from work, start again with it. Otherwise ask the administrator.',
      }
    }
    case 'account of somebody else': {
      const name = displayText(error.providerName, 60)
      return {
        title: `This ${name} account belongs to somebody else here`,
        message: `Another person already signs in here with this ${name} account, so it cannot be connected to you as well. Nothing was changed.`,
        whatToDo: `Start again from ${origin(error)} and choose another account at ${name}. If both are yours, ask the administrator.`,
      }
    }
    case 'account page outdated':
      return {
        title: 'This page is out of date',
        message:
          'Since your account page was shown, something changed, or you signed out or in again. Nothing was changed.',
        whatToDo: 'Open your account page again and look at what it says now.',
      }
    case 'not signed in anew': {
      const name = displayText(error.providerName, 60)
      return {
        title: `${name} did not ask you again`,
        message: `To change how you sign in, you have to sign in anew. ${name} says that you last did so a while ago. Nothing was changed.`,
        whatToDo: `Sign out at ${name}, then start again from your account page. If you can sign in here in another way, that one may do.`,
      }
    }
    case 'nobody can sign in':
      return {
        title: 'Nobody can sign in here yet',
        message: 'No provider is set up that could say who you are.',
        whatToDo: `Please ${tellAdministrator}`,
      }
    case 'cross-site':
      return {
        title: 'This answer came from another site',
        message: 'A decision only counts when it is made on our own page. Nothing was changed.',
        whatToDo: startAgain,
      }
    case 'too many requests':
      return {
        title: 'That was a little too fast',
        message:
          'There were more requests in a short time than we can take, from your network or in all. Nothing was lost.',
        whatToDo: 'Wait a minute, then start again from your MCP client.',
      }
    case 'not found':
      return {
        title: 'There is nothing here',
        message: 'This address leads nowhere. A link may have been cut off when it was copied.',
        whatToDo: startAgain,
      }
    case 'unavailable':
      return {
        title: 'We are closed for a moment',
        message: 'Something we depend on is not working. Nothing was lost.',
        whatToDo: 'Wait a few minutes, then start again from your MCP client.',
      }
    case 'our fault':
      return {
        title: 'Something went wrong on our side',
        message: 'We could not finish, and the fault is ours. You have done nothing wrong.',
        whatToDo: `Start again from your MCP client. If it happens again, ${tellAdministrator}`,
      }
  }
}
