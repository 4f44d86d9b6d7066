import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { detail, keepCopied, openPage, row, rows, startGateway, steps, user, withPage as withPageOf } from './rig.mjs'

describe('the inspector in a browser', () => {
  let gateway
  before(async () => { gateway = await startGateway('capture') })
  after(() => gateway.stop())

  const withPage = (run, options) => withPageOf(gateway, run, options)

  test('without calls it says how to make one', () => withPage(async page => {
    await page.getByText('No call yet').waitFor()
    assert.match(await page.locator('#list').innerText(), /curl http:\/\/127\.0\.0\.1:8080\/try\/steps/)
  }))

  test('a call appears live, and says what became of each member', () => withPage(async page => {
    const expired = await gateway.mint('phone', { ttl: 0 })
    await gateway.call('/fn/steps', { weRunData: steps, phone: expired, obj: { shareInfo: '39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ' } })
    const first = row(page, '/fn/steps')
    await first.getByText('partial').waitFor()
    assert.match(await first.innerText(), /phone ✗ -601006\s+obj\.shareInfo ⚠ nested\s+weRunData ✓\s+obj/)
    await first.click()
    const text = await detail(page).innerText()
    assert.match(text, /weRunData\s+open data, asked of WeChat/)
    assert.match(text, /-601006\s+·\s+.*expired/i)
    assert.match(text, /the developer of the mini program: CloudIDs live for five minutes, and so does encryptedData; the client must get a new CloudID/)
    assert.match(text, /obj\.shareInfo\s+a string of 62 bytes; it looks like a CloudID, but only direct members/)
    assert.match(text, /account wx3d289323f5900f8e/)
    assert.match(text, /WeChat\s+[\d.]+ ms/)
    assert.match(text, /X-WX-OPEN-DATA-INFO\s+\{"keys":\["weRunData"\]\}/)
  }))

  test('a call that comes while the list is being loaded is not lost', async () => {
    const prepare = page => page.route('**/calls.json', async route => {
      const response = await route.fetch()
      await gateway.call('/fn/meanwhile', { weRunData: steps })
      await page.waitForTimeout(500) // the stream has shown the call, of which the list does not know
      await route.fulfill({ response })
    })
    await withPage(async page => {
      await row(page, '/fn/meanwhile').waitFor()
      await page.waitForTimeout(1000)
      assert.match(await row(page, '/fn/meanwhile').innerText(), /resolved/)
    }, { prepare })
  })

  test('what was not done is said too', () => withPage(async page => {
    await gateway.call('/fn/form', 'weRunData[data]=1', { 'Content-Type': 'application/x-www-form-urlencoded' })
    await row(page, '/fn/form').getByText('415 rejected').waitFor()
    await gateway.call('/fn/again', { weRunData: steps })
    await row(page, '/fn/again').getByText('✓ resolved').waitFor()
    await row(page, '/fn/again').click()
    await detail(page).getByText('from the cache').waitFor()
    await gateway.call('/fn/number', { weRunData: 7 })
    await row(page, '/fn/number').click()
    await detail(page).getByText('-601005').first().waitFor()
  }))

  test('open data, openids and CloudIDs are not shown before they are asked for', () => withPage(async page => {
    const id = await gateway.mint('werun', { data: { stepInfoList: [{ step: 777123 }] } })
    await gateway.call('/fn/secret', { weRunData: id, note: 'a-made-up-note' })
    await row(page, '/fn/secret').click()
    await detail(page).getByText('show what the client sent').waitFor()
    for (const secret of [id, user, '777123', 'a-made-up-note']) assert.ok(!(await page.content()).includes(secret), `the page shows ${secret}`)
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).locator('.diff').waitFor()
    assert.match(await detail(page).locator('.diff .changed').innerText(), /weRunData[\s\S]*stepInfoList/)
    assert.match(await detail(page).locator('.diff').innerText(), /note\s+"a-made-up-note"\s+unchanged/)
    assert.ok(!page.url().includes(id) && !(await page.title()).includes('secret'))
    assert.ok(!JSON.stringify(await page.evaluate(() => ({ ...localStorage, ...sessionStorage }))).includes('777123'))
  }))

  test('a call is sent again through the gateway, in the sandbox with fresh CloudIDs', () => withPage(async page => {
    const id = await gateway.mint('phone')
    await gateway.call('/fn/repeat', { phone: id })
    await row(page, '/fn/repeat').click()
    await detail(page).getByRole('button', { name: 'send again' }).click()
    await detail(page).getByText(/sent again: status 200/).waitFor()
    await detail(page).getByText('fresh CloudIDs').waitFor()
    await page.waitForFunction(() => [...document.querySelectorAll('#list .row')].filter(r => r.textContent.includes('/fn/repeat')).length === 2)
  }))

  test('encrypted data is sent again with the session_key of the first time', () => withPage(async page => {
    const { headers, encrypted } = await gateway.logIn()
    await gateway.call('/session/steps', { weRunData: encrypted }, headers)
    await row(page, '/session/steps').click()
    await detail(page).getByText('decrypted here, with the session key').waitFor()
    await detail(page).getByRole('button', { name: 'send again' }).click()
    await detail(page).getByText(/sent again: status 200. It had fresh CloudIDs or encrypted data/).waitFor()
    await page.waitForFunction(() => [...document.querySelectorAll('#list .row')].filter(r => /\/session\/steps.*weRunData ✓/.test(r.textContent)).length === 2)
  }))

  test('a call that gets no further than the session is there, and why', () => withPage(async page => {
    await gateway.call('/session/nobody', { weRunData: steps })
    await gateway.call('/login', { code: 'made-up' })
    await row(page, '/session/nobody').getByText('401 rejected').waitFor()
    assert.match(await row(page, '/session/nobody').innerText(), /wechat_session: no session token was sent/)
    await row(page, '/login').click()
    await detail(page).getByText('The client was told: 400, by wechat_login').waitFor()
    await detail(page).getByText(/errcode 40029.*the client must call wx\.login again/).waitFor()
  }))

  test('a function that does not run is named as the cause', () => withPage(async page => {
    await gateway.call('/down/steps', { weRunData: steps })
    await row(page, '/down/steps').click()
    await detail(page).getByText(/the function cannot be reached: dial tcp 127\.0\.0\.1:1: .*does it run/).waitFor()
  }))

  test('copy as curl', () => withPage(async page => {
    await keepCopied(page)
    await gateway.call("/fn/quote'", { note: "it's", weRunData: steps })
    await row(page, '/fn/quote').click()
    await detail(page).getByRole('button', { name: 'copy as curl' }).click()
    await detail(page).getByText('copied').waitFor()
    const text = await page.evaluate(() => window.copied)
    assert.match(text, /^curl -X 'POST' 'http:\/\/127\.0\.0\.1:\d+\/fn\/quote(%27|'\\'')' -H "Authorization: Bearer \$TOKEN"/)
    assert.ok(text.includes(`'{"note":"it'\\''s","weRunData":"${steps}"}'`), text)
  }))

  test('nothing of a call becomes markup', () => withPage(async page => {
    const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
    await gateway.call('/fn/<svg onload=alert(1)>', { [evil]: steps, weRunData: { cloudID: steps, [evil]: evil }, phone: evil })
    await row(page, 'svg').click()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).locator('.diff').waitFor()
    assert.equal(await page.title(), 'cloudid inspector')
    assert.equal(await page.locator('main img, main script, main svg').count(), 0)
    assert.ok((await detail(page).innerText()).includes('onerror'), 'the name is shown as text')
  }))

  test('nothing of a call hides, turns text around, or runs in a terminal', () => withPage(async page => {
    await keepCopied(page)
    await gateway.callBy('A`id`$PATH', '/fn/%1b%5B2J%e2%80%aeterminal', JSON.stringify({ 'a\u202eb\u0000c': 1, note: '\u007f\u009b\u202e' }))
    const shown = row(page, 'terminal')
    await shown.click()
    const text = await shown.innerText() + await detail(page).innerText()
    assert.doesNotMatch(text, /[\0\x1b\x9b\u202e]/)
    assert.ok(text.includes('\\u{202e}terminal') && text.includes('a\\u{202e}b\\u{0}c'), text)
    await detail(page).getByRole('button', { name: 'copy as curl' }).click()
    await detail(page).getByText('copied').waitFor()
    const command = await page.evaluate(() => window.copied)
    assert.ok(command.startsWith("curl -X 'A`ID`$PATH' 'http://127.0.0.1:"), command)
    assert.doesNotMatch(command, /[\0\x1b\x7f\x9b]/)
  }))

  test('keyboard: arrows, Enter, filter, pause, Escape', () => withPage(async page => {
    await gateway.call('/fn/older', { n: 1 })
    await gateway.call('/fn/newer', { n: 2 })
    await row(page, '/fn/newer').waitFor()
    await page.keyboard.press('ArrowDown')
    assert.match(await page.locator('#list .row[aria-selected="true"]').innerText(), /newer/)
    await page.keyboard.press('ArrowDown')
    assert.match(await page.locator('#list .row[aria-selected="true"]').innerText(), /older/)
    await page.keyboard.press('Enter')
    assert.match(await detail(page).innerText(), /POST \/fn\/older → 200/)
    await page.keyboard.press('Escape')
    assert.ok(await detail(page).isHidden())
    await page.keyboard.press('f')
    await page.keyboard.type('newer')
    await page.waitForFunction(() => document.querySelectorAll('#list .row:not(.head)').length === 1)
    await page.keyboard.press('Escape')
    assert.equal(await page.inputValue('#filter'), 'newer')
    await page.keyboard.press('p')
    await page.locator('#state', { hasText: 'paused' }).waitFor()
    await page.fill('#filter', '')
    await page.locator('#filter').press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'rows')
    await gateway.call('/fn/while-paused', { n: 3 })
    await page.locator('#new').waitFor()
    assert.equal(await row(page, '/fn/while-paused').count(), 0)
    await page.locator('#new').click()
    await row(page, '/fn/while-paused').waitFor()
  }))

  test('filters: code, member, outcome and their opposite', () => withPage(async page => {
    await row(page, 'partial').waitFor()
    await page.fill('#filter', 'code:-601006 member:phone')
    await page.waitForFunction(() => [...document.querySelectorAll('#list .row:not(.head)')].every(r => r.textContent.includes('-601006')))
    assert.ok(await rows(page).count() > 0)
    await page.fill('#filter', '!code:-601006')
    await page.waitForFunction(() => ![...document.querySelectorAll('#list .row:not(.head)')].some(r => r.textContent.includes('-601006')))
    await page.fill('#filter', '')
    await page.selectOption('#outcome', 'rejected')
    await page.waitForFunction(() => [...document.querySelectorAll('#list .row:not(.head)')].every(r => r.textContent.includes('rejected')))
  }))

  test('in Chinese, narrow and dark, with the detail below the list', () => withPage(async page => {
    await row(page, '部分换取').click()
    await detail(page).getByText('各成员的处理结果').waitFor()
    const [list, below] = [await page.locator('#list').boundingBox(), await detail(page).boundingBox()]
    assert.ok(below.y >= list.y + list.height - 1 && below.width > 500, 'the detail is not below')
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(22, 25, 29)')
    await page.getByRole('button', { name: 'English' }).click()
    await detail(page).getByText('What became of the members').waitFor()
  }, { locale: 'zh-CN', viewport: { width: 600, height: 900 }, colorScheme: 'dark' }))

  test('on a phone nothing of a row is cut off at the side', () => withPage(async page => {
    await gateway.call('/fn/a/path/that/is/too/long/for/a/phone/by/far', { weRunData: 7 })
    await row(page, 'too/long').getByText('✗ failed').waitFor()
    const outcome = await row(page, 'too/long').getByText('✗ failed').boundingBox()
    const total = await row(page, 'too/long').locator('.total').boundingBox()
    assert.ok(outcome.x >= 0 && outcome.x + outcome.width <= 390 && total.x + total.width <= 390, JSON.stringify([outcome, total]))
    assert.deepEqual(await page.evaluate(() => ['html', '#list'].map(name => document.querySelector(name)).filter(e => e.scrollWidth > e.clientWidth).length), 0)
  }, { viewport: { width: 390, height: 844 } }))

  test('the plot shows outcomes and durations', () => withPage(async page => {
    await page.getByRole('button', { name: 'plot' }).click()
    await page.locator('#plot rect').first().waitFor()
    assert.match(await page.locator('#rate').innerText(), /resolved \d+ %/)
  }))

  test('a reload of the config is said in the list, and the page goes on', () => withPage(async page => {
    await rows(page).first().waitFor()
    await gateway.reload('capture\n\t\tallow 127.0.0.0/8')
    await gateway.reload('capture')
    await page.getByText('connected again').first().waitFor()
    await gateway.call('/fn/after-reload', { n: 1 })
    await row(page, '/fn/after-reload').waitFor()
  }))

  test('10,000 calls: the list stays short and the page answers', () => withPage(async page => {
    let left = 10_000
    await Promise.all(Array.from({ length: 16 }, async () => { while (left-- > 0) await (await gateway.call('/fn/load', { n: left })).arrayBuffer() }))
    await gateway.call('/fn/last', { n: 0 })
    await row(page, '/fn/last').waitFor()
    assert.ok(await rows(page).count() <= 240)
    await row(page, '/fn/last').click()
    await detail(page).getByText('POST /fn/last → 200').waitFor()
  }))
})

