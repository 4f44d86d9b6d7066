// The list and its detail: what is in them, whatever clients send, whatever the filter says, and whatever happens meanwhile.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { detail, openPage, row, rows, startGateway, steps, withPage as withPageOf } from './rig.mjs'

const looksLikeOne = '39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ'

describe('the list', () => {
  let gateway
  before(async () => { gateway = await startGateway('capture') })
  after(() => gateway.stop())
  const withPage = (run, options) => withPageOf(gateway, run, options)

  const filters = [
    ['a part of the path', 'list-a', 'a'],
    ['upper case', 'LIST-A', 'a'],
    ['a member, without its key', 'werundata', 'ab'],
    ['an outcome', 'partial', ''],
    ['two words are both found', 'werundata list-b', 'b'],
    ['an error code is no opposite', '-601006', 'a'],
    ['a code', 'code:-601006', 'a'],
    ['the beginning of a code, while it is typed', 'code:-6', 'a'],
    ['any code, before one is typed', 'code:', 'ad'],
    ['a code that WeChat gave to a login', 'code:40029', 'd'],
    ['the opposite', '!code:', 'bc'],
    ['the opposite, as other programs write it', '-code:-601006', 'bcd'],
    ['a member with a space', 'member:"a b"', 'a'],
    ['a quote that is not closed yet', 'member:"a b', 'a'],
    ['quotes around all of it', '"member:a b"', 'a'],
    ['a reason', 'reason:nested', 'c'],
    ['a status', 'status:4', 'd'],
    ['an outcome by key', 'outcome:res', 'b'],
    ['a method', 'method:get', ''],
    ['an account', 'account:3d28', 'abcd'],
    ['nobody in particular', '!caller:', 'd'],
    ['the cause of a rejection', '"login code"', 'd'],
    ['a key that there is not', 'hello:world', ''],
    ['a name that every object has', 'constructor:', ''],
    ['a dash in front of a word', '-list-a', ''],
    ['an expression is text', '.*', ''],
    ['a bracket is text', 'list-[ab]', ''],
    ['a bracket alone', '((', ''],
    ['a backslash is text', '\\', ''],
    ['a mark alone', '!', 'abcd'],
    ['a quote alone', '"', 'abcd'],
    ['spaces', '   ', 'abcd']
  ]
  test('the filter', () => withPage(async page => {
    await gateway.call('/list-a', { weRunData: await gateway.mint('werun', { ttl: 0 }), 'a b': 1 })
    await gateway.call('/list-b', { weRunData: steps })
    await gateway.call('/list-c', { obj: { shareInfo: looksLikeOne } })
    await gateway.call('/login?list-d', { code: 'made-up' })
    await page.waitForFunction(() => [...calls.values()].filter(call => call.done).length === 4)
    for (const [what, text, wanted] of filters) {
      await page.fill('#filter', text)
      const paths = await page.evaluate(() => { render(); return [...document.querySelectorAll('#rows .row')].map(r => r.children[1].textContent) })
      const found = paths.reverse().map(path => path.endsWith('/login') ? 'd' : path.at(-1)).join('')
      assert.equal(found, wanted, `${what}: ${text}`)
      assert.equal(await page.locator('#no-match').isVisible(), !wanted, text)
    }
    assert.match(await page.locator('#count').innerText(), /^\d+ calls$/)
    await page.fill('#filter', 'list-a')
    await page.locator('#count', { hasText: /^1 of \d+ calls$/ }).waitFor()
  }))

  test('what a CloudID was missed for stands out: it is before all else, and looks otherwise', () => withPage(async page => {
    await gateway.call('/missed', { first: 1, weRunData: steps, obj: { shareInfo: looksLikeOne }, phone: 7 })
    await row(page, '/missed').getByText('partial').waitFor()
    assert.deepEqual(await row(page, '/missed').locator('.members bdi').evaluateAll(all => all.map(e => [e.className, e.textContent])),
      [['bad', 'phone ✗ -601005'], ['part', 'obj.shareInfo ⚠ nested'], ['good', 'weRunData ✓'], ['none', 'first, obj']])
    await gateway.call('/none', { hello: 1, n: 2 })
    await row(page, '/none').getByText('no CloudID: hello, n').waitFor()
  }))

  const hostile = ['x\u202ey', 'a\u0000b', '\u001b[31mred', '\u200bzero', 'line\nbreak', '\u2066isolate', '</script><img src=x onerror=alert(1)>', '😀', 'שלום', 'n'.repeat(10_000), '', ' padded ', 'toString', '-601006', 'event["x"]']
  test('names that hide, turn text around or are no names', () => withPage(async page => {
    const event = Object.fromEntries(hostile.map(name => [name, `\u202e${name}\u2069`]))
    await gateway.call('/hostile', event)
    await row(page, '/hostile').getByText('untouched').waitFor()
    await row(page, '/hostile').click()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).locator('.diff').waitFor()
    const text = await page.evaluate(() => document.body.textContent + [...document.querySelectorAll('[aria-label]')].map(e => e.ariaLabel).join())
    assert.doesNotMatch(text.replace(/\n/g, ''), /[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]/)
    const names = await detail(page).locator('table').first().locator('th').allInnerTexts()
    for (const shown of ['x\\u{202e}y', 'a\\u{0}b', '\\u{1b}[31mred', '\\u{200b}zero', 'line\\u{a}break', '</script><img src=x onerror=alert(1)>', '😀', 'שלום', '""', '" padded "', 'toString']) assert.ok(names.includes(shown), `${shown} is not among ${names}`)
    assert.equal(await page.locator('main img').count(), 0)
  }))

  test('the reason that a client is told is text like any other', () => withPage(async page => {
    await gateway.callBy('POST', '/reason', '{"userInfo\u202e":1,"a\u202e":')
    await gateway.call('/reason', { cloudid_list: [{ key_name: 'x\u202e', cloud_id: steps }] })
    await page.waitForFunction(() => [...document.querySelectorAll('#rows .row')].filter(r => /reason.*400 rejected/.test(r.textContent)).length === 2)
    await row(page, '/reason').click()
    await detail(page).getByText('The client was told: 400').waitFor()
    assert.doesNotMatch(await page.evaluate(() => document.body.textContent), /\u202e/)
  }))

  test('of a rejected call too, what the client sent is shown, and sent again', () => withPage(async page => {
    await gateway.callBy('POST', '/rejected', '{"made up":')
    await row(page, '/rejected').getByText('400 rejected').click()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).locator('pre').nth(1).waitFor()
    assert.deepEqual(await detail(page).locator('pre').allTextContents(), ['{"made up":', '—'])
    assert.match((await page.evaluate(() => curl(calls.get(selected))))[0], /--data-raw '\{"made up":'$/)
    await detail(page).getByRole('button', { name: 'send again' }).click()
    await detail(page).getByText(/^sent again: status 400/).waitFor()
  }))

  test('the function\'s member is written as JavaScript writes it', () => withPage(async page => {
    const written = { a_b$1: 'event.a_b$1.data', 'a-b': 'event["a-b"].data', 1: 'event["1"].data', 'a"b': 'event["a\\"b"].data' }
    await gateway.call('/down/named', Object.fromEntries(Object.keys(written).map(name => [name, { cloudID: steps }])))
    await row(page, '/down/named').click()
    for (const name in written) await detail(page).getByText(`the function finds it as ${written[name]}`).waitFor()
  }))

  test('the first hundred members are shown, and that there may be more is said', () => withPage(async page => {
    await gateway.call('/many', Object.fromEntries(Array.from({ length: 120 }, (_, i) => ['m' + i, i])))
    await row(page, '/many').click()
    await detail(page).getByText('The first 100 are shown.').waitFor()
    assert.equal(await detail(page).locator('table').first().locator('tr').count(), 100)
  }))

  test('a long value is folded, and unfolds in lines, with its numbers as they were', () => withPage(async page => {
    await gateway.callBy('POST', '/unfold', `{"big":{"id":12345678901234567890,"list":[1,{ },{"a,{":"\\"\\\\"}],"text":"${'x'.repeat(150)}"}}`)
    await row(page, '/unfold').getByText('untouched').click()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).locator('.diff summary').first().click()
    assert.equal(await detail(page).locator('.diff pre').first().evaluate(pre => pre.textContent), `{
  "id": 12345678901234567890,
  "list": [
    1,
    { },
    {
      "a,{": "\\"\\\\"
    }
  ],
  "text": "${'x'.repeat(150)}"
}`)
  }))

  test('a live update touches no other row, keeps the focus, and opens nothing that was closed', () => withPage(async page => {
    await gateway.call('/stay', { n: 1 })
    await row(page, '/stay').getByText('untouched').waitFor()
    await page.evaluate(() => {
      window.removed = []
      new MutationObserver(list => { for (const m of list) window.removed.push(...[...m.removedNodes].map(n => n.textContent)) }).observe(document.getElementById('rows'), { childList: true })
    })
    const update = async to => {
      await gateway.call(to, { n: 1 })
      await row(page, to).getByText('untouched').waitFor()
    }
    await row(page, '/stay').click()
    await update('/live-1')
    const button = detail(page).getByRole('button', { name: 'copy as curl' })
    await button.focus()
    await update('/live-2')
    assert.ok(await button.evaluate(b => b === document.activeElement), 'the focus went away')
    await page.evaluate(() => { shownDetail = ''; showDetail(calls.get(selected)) }) // as when the call ends
    assert.ok(await button.evaluate(b => b === document.activeElement), 'the focus went away with what was drawn again')
    await page.keyboard.press('Escape')
    await update('/live-3')
    assert.ok(await detail(page).isHidden(), 'the detail opened again')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'rows')
    await page.keyboard.press('ArrowDown')
    await update('/live-4')
    assert.ok(await detail(page).isHidden(), 'the detail opened for a row that was only selected')
    assert.deepEqual(await page.evaluate(() => window.removed), [])
  }))

  test('a paused list stays as it is while the config is reloaded, and shows all afterwards', () => withPage(async page => {
    await gateway.call('/before', { n: 1 })
    await row(page, '/before').getByText('untouched').waitFor()
    await page.keyboard.press('p')
    await page.locator('#state.paused').waitFor()
    const shown = await rows(page).allTextContents()
    await gateway.reload('capture\n\t\tallow 127.0.0.0/8')
    await gateway.reload('capture')
    await gateway.call('/while-paused', { n: 1 })
    await page.getByText('connected again').first().waitFor()
    assert.deepEqual(await rows(page).allTextContents(), shown)
    await page.keyboard.press('p')
    await row(page, '/while-paused').waitFor()
  }))

  test('how many came meanwhile: those that fit the filter', () => withPage(async page => {
    await page.fill('#filter', '/wanted')
    await page.keyboard.press('Escape')
    await page.keyboard.press('p')
    for (const to of ['/wanted', '/other', '/wanted', '/other']) await gateway.call(to, { n: 1 })
    await page.waitForFunction(() => waiting.size === 4)
    await page.locator('#new', { hasText: /^↑ 2 new$/ }).waitFor()
    await page.locator('#new').focus()
    await gateway.call('/wanted', { n: 1 })
    await page.locator('#new', { hasText: /^↑ 3 new$/ }).waitFor()
    assert.equal(await page.evaluate(() => document.activeElement.id), 'new')
  }))

  test('a browser that keeps nothing', () => withPage(async page => {
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('button', { name: 'English' }).waitFor()
    await page.locator('#theme').click()
  }, { prepare: page => page.addInitScript(() => Object.defineProperty(window, 'localStorage', { get () { throw new DOMException('denied', 'SecurityError') } })) }))

  test('Caddy numbers calls from 1 again when it is started again: what is open is not taken for another call', () => withPage(async page => {
    await gateway.call('/first-life', { n: 1 })
    await row(page, '/first-life').click()
    await detail(page).getByText('POST /first-life → 200').waitFor()
    await page.evaluate(async () => {
      happened('disconnected')
      const again = { ...calls.get(selected), request_id: 'another', path: '/second-life' }
      const real = get
      get = path => path === 'calls.json' ? { limit, notes: [], timeline: [], calls: [{ ...again, seq: 1 }, again] } : real(path)
      await loadAll()
      render()
    })
    await row(page, '/second-life').waitFor()
    await page.waitForFunction(() => !drawing)
    assert.match(await detail(page).innerText(), /first-life/)
    assert.equal(await rows(page).count(), 2)
    assert.match(await page.locator('#rows > :first-child').textContent(), /connection to Caddy was lost/)
    await page.evaluate(() => { keep({ ...calls.get(1), seq: order[0] + 1 }); render() })
    assert.match(await page.locator('#rows > :first-child').textContent(), /second-life/)
  }))
})

test('Caddy is gone: that is said, and what can be done without it is done', async () => {
  const gateway = await startGateway('capture')
  const { page, close } = await openPage(gateway.inspector)
  let stopped = false
  try {
    await gateway.call('/gone', { n: 1 })
    await row(page, '/gone').getByText('untouched').click()
    await gateway.stop()
    stopped = true
    await page.locator('#state.lost', { hasText: 'not connected' }).waitFor()
    await page.getByText('the connection to Caddy was lost').waitFor()
    await detail(page).getByRole('button', { name: 'copy as curl' }).click()
    await detail(page).getByText('copied; set TOKEN to the session token of wechat_login; without the body').waitFor()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).click()
    await detail(page).getByText('not connected, trying again').waitFor()
    await detail(page).getByRole('button', { name: 'send again' }).click()
    await detail(page).locator('.buttons', { hasText: 'not connected, trying again' }).waitFor()
  } finally {
    await close()
    if (!stopped) await gateway.stop()
  }
})
