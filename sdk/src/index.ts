export type { AuthInfo } from './auth-info.ts'
export { type Authorization, parseAuthorization } from './authorization-header.ts'
export { type ChallengeError, type ChallengeParameters, challenge } from './challenge.ts'
export { type Challenge, type ParsedChallenges, parseChallenge } from './challenge-parser.ts'
export type { Needs } from './checks.ts'
export {
  type DenialBody,
  type DenialSite,
  denialBody,
  denialHeaders,
  denialResponse,
} from './denial-answer.ts'
export {
  type Delivery,
  type Denial,
  type DenialCode,
  type DenialDetails,
  denials,
  deny,
  type NextAction,
} from './denials.ts'
export { discoveryUrls, type ServerMetadata } from './discovery.ts'
export { denialMessage, denialMetaKey, type RpcAnswer, type RpcCall } from './json-rpc.ts'
export {
  type MetadataOptions,
  metadataPaths,
  type ProtectedResourceMetadata,
  protectedResourceMetadata,
} from './metadata.ts'
export { type ClientCapabilities, type PersonAction, personAction } from './person-action.ts'
export {
  type Admitted,
  type Guard,
  type Handler,
  type Protection,
  protect,
  type Visitor,
} from './protect.ts'
export {
  type Publication,
  PublishError,
  type PublishErrorCode,
  type Publishing,
  type PublishOptions,
  publishTools,
  type ToolSource,
} from './publish-tools.ts'
export { canonicalResource, metadataUrl, namesAudience, sameResource } from './resource.ts'
export { type ImpliedScopes, missingScopes, scopesOf } from './scope.ts'
export type { ToolRule, ToolScopes } from './scope-rules.ts'
export {
  type AuthorizationServer,
  ConfigurationError,
  type Credential,
  type Validation,
  type VerifierOptions,
} from './settings.ts'
export type { Claims, TokenFault } from './token.ts'
export type { ManifestTool, SuggestedScopes } from './tool-manifest.ts'
export {
  type Upstream,
  type UpstreamFetcher,
  type UpstreamOptions,
  type UpstreamOwner,
  type UpstreamSite,
  type UpstreamToken,
  type UpstreamWish,
  upstreamOf,
} from './upstream.ts'
export {
  UpstreamError,
  type UpstreamErrorCode,
  type UpstreamRefusal,
  type WhoMustAct,
} from './upstream-error.ts'
export { type Verdict, type Verifier, verifier } from './verifier.ts'
