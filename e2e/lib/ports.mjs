import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that systems give to who connects, or asks for any: nobody but us takes them in between. */
const FIRST = 20_000
const LAST = 32_000

/** Ports that are free now. All are held at the same time, so no two are the same. */
export async function freePorts(count) {
  const servers = []
  while (servers.length < count) {
    const server = createServer()
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (isFree) servers.push(server)
  }
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
