// Two people with browsers, through the whole chat.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { ChatProcess, Layout } from './lib/chat.mjs'
import { tangelo } from './lib/clients.mjs'
import { until } from './lib/wait.mjs'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const OUTPUT = fileURLToPath(new URL('output/', import.meta.url))
const ROOM = '大厅 🏠'
const WITHIN = 10_000

const layout = await Layout.free()
let chat = new ChatProcess(layout)
let browser

before(async () => {
  mkdirSync(OUTPUT, { recursive: true })
  await chat.ready
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS })
  console.log(`client: ${tangelo} in chromium ${browser.version()}`)
})
after(async () => {
  await browser?.close()
  await chat.kill()
})

/** A page of somebody's own, with nothing shared with the others. */
async function openPage(t, viewport = { width: 900, height: 640 }) {
  const context = await browser.newContext({ viewport })
  t.after(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(WITHIN)
  page.faults = []
  page.on('pageerror', (error) => page.faults.push(error.message))
  page.on('console', (message) => message.type() === 'error' && page.faults.push(message.text()))
  await page.goto(layout.pageUrl)
  return page
}

async function enter(page, name, room) {
  await page.fill('#name', name)
  await page.fill('#room', room)
  await page.click('#enter')
}

async function say(page, text) {
  await page.fill('#message', text)
  await page.click('#send')
  // Emptied when the server has answered.
  await until('the message is sent', async () => (await page.inputValue('#message')) === '', WITHIN)
}

const sees = (page, text) => page.locator('#log').getByText(text, { exact: true }).waitFor()
const lists = (page, name) => page.locator('#users').getByLabel(name, { exact: true }).waitFor()
const count = (page, text) => page.locator('#log').getByText(text, { exact: true }).count()

test('two people meet, talk, whisper and part', async (t) => {
  const anna = await openPage(t)
  const ming = await openPage(t, { width: 390, height: 720 })

  await t.test('they enter', async () => {
    await enter(anna, 'Anna 🍊', ROOM)
    await anna.getByText('Connected as Anna 🍊').waitFor()
    await enter(ming, '小明', ROOM)
    await lists(anna, '小明')
    await lists(ming, 'Anna 🍊')
    await sees(anna, '小明 came in.')
    assert.equal(await anna.locator('#room-title').textContent(), `Room ${ROOM}`)
  })

  await t.test('they talk, both ways', async () => {
    await say(anna, '你好，世界 😀 <b>& "quotes"</b>')
    await sees(ming, '你好，世界 😀 <b>& "quotes"</b>')
    await sees(anna, '你好，世界 😀 <b>& "quotes"</b>')
    await say(ming, 'Grüße zurück 👩‍👩‍👧‍👦')
    await sees(anna, 'Grüße zurück 👩‍👩‍👧‍👦')
    assert.equal(await count(ming, 'Grüße zurück 👩‍👩‍👧‍👦'), 1)
  })

  await t.test('a private line reaches one of three', async () => {
    const third = await openPage(t)
    await enter(third, 'Third', ROOM)
    await lists(third, 'Anna 🍊')
    await anna.locator('#users').getByLabel('小明', { exact: true }).check()
    await anna.getByLabel('Message to 小明').waitFor()
    await say(anna, '悄悄话 🤫')
    await sees(ming, '悄悄话 🤫')
    await sees(ming, 'Anna 🍊 → you')
    await sees(anna, 'Anna 🍊 → 小明')
    // A later line to everyone is here, so an earlier one would be.
    await anna.locator('#users').getByLabel('everyone').check()
    await say(anna, 'and now to all')
    await sees(third, 'and now to all')
    assert.equal(await count(third, '悄悄话 🤫'), 0)
    await third.context().close()
    await sees(anna, 'Third left.')
  })

  await anna.screenshot({ path: `${OUTPUT}anna.png` })
  await ming.screenshot({ path: `${OUTPUT}ming.png` })

  await t.test('one leaves', async () => {
    await anna.locator('#users').getByLabel('小明', { exact: true }).check()
    await ming.close()
    await sees(anna, '小明 left.')
    // What was meant for one must not go to everyone instead.
    await anna.fill('#message', 'just for you')
    await anna.click('#send')
    await anna.getByText('小明 has left the room.').waitFor()
    assert.equal(await anna.inputValue('#message'), 'just for you')
  })

  assert.deepEqual([...anna.faults, ...ming.faults], [])
})

test('a name that is taken is told to the one who comes second', async (t) => {
  const first = await openPage(t)
  await enter(first, 'Twin', 'twins')
  await first.getByText('Connected as Twin').waitFor()
  const second = await openPage(t)
  await enter(second, 'Twin', 'twins')
  await second.getByText('already in this room').waitFor()
  assert.equal(await second.locator('#entry').isVisible(), true)
  await enter(second, 'Other', 'twins')
  await lists(second, 'Twin')
})

test('the page comes back by itself when the server does', async (t) => {
  const page = await openPage(t)
  await enter(page, 'Phoenix', 'nest')
  await page.getByText('Connected as Phoenix').waitFor()
  await chat.kill()
  await page.getByText('Connection lost').waitFor()
  await page.screenshot({ path: `${OUTPUT}lost.png` })
  await page.fill('#message', 'anybody?')
  await page.click('#send')
  await page.getByText('Not connected at the moment').waitFor()

  chat = new ChatProcess(layout)
  await chat.ready
  await sees(page, 'You are back.')
  await say(page, 'here again')
  await sees(page, 'here again')
})
