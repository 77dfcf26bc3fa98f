// The clients under test, each behind the same few methods:
//
//   const peer = await kind.open(port)     connected, hands shaken
//   await peer.request(route, body)        the answer's body
//   peer.pushes                            every push so far, as { route, body }
//   peer.ended                             resolves when the client says that the connection is gone
//   peer.close()
//
// A client that is told of the end before it was in rejects; so do requests that it leaves without an answer.
//
// All but our own are published packages that nobody here wrote, used as their users use them.
import { generateKeyPairSync, sign } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import vm from 'node:vm'
import WebSocket from 'ws'
import { connect } from '../../clients/js/tangelo.js'
import { soon } from './wait.mjs'

// The published clients are from the days of `new Buffer`.
process.noDeprecation = true

const HOST = '127.0.0.1'
const ROUTES = ['onChat', 'onAdd', 'onLeave']
const require = createRequire(import.meta.url)

class Peer {
  pushes = []

  constructor(kind, { request, on, ended, close, page, client }) {
    this.kind = kind
    this.page = page
    this.client = client
    this.ended = ended
    const goes = ended.then(() => Promise.reject(gone()))
    goes.catch(() => {})
    this.request = (route, body) => soon(`${kind.name}: ${route}`, Promise.race([request(route, body), goes]))
    this.close = close
    for (const route of ROUTES) on(route, (body) => this.pushes.push({ route, body }))
  }
}

class Kind {
  constructor(manifest, open, manner = '') {
    const { name, version } = JSON.parse(readFileSync(manifest))
    this.name = name + manner
    this.version = version
    this.open = async (port) => new Peer(this, await soon(`${name} connects`, open(port)))
  }

  toString() {
    return `${this.name} ${this.version}`
  }
}

const gone = () => new Error('the connection is gone')
const closes = (pomelo) => new Promise((resolve) => pomelo.on('close', resolve))

// ---------------------------------------------------------------------------------- tangelo-client

const ours = (options, manner) =>
  new Kind(
    new URL('../../clients/js/package.json', import.meta.url),
    async (port) => {
      const client = await connect(`ws://${HOST}:${port}`, { WebSocket, ...options })
      return {
        client,
        request: (route, body) => client.request(route, body),
        on: (route, listener) => client.on(route, listener),
        ended: new Promise((resolve) => client.when('close', resolve)),
        close: () => client.close(),
      }
    },
    manner,
  )

const tangelo = ours()
const resuming = ours({ reconnect: { initialDelay: 5, maxDelay: 50 } }, ' (resuming)')

// ----------------------------------------------------------------------- pomelo-jsclient-websocket

// Written for pages with script tags, and one client for each page: so it gets a page, or what it needs of
// one. With `window` there, pomelo-protocol takes its browser half, which has a UTF-8 of its own.
function page() {
  const window = { EventEmitter, WebSocket: Tapped, console: quiet, setTimeout, clearTimeout, module: {}, localStorage: storage() }
  window.window = window
  return vm.createContext(window)
}

/** A socket that keeps what goes over it. */
class Tapped extends WebSocket {
  sent = []
  heard = []

  constructor(url) {
    super(url)
    this.on('message', (data) => this.heard.push(Buffer.from(data)))
  }

  send(data) {
    // A copy: what is sent is masked where it lies.
    this.sent.push(Buffer.from(new Uint8Array(data)))
    super.send(data)
  }
}

const sockets = new WeakMap()

/** What went over a page's socket, as the bytes it was. */
export const frames = (peer) => sockets.get(peer.page)

const quiet = { log() {}, info() {}, warn() {}, error() {}, debug() {}, trace() {} }

function storage() {
  const items = new Map()
  return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) }
}

function scriptTag(page, module) {
  const file = require.resolve(module)
  vm.runInContext(readFileSync(file, 'utf8'), page, file)
}

// As a module: its first part asks for one. The client calls `decodeStr` what this version calls `decode`.
function protobuf(window) {
  window.module = { exports: {} }
  scriptTag(window, 'pomelo-protobuf/lib/client/protobuf.js')
  window.protobuf = window.module.exports
  window.protobuf.decodeStr = window.protobuf.decode
  window.module = {}
}

