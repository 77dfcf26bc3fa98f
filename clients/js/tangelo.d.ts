export interface ConnectOptions {
  /** Sent in the handshake, for servers that look at it. */
  user?: unknown
  /** How long a request waits for its answer, in milliseconds; 0 for ever. Default 30 000. */
  timeout?: number
  /** How long a connection may take to stand, handshake included, in milliseconds. Default 10 000. */
  connectTimeout?: number
  /**
   * Whether to come back when a connection that stood is lost. Default false.
   *
   * It goes on with its session where the server can (`resumed`); otherwise the new connection is a
   * **new session** (`reconnect`): the server knows nothing of the old one, enter again there. Nobody
   * comes back after a kick, a refusal or `close()`.
   */
  reconnect?: boolean | ReconnectOptions
  /** Whether to ask for a session that outlives its connection. Default: if `reconnect` is on. */
  resume?: boolean
  /**
   * Bytes of messages kept until the server has them, of a session that can be resumed. Beyond it
   * requests reject with `full`, and `notify` returns false. Default 1 MiB.
   */
  maxBuffered?: number
  /**
   * The class to use. Default: the platform's `WebSocket`, or else one made of the functions of the
   * container (`wx`, `tt`, `qq`, `swan`, `ks`, `qg`, `my`, `dd`, `uni`) the client finds itself in. Where there
   * is neither, pass one: in Node before 22 that of the package `ws`, in other containers `socketOf(...)`.
   */
  WebSocket?: new (url: string) => any
}

/**
 * Each delay is random, between nothing and a longest one that doubles with each failure in a row. After success it
 * is the first again.
 */
export interface ReconnectOptions {
  /** The longest delay before the first attempt, in milliseconds. Default 500. */
  initialDelay?: number
  /** The longest delay before any, in milliseconds. Default 10 000. */
  maxDelay?: number
  /** Attempts in a row before the client gives up and closes. Default: no limit. */
  attempts?: number
}

/** What happens to a client, as told to the listeners of `Client.when`. */
export interface ClientEvents {
  /** The connection is lost; the next attempt comes in `delay` milliseconds. */
  reconnecting: { attempt: number; delay: number }
  /** Connected again, with the same session: nothing has to be done. */
  resumed: { attempt: number }
  /** Follows `resumed`: so many messages and answers are lost. Fetch anew what depends on them. */
  gap: { lost: number }
  /** Connected again, as a new session: enter again now. `lost`: why it is not the one there was. */
  reconnect: { attempt: number; lost?: 'unknown' | 'elsewhere' | 'busy' | 'too many attempts' }
  /** The server ends the session on purpose; `close` follows. Holds whatever else the server said. */
  kick: { reason: string | undefined; [key: string]: unknown }
  /** What went wrong with the connection; `reconnecting` or `close` follows. */
  error: ConnectionError
  /** The end, told once. `lost`: the connection went and is not (or no longer) tried again. */
  close: { reason: 'closed' | 'kicked' | 'lost' | 'refused' }
}

/** Takes the listener away again. */
export type Unsubscribe = () => void

/**
 * Connects and shakes hands.
 *
 * @throws {ConnectionError} if that fails; `reconnect` is for connections that stood once.
 */
export function connect(url: string, options?: ConnectOptions): Promise<Client>

export interface Client {
  readonly connected: boolean
  /** What the server answered under `user` in the handshake, if anything. */
  readonly user: unknown

  /**
   * Asks and waits for the answer.
   *
   * Whatever the server answers **resolves** the promise, `{code: 500}` too: codes in a body are the
   * application's (and the framework's: 404 no such route, 429 too many requests in flight, 502, 503
   * and 504 a server behind is gone, unavailable or too slow), and what they mean is for it to say.
   *
   * @throws {RequestError} if there will be no answer.
   * @throws {RangeError} if the route is longer than 255 bytes or the message than 2^24 - 1.
   */
  request<Reply = any>(route: string, body?: unknown, options?: { timeout?: number }): Promise<Reply>

  /**
   * Tells without asking. Returns whether there was a connection to hand it to, or a session that
   * will have one again.
   *
   * @throws {RangeError} as `request`.
   */
  notify(route: string, body?: unknown): boolean

  /** Calls `listener` with every push of this route. A push nobody listens to is dropped. */
  on<Message = any>(route: string, listener: (message: Message) => void): Unsubscribe

  /** Calls `listener` when this happens to the client itself. */
  when<Event extends keyof ClientEvents>(event: Event, listener: (detail: ClientEvents[Event]) => void): Unsubscribe

  /** Ends the connection and everything that waits on it, for good. */
  close(): void
}

/** Why a request has no answer. */
export class RequestError extends Error {
  /**
   * - `offline`: there is no connection now; the request was not sent
   * - `full`: `maxBuffered` bytes wait already; the request was not sent
   * - `lost`: the connection went before the answer; the request may have run
   * - `timeout`: no answer in time; the request may have run
   * - `closed`: the client was closed
   */
  readonly code: 'offline' | 'full' | 'lost' | 'timeout' | 'closed'
  readonly route: string
}

/** Why there is no connection, or no longer. */
export class ConnectionError extends Error {
  /**
   * - `unreachable`: the socket did not open, or closed before the handshake was answered
   * - `timeout`: no handshake within `connectTimeout`
   * - `refused`: the handshake was answered with another code than 200; see `status`
   * - `protocol`: the server sent bytes that are not Pomelo's protocol
   * - `silent`: nothing came from the server for two heartbeat intervals
   */
  readonly code: 'unreachable' | 'timeout' | 'refused' | 'protocol' | 'silent'
  readonly status: number | undefined
  /** What the server said when it refused: `code`, and where it has some `msg` and `user`. */
  readonly answer: { code?: number; msg?: string; user?: unknown } | undefined
}

/**
 * A `WebSocket` for containers that have none but a function that opens sockets, as mini-games have:
 * `connect(url, { WebSocket: socketOf(container) })`, or `socketOf(container.connectSocket)`.
 *
 * What that function returns may be a task (`onOpen`, `onMessage`, `onClose`, `onError`, `send({ data })`, `close`), a
 * socket in the web's manner (`addEventListener`, `send(data)`), a promise of either, or nothing: then it is
 * the container's only socket, and its functions are the container's own (`onSocketOpen` and so on).
 *
 * `base64`: whether binary messages are text there. Default: where `container` is `my` or `dd`.
 */
export function socketOf(
  container: ((options: any) => any) | { connectSocket(options: any): any },
  options?: { base64?: boolean },
): new (url: string) => any
