import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  canSignIn,
  covers,
  excess,
  forbiddenScopes,
  grantedScopes,
  identityScopes,
  missingScopes,
  requestScopes,
  scopeLabel,
} from '../../src/upstream/provider.ts'
import { testProvider } from '../support/upstream.ts'

const github = testProvider('github')
const githubApp = testProvider('github-app')
const google = testProvider('google')
const atlassian = testProvider('atlassian')

const googleEmail = 'https://www.googleapis.com/auth/userinfo.email'

test('identity scopes are always asked for, offline ones where a refresh token is wanted', () => {
  expect(identityScopes(github)).toEqual(['read:user', 'user:email'])
  expect(requestScopes(github, [], 'unwanted')).toEqual(['read:user', 'user:email'])
  expect(requestScopes(github, ['repo', 'read:user'], 'wanted')).toEqual([
    'read:user',
    'user:email',
    'repo',
    'offline_access',
  ])
})

test('what breaks a provider is never asked for, and can be told beforehand', () => {
  expect(requestScopes(atlassian, ['openid', 'read:jira-work'], 'unwanted')).toEqual([
    'read:me',
    'read:jira-work',
  ])
  expect(forbiddenScopes(atlassian, ['openid', 'read:jira-work'])).toEqual(['openid'])
  expect(forbiddenScopes(google, ['offline_access', 'openid'])).toEqual(['offline_access'])
})

test.each([
  ['repo,gist', ['gist', 'repo']],
  ['repo gist', ['gist', 'repo']],
  ['repo, gist,,repo', ['gist', 'repo']],
  ['repo,offline_access', ['repo']],
  ['', []],
])('GitHub’s %j grants %j', (answer, scopes) => {
  expect(grantedScopes(github, answer, ['user'])).toEqual(scopes)
})

test('a comma separates nothing where the provider separates by spaces', () => {
  expect(grantedScopes(atlassian, 'a,b c', [])).toEqual(['a,b', 'c'])
})

test('another spelling is the scope it means', () => {
  expect(grantedScopes(google, `openid ${googleEmail}`, [])).toEqual(['email', 'openid'])
  expect(covers(google, ['email'], [googleEmail])).toBe(true)
  expect(covers(google, [googleEmail], ['email'])).toBe(true)
})

test('an answer that names no scopes grants what was asked for', () => {
  expect(grantedScopes(github, undefined, ['repo', 'offline_access'])).toEqual(['repo'])
})

test('a GitHub App’s empty scope does not mean nothing was granted', () => {
  expect(grantedScopes(githubApp, '', ['contents:read'])).toEqual(['contents:read'])
})

test('what is held may include what is needed without naming it', () => {
  expect(covers(github, ['user'], ['read:user', 'user:email'])).toBe(true)
  expect(covers(github, ['admin:org'], ['read:org'])).toBe(true)
  expect(covers(github, ['repo', 'gist'], ['repo', 'user:email'])).toBe(false)
  expect(missingScopes(github, ['repo'], ['repo', 'gist', 'offline_access'])).toEqual(['gist'])
  expect(covers(github, [], ['offline_access'])).toBe(true)
})

test('excess is what is held beyond what is allowed, identity aside', () => {
  expect(excess(github, ['read:user', 'user:email', 'repo'], ['repo'])).toEqual([])
  expect(excess(github, ['public_repo'], ['repo'])).toEqual([])
  expect(excess(github, ['repo'], ['public_repo'])).toEqual(['repo'])
  expect(excess(github, ['user'], [])).toEqual(['user'])
  expect(excess(github, ['offline_access', 'gist'], [])).toEqual(['gist'])
  expect(excess(google, ['openid', googleEmail], [])).toEqual([])
})

test('a scope named like a member of every object is a scope like any other', () => {
  for (const scope of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    expect(grantedScopes(github, scope, [])).toEqual([scope])
    expect(covers(github, ['repo'], [scope])).toBe(false)
    expect(excess(github, [scope], ['repo'])).toEqual([scope])
    expect(scopeLabel(github, scope)).toBe(scope)
  }
})

test('a scope is told in words, under any spelling', () => {
  expect(scopeLabel(github, 'gist')).toBe('Create and change your gists')
  expect(scopeLabel(google, googleEmail)).toBe('Read your e-mail address')
  expect(scopeLabel(github, 'x:unheard')).toBe('x:unheard')
})

test('people sign in only through an enabled provider whose descriptor allows it', () => {
  expect(canSignIn(github)).toBe(true)
  expect(canSignIn({ ...github, enabled: false })).toBe(false)
  expect(canSignIn(testProvider({ extends: 'github', identity: { sign_in: false } }))).toBe(false)
})

const known = Object.keys(github.descriptor.scopes.catalog)
const scopes = fc.array(fc.oneof(fc.constantFrom(...known), fc.stringMatching(/^[!#-[\]-~]{1,12}$/)))

test('held scopes always cover themselves and exceed nothing when they are allowed', () => {
  fc.assert(
    fc.property(scopes, (held) => {
      expect(missingScopes(github, held, held)).toEqual([])
      expect(excess(github, held, held)).toEqual([])
    }),
  )
})

test('more held never means more missing, more allowed never means more excess', () => {
  fc.assert(
    fc.property(scopes, scopes, scopes, (held, more, needed) => {
      const missing = missingScopes(github, held, needed)
      expect(missing).toEqual(expect.arrayContaining(missingScopes(github, [...held, ...more], needed)))
      const over = excess(github, needed, held)
      expect(over).toEqual(expect.arrayContaining(excess(github, needed, [...held, ...more])))
    }),
  )
})

test('granted scopes are sorted, each once, and read the same a second time', () => {
  fc.assert(
    fc.property(scopes, fc.constantFrom(' ', ',', ', '), (list, separator) => {
      const granted = grantedScopes(github, list.join(separator), [])
      expect(granted).toEqual([...new Set(granted)].sort())
      expect(grantedScopes(github, granted.join(','), [])).toEqual(granted)
    }),
  )
})