async function openPage(port, params = {}, globals = {}) {
  const window = page()
  Object.assign(window, globals)
  protobuf(window)
  scriptTag(window, 'pomelo-protocol/lib/protocol.js')
  scriptTag(window, 'pomelo-jsclient-websocket')
  const { pomelo } = window
  const ended = closes(pomelo)
  const socket = await new Promise((resolve, reject) => {
    pomelo.on('error', reject)
    ended.then(() => reject(gone()))
    pomelo.init({ host: HOST, port, ...params }, resolve)
  })
  sockets.set(window, socket)
  return {
    page: window,
    ended,
    request: (route, body) => new Promise((resolve) => pomelo.request(route, body, resolve)),
    on: (route, listener) => pomelo.on(route, listener),
    close: () => pomelo.disconnect(),
  }
}

const jsManifest = require.resolve('pomelo-jsclient-websocket/package.json')
const jsWebsocket = new Kind(jsManifest, (port) => openPage(port))

// The same, signing what it says. The page brings the library for that, as the client's demo did.
const rsa = {
  generate(bits, exponent) {
    const keys = generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: parseInt(exponent, 16) })
    this.key = keys.privateKey
    this.n = BigInt(`0x${Buffer.from(keys.publicKey.export({ format: 'jwk' }).n, 'base64url').toString('hex')}`)
    this.e = parseInt(exponent, 16)
  },
  signString(text, hash) {
    return sign(hash, Buffer.from(text), this.key).toString('hex')
  },
}
const jsWebsocketSigning = new Kind(jsManifest, (port) => openPage(port, { encrypt: true }, { rsa: { ...rsa } }))

// ------------------------------------------------------------------- pomelo-nodejsclient-websocket

const nodeWebsocket = new Kind(require.resolve('pomelo-nodejsclient-websocket/package.json'), async (port) => {
  const Pomelo = require('pomelo-nodejsclient-websocket')
  const pomelo = new Pomelo({ logger: quiet })
  const ended = closes(pomelo)
  // Its heartbeat goes on without a socket and throws, unless it is disconnected then.
  ended.then(() => pomelo.disconnect())
  await new Promise((resolve, reject) => {
    pomelo.on('error', reject)
    // All that it says where its socket does not open.
    pomelo.on('io-error', () => reject(gone()))
    ended.then(() => reject(gone()))
    pomelo.init({ host: HOST, port }, resolve)
  })
  return {
    ended,
    request: (route, body) => new Promise((resolve) => pomelo.request(route, body, (_, reply) => resolve(reply))),
    on: (route, listener) => pomelo.on(route, listener),
    close: () => pomelo.disconnect(),
  }
})

// -------------------------------------------------------------------------- pomelo-node-tcp-client

// As published it cannot live on any Node of the last ten years. It takes a handshake without protobuf
// definitions for one that has some, and its `bytearray` writes bytes as signed numbers and throws at
// the first one over 127, so at any letter beyond ASCII. Both are mended from outside; the rest is as it is.
function mendTcpClient() {
  const protobuf = require('pomelo-node-tcp-client/src/libs/protobuf.js')
  const { init } = protobuf
  protobuf.init = (protos) => init(protos ?? {})

  const bytearray = require('bytearray')
  bytearray.writeByte = (buffer, value) => {
    const at = buffer.position ?? 0
    buffer[at] = value
    buffer.position = at + 1
  }
}

function* packagesOf(read) {
  for (let at = 0, end; at < read.length; at = end) {
    end = at + 4 + read.readUIntBE(at + 1, 3)
    yield read.subarray(at, end)
  }
}

const nodeTcp = new Kind(
  require.resolve('pomelo-node-tcp-client/package.json'),
  async (port) => {
    mendTcpClient()
    const Pomelo = require('pomelo-node-tcp-client')
    const pomelo = new Pomelo()
    pomelo.consoleLogs = false
    const ended = new Promise((resolve) => (pomelo.onClose = resolve))
    // It drops all but the first package of what it reads at once. The server leaves time between packages, but a
    // machine that is busy enough joins two nevertheless.
    const { onData } = pomelo
    pomelo.onData = (read) => {
      for (const whole of packagesOf(read)) onData.call(pomelo, whole)
    }
    await new Promise((resolve, reject) => {
      ended.then(() => reject(gone()))
      pomelo.init(HOST, port, {}, resolve)
    })
    return {
      ended,
      request: (route, body) => new Promise((resolve) => pomelo.request(route, body, resolve)),
      on: (route, listener) => pomelo.on(route, listener),
      // Its `disconnect` looks for a property that sockets do not have, and closes nothing.
      close: () => pomelo._socket.destroy(),
    }
  },
)

export { jsWebsocket, jsWebsocketSigning, nodeTcp, nodeWebsocket, resuming, tangelo }
export const everyClient = [tangelo, jsWebsocket, nodeWebsocket, nodeTcp]
