export { type Authorization, parseAuthorization } from './authorization-header.ts'
