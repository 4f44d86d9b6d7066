// "copy as curl": what is copied, pasted into a shell, makes the same call.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { detail, keepCopied, openPage, row, startGateway, user, withPage } from './rig.mjs'

const json = { 'Content-Type': 'application/json' }

/** Runs a command in a bash that looks at `!` as one at a terminal does, and returns what it writes. */
async function paste (command) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'paste-'))
  try {
    const file = path.join(folder, 'script')
    fs.writeFileSync(file, `set -o history -o histexpand\n${command}\n`)
    return (await promisify(execFile)('bash', [file], { env: { ...process.env, TOKEN: 'none' }, timeout: 60_000 })).stdout
  } finally { fs.rmSync(folder, { recursive: true }) }
}

/** Copies the shown call; returns the command and what the page says of it. */
async function copy (page) {
  await page.evaluate(() => { window.copied = null })
  await detail(page).getByRole('button', { name: 'copy as curl' }).click()
  await page.waitForFunction(() => window.copied)
  await detail(page).getByText('copied').waitFor()
  return [await page.evaluate(() => window.copied), await detail(page).locator('.buttons [role=status]').innerText()]
}

test('the shell of these tests takes ! for the history where it is not quoted', async () => assert.equal(await paste('echo "!nothing"'), ''))

describe('with capture', () => {
  let gateway
  before(async () => { gateway = await startGateway('capture') })
  after(() => gateway.stop())

  const calls = [
    ['single quotes', 'POST', "/fn/a'b", `{"note":"it's '' here"}`],
    ['what a shell would replace', 'POST', '/fn/$HOME', '{"a":"!x !! $HOME `id` $(id) \\\\ \\" !"}'],
    ['! beside a character that must be escaped', 'POST', '/fn/history', `{"a":"it's !x \u202e \\\\"}`],
    ['lines and tabs of Windows', 'POST', '/fn/lines', '{\r\n\t"a": 1,\r\n\t"b": "c"\r\n}\r\n'],
    ['lines', 'POST', '/fn/newlines', '{\n  "a": 1\n}\n'],
    ['percent signs in path, query and body', 'POST', '/fn/%25%20a%2Fb?x=%27%26&y=100%25', '{"p":"100%"}'],
    ['brackets and braces, which curl would take for ranges', 'POST', '/fn/[1-3]/{a,b}?c=[1-2]', '{"a":[1]}'],
    ['dots, which curl would resolve', 'POST', '/fn/a/./b', '{"a":1}'],
    ['text in other languages, and emoji', 'POST', '/fn/%E6%AD%A5%E6%95%B0', '{"步数":"三千 😀 ümlaut"}'],
    ['characters that turn text around or hide', 'POST', '/fn/bidi', '{"a":"\u202eabc\u200b\u007f\u009b\u2028"}'],
    ['a media type with a parameter', 'POST', '/fn/type', '{"a":1}', { 'Content-Type': 'application/json; charset=utf-8' }],
    ['no media type', 'POST', '/fn/no-type', '{"a":1}', {}],
    ['another method', 'PATCH', '/fn/patch', '{"a":1}'],
    ['GET with a query', 'GET', '/fn/get?a=1&b=%20', undefined, {}],
    ['HEAD', 'HEAD', '/fn/head', undefined, {}],
    ['a long body', 'POST', '/fn/long', JSON.stringify({ a: "'".repeat(20_000) })]
  ]
  test('each call is made again as it was', () => withPage(gateway, async page => {
    await keepCopied(page)
    for (const [what, method, to, body, headers = json] of calls) {
      await gateway.callBy(method, to, body, headers)
      const sent = gateway.received.at(-1)
      await page.locator('#rows .row').first().filter({ hasText: `${method} ${decodeURIComponent(to.split('?')[0])}` }).getByText('untouched').click()
      const [command] = await copy(page)
      assert.doesNotMatch(command, /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, what)
      const before = gateway.received.length
      await paste(command)
      assert.deepEqual(gateway.received.slice(before), [sent], `${what}: ${command}`)
      await page.evaluate(async () => { await ask('clear'); closeDetail() })
      await page.waitForFunction(() => calls.size === 0)
    }
  }))

  test('a body that begins with @ is a body, not the name of a file; a host cannot be another', () => withPage(gateway, async page => {
    const [command] = await page.evaluate(async () => {
      get = async () => ({ uri: '/fn/steps', content_type: 'text/plain', received: '@/etc/hostname' })
      return curl({ method: 'POST', proto: 'HTTP/1.1', host: '127.0.0.1:8080@example.com:80', path: '/', sizes: { received: 1 }, captured: true })
    })
    assert.match(command, /--data-raw '@\/etc\/hostname'$/)
    assert.match(command, / 'http:\/\/127\.0\.0\.1:8080%40example\.com:80\/fn\/steps'/)
  }))

  const schemes = [
    ['HTTP/2.0', 'api.example.com', 'https'],
    ['HTTP/3.0', 'api.example.com:8443', 'https'],
    ['HTTP/1.1', 'api.example.com', 'https'],
    ['HTTP/1.1', 'api.example.com:443', 'https'],
    ['HTTP/1.1', '127.0.0.1:8080', 'http'],
    ['HTTP/1.0', '[::1]:8080', 'http']
  ]
  test('https or http, by the version of HTTP and the port', () => withPage(gateway, async page => {
    for (const [proto, host, scheme] of schemes) {
      const [command] = await page.evaluate(call => curl(call), { method: 'GET', proto, host, path: '/', sizes: { received: 0 } })
      assert.ok(command.includes(` '${scheme}://${host}/'`), `${proto} ${host}: ${command}`)
    }
  }))

  test('the token is left out, and that is said', () => withPage(gateway, async page => {
    await keepCopied(page)
    const { headers } = await gateway.logIn()
    await gateway.call('/session/token', { n: 1 }, headers)
    await row(page, '/session/token').getByText('untouched').click()
    const [command, said] = await copy(page)
    assert.ok(command.includes(' -H "Authorization: Bearer $TOKEN"') && !command.includes(headers.Authorization) && !command.includes(user), command)
    assert.match(said, /set TOKEN to the session token/)
  }))

  test('it is copied too where the browser has no clipboard for the page, and the focus stays', () => withPage(gateway, async page => {
    await gateway.call('/fn/fallback', { n: 1 })
    await row(page, '/fn/fallback').getByText('untouched').click()
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'clipboard', { value: undefined })
      document.addEventListener('copy', () => { window.copied = document.activeElement.value })
    })
    const button = detail(page).getByRole('button', { name: 'copy as curl' })
    await button.click()
    await detail(page).getByText('copied').waitFor()
    assert.match(await page.evaluate(() => window.copied), /^curl /)
    assert.ok(await button.evaluate(b => b === document.activeElement))
  }))
})

test('without capture the path is whole, and that the body is missing is said', async () => {
  const gateway = await startGateway()
  const { page, close } = await openPage(gateway.inspector)
  try {
    await keepCopied(page)
    await gateway.callBy('POST', '/fn/a%3Fb%23c%20d', '{"a":1}')
    await row(page, '/fn/a?b#c d').getByText('untouched').click()
    const [command, said] = await copy(page)
    assert.match(said, /without the body/)
    const sent = gateway.received.at(-1).url
    await paste(command)
    assert.equal(gateway.received.at(-1).url, sent, command)
  } finally {
    await close()
    await gateway.stop()
  }
})
