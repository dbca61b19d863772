import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export type Certified = { certificate: string; key: string }
export type Authority = Certified & { issue(name: string): Certified }

/** An authority made for a test, whose certificates are good from a day ago for two days. */
export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certify = (subject: string, publicKey: KeyObject, extension: Buffer) =>
    certificateOf({ issuer: name, subject, publicKey, extension }, own.privateKey)
  return {
    certificate: certify(name, own.publicKey, isAuthority),
    key: pemOf(own.privateKey),
    issue(host) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return { certificate: certify(host, publicKey, namesOf(host)), key: pemOf(privateKey) }
    },
  }
}

const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

type Wanted = { issuer: string; subject: string; publicKey: KeyObject; extension: Buffer }

/** RFC 5280 section 4.1, in DER. */
function certificateOf({ issuer, subject, publicKey, extension }: Wanted, signer: KeyObject): string {
  const algorithm = sequence(oid('2a8648ce3d040302'))
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.from([1 + Math.floor(Math.random() * 126)])),
    algorithm,
    nameOf(issuer),
    sequence(timeAt(-86_400), timeAt(86_400)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(extension)),
  )
  const signature = sign('sha256', content, signer)
  const whole = sequence(content, algorithm, tagged(0x03, Buffer.from([0]), signature))
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

const sequence = (...parts: Buffer[]) => tagged(0x30, ...parts)
const oid = (hex: string) => tagged(0x06, Buffer.from(hex, 'hex'))
const nameOf = (name: string) =>
  sequence(tagged(0x31, sequence(oid('550403'), tagged(0x0c, Buffer.from(name)))))

/** UTCTime, of this day and hour give or take. */
function timeAt(offset: number): Buffer {
  const at = new Date(Date.now() + offset * 1000).toISOString()
  return tagged(0x17, Buffer.from(`${at.slice(2, 19).replace(/[-T:]/g, '')}Z`))
}

const always = tagged(0x01, Buffer.from([0xff]))
const isAuthority = sequence(oid('551d13'), always, tagged(0x04, sequence(always)))
const namesOf = (host: string) =>
  sequence(oid('551d11'), tagged(0x04, sequence(tagged(0x82, Buffer.from(host)))))
