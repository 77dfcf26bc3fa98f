// Our client where mini-games run: no page, no WebSocket, only what a container has, in a real chat.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import WebSocket from 'ws'
import { containers, inContainer } from '../clients/js/test/containers.mjs'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { tangelo } from './lib/clients.mjs'
import { mangler, ways } from './lib/mangler.mjs'
import { enter, plain } from './lib/seat.mjs'
import { soon, until } from './lib/wait.mjs'

const layout = await Layout.free()
const chat = new ChatProcess(layout)
before(() => chat.ready)
after(() => chat.kill())
console.log(`client: ${tangelo} in the containers ${containers.join(', ')}`)

for (const name of containers) {
  test(`${tangelo} in ${name}: enters, talks, is cut, and comes back by itself without missing a line`, async (t) => {
    const rid = `大厅 of ${name}`
    const { seat: steady } = await enter(t, tangelo, layout, 'steady', rid)
    const proxy = await mangler(t, layout.clientPort('connector-server-2'), { seed: rid, up: ways.split })
    const { connect, has } = inContainer(name, WebSocket)
    assert.deepEqual(has, [], 'there is no more than a container has')

    const reconnect = { initialDelay: 5, maxDelay: 50 }
    const client = await soon('it connects', connect(`ws://127.0.0.1:${proxy.port}`, { reconnect }))
    t.after(() => client.close())
    const heard = []
    client.on('onChat', ({ msg }) => heard.push(msg))
    const events = []
    for (const event of ['resumed', 'reconnect', 'gap', 'close']) client.when(event, () => events.push(event))
    const { users } = await client.request('connector.entryHandler.enter', { username: '小明 🍊', rid })
    assert.deepEqual([...users].sort(), ['steady', '小明 🍊'].sort())

    const say = (content) => client.request('chat.chatHandler.send', { content, target: '*' })
    assert.deepEqual(plain(await say('你好 😀 é')), {})
    await steady.sees('onChat', { msg: '你好 😀 é', from: '小明 🍊', target: '*' })

    // In the middle of a line: it is heard by both, once, over the next connection.
    proxy.cut(() => ({ direction: 'up', after: 20, how: 'rst' }))
    assert.deepEqual(plain(await say('cut')), {})
    await steady.send('and on')
    await until('all is heard', () => heard.length === 3)
    assert.deepEqual(heard, ['你好 😀 é', 'cut', 'and on'])
    assert.equal(steady.count('onChat', { msg: 'cut', from: '小明 🍊', target: '*' }), 1)
    assert.deepEqual(events, ['resumed'])
    assert.equal(proxy.cuts.length, 1)
  })
}
