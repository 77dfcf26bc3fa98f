import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { wire } from '../tangelo.js'

const { encodePackage, decodePackages, encodeMessage, decodeMessage, nextId, PackageType, MessageType, MAX_ID, VERSION } = wire

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const bytes = (hex) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const request = (id) => hex(encodeMessage(MessageType.REQUEST, id, 'r', {}))

test('packages', () => {
  assert.equal(hex(encodePackage(PackageType.HANDSHAKE_ACK)), '02000000')
  assert.equal(hex(encodePackage(PackageType.DATA, new Uint8Array(0x010203))).slice(0, 8), '04010203')
  assert.throws(() => encodePackage(PackageType.DATA, new Uint8Array(2 ** 24)), RangeError)
})

test('several packages in one message', () => {
  const packages = [...decodePackages(bytes('03000000 05000002 7b7d 03000000'))]
  assert.deepEqual(packages.map(({ type, body }) => [type, hex(body)]), [[3, ''], [5, '7b7d'], [3, '']])
})

test('a cut package is refused', () => {
  assert.throws(() => [...decodePackages(bytes('0300'))], { code: 'protocol' })
  assert.throws(() => [...decodePackages(bytes('0500000a 7b7d'))], { code: 'protocol' })
})

test('request ids from one byte to five', () => {
  assert.equal(request(1), '0001' + '0172' + '7b7d')
  assert.equal(request(127), '007f' + '0172' + '7b7d')
  assert.equal(request(128), '008001' + '0172' + '7b7d')
  assert.equal(request(MAX_ID), '00ffffffff07' + '0172' + '7b7d')
})

test('response ids from one byte to five', () => {
  for (const [id, varint] of [[1, '01'], [128, '8001'], [MAX_ID, 'ffffffff07'], [2 ** 32 - 1, 'ffffffff0f']]) {
    assert.deepEqual(decodeMessage(bytes('04' + varint + '7b7d')), { type: MessageType.RESPONSE, id, body: {} })
  }
  assert.throws(() => decodeMessage(bytes('04 ffffffffff01 7b7d')), { code: 'protocol' })
  assert.throws(() => decodeMessage(bytes('04 ff')), { code: 'protocol' })
})

test('notifies and pushes carry a route and no id', () => {
  assert.equal(hex(encodeMessage(MessageType.NOTIFY, 0, 'r', [])), '02' + '0172' + '5b5d')
  assert.deepEqual(decodeMessage(bytes('06 01 72 7b7d')), { type: MessageType.PUSH, route: 'r', body: {} })
})

test('text is UTF-8, beyond the first plane too', () => {
  assert.equal(hex(encodeMessage(MessageType.NOTIFY, 0, 'r', '😀')), '02' + '0172' + '22f09f988022')
  assert.equal(decodeMessage(bytes('06 01 72 22f09f988022')).body, '😀')
  assert.equal(decodeMessage(bytes('06 01 72 22e4bda022')).body, '你')
})

test('what is no message is refused', () => {
  for (const bad of ['', '00 01 01 72', '02 01 72', '06', '06 05 72', '06 01 72 7b', '06 01 72 22ff22', '07 00 01 7b7d']) {
    assert.throws(() => decodeMessage(bytes(bad)), { code: 'protocol' }, bad)
  }
})

test('what cannot be sent is refused', () => {
  assert.throws(() => encodeMessage(MessageType.NOTIFY, 0, '路'.repeat(86), {}), RangeError)
  assert.throws(() => encodeMessage(MessageType.NOTIFY, 0, 'r', () => {}), TypeError)
})

test('ids go round and pass over those still waiting', () => {
  assert.equal(nextId(0, new Map()), 1)
  assert.equal(nextId(MAX_ID, new Map()), 1)
  assert.equal(nextId(MAX_ID, new Map([[1, {}], [2, {}]])), 3)
})

test('the version in the handshake is that of the package', () => {
  assert.equal(VERSION, JSON.parse(readFileSync(new URL('../package.json', import.meta.url))).version)
})

test('text is encoded alike where the platform has nothing for it', () => {
  for (const text of ['', 'plain', '100 %', 'é', '你好', '😀 and \u0000', '\u07ff\u0800\uffff']) {
    const bytes = new TextEncoder().encode(text)
    assert.deepEqual(wire.encodeText(text), bytes)
    assert.equal(wire.decodeUtf8(bytes), text)
  }
  for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) assert.throws(() => wire.decodeUtf8(new Uint8Array(bad)))
})

test('binary messages as text, where a container has them so', () => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) % 256)
    const text = Buffer.from(bytes).toString('base64')
    assert.equal(wire.encodeBase64(bytes), text)
    assert.deepEqual(wire.decodeBase64(text), bytes)
  }
})