test('10,000 calls that are all kept: the page stays quick, draws a part, and shows older ones when scrolled', async () => {
  const gateway = await startGateway('calls 10000')
  const { page, seen, close } = await openPage(gateway.inspector)
  try {
    let left = 10_000
    await Promise.all(Array.from({ length: 16 }, async () => { while (left-- > 0) await (await gateway.call('/fn/load', { n: left })).arrayBuffer() }))
    await gateway.call('/fn/last', { n: 0 })
    await row(page, '/fn/last').waitFor({ timeout: 5000 })
    assert.equal(await rows(page).count(), 200)
    await page.getByText(/^9[ ,]?\d\d\d older: scroll on/).waitFor()
    await page.locator('#list').evaluate(list => { list.scrollTop = list.scrollHeight })
    await page.waitForFunction(() => document.querySelectorAll('#list .row:not(.head)').length === 400)
    await page.locator('#list').evaluate(list => { list.scrollTop = 0 })
    await page.locator('#list').focus()
    for (let i = 0; i < 420; i++) await page.keyboard.press('ArrowDown')
    assert.equal(await page.locator('#list .row[aria-selected="true"]').count(), 1)
    const took = await page.evaluate(() => { const start = performance.now(); render(); return performance.now() - start })
    assert.ok(took < 250, `drawing the list takes ${took} ms`)
    assert.deepEqual(seen.errors, [])
  } finally {
    await close()
    await gateway.stop()
  }
})

test('without capture there are neither bodies nor a way to send again', async () => {
  const gateway = await startGateway()
  const { page, seen, close } = await openPage(gateway.inspector)
  try {
    await gateway.call('/fn/steps', { weRunData: steps })
    await row(page, '/fn/steps').click()
    await detail(page).getByText('open data, asked of WeChat').waitFor()
    assert.equal(await page.getByRole('button', { name: 'send again' }).count(), 0)
    assert.equal(await page.getByRole('button', { name: 'show what' }).count(), 0)
    assert.deepEqual(seen.errors, [])
  } finally {
    await close()
    await gateway.stop()
  }
})
