// The page for everybody: with a keyboard, with a screen reader, in light and dark, in any window.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { detail, row, startGateway, steps, withPage as withPageOf } from './rig.mjs'

describe('the page for everybody', () => {
  let gateway
  before(async () => {
    gateway = await startGateway('capture')
    await gateway.call('/fn/steps', { weRunData: steps, phone: await gateway.mint('phone', { ttl: 0 }), obj: { shareInfo: '39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ' }, note: 'x' })
    await gateway.call('/fn/echo', { n: 1 })
    await gateway.call('/fn/form', 'a=1', { 'Content-Type': 'application/x-www-form-urlencoded' })
    await gateway.call('/fn/a/path/that/is/too/long/for/any/window/by/far/and/more/of/it/until/it/ends', { ['n'.repeat(300)]: 7 })
    await gateway.call('/down/steps', { weRunData: steps })
    await gateway.call('/session/nobody', { weRunData: steps })
  })
  after(() => gateway.stop())
  const withPage = (run, options) => withPageOf(gateway, run, options)

  async function openAll (page) {
    await page.locator('#show-plot').click()
    await page.locator('#values summary').click()
    await row(page, '-601006').click()
    await detail(page).locator('button').filter({ hasText: /open data|开放数据/ }).click()
    await detail(page).locator('.diff').waitFor()
  }

  for (const colorScheme of ['light', 'dark']) {
    test(`text has a contrast of 4.5 or more, ${colorScheme}`, () => withPage(async page => {
      await openAll(page)
      const poor = await page.evaluate(() => {
        const rgb = text => text.match(/[\d.]+/g).map(Number)
        const light = text => rgb(text).slice(0, 3).map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
        const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((rgb(c)[3] ?? 1) > 0) return c } return 'rgb(255,255,255)' }
        const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) }
        const withText = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !['SCRIPT', 'OPTION'].includes(e.tagName) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        const pairs = withText.map(e => [e.textContent.slice(0, 30), getComputedStyle(e).color, behind(e)])
        pairs.push(['placeholder', getComputedStyle(document.querySelector('#filter'), '::placeholder').color, behind(document.querySelector('#filter'))])
        return [pairs.length, pairs.map(([text, a, b]) => [text, ratio(a, b)]).filter(([, r]) => r < 4.5)]
      })
      assert.ok(poor[0] > 80, `${poor[0]} texts looked at`)
      assert.deepEqual(poor[1], [])
    }, { colorScheme }))
  }

  for (const [width, height, locale] of [[1600, 900, 'en-US'], [1024, 768, 'en-US'], [1024, 768, 'zh-CN'], [700, 900, 'en-US'], [640, 400, 'en-US'], [380, 800, 'zh-CN'], [320, 640, 'en-US']]) {
    test(`nothing is cut off at the side of a window of ${width}×${height}, ${locale}`, () => withPage(async page => {
      const cut = () => page.evaluate(() => [...['html', 'body', '#list', '#detail', '#plot'].map(name => document.querySelector(name)).filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth).map(e => e.tagName + e.id),
        ...[...document.querySelectorAll('#rows .total, header > *, .row:not(.head) > :nth-child(5)')].filter(e => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth + 0.5 || e.scrollWidth > e.clientWidth + 1 && e.id !== 'filter')).map(e => e.textContent || e.id)])
      await row(page, '-601006').waitFor()
      assert.deepEqual(await cut(), [], 'of the list')
      await row(page, '-601006').click()
      assert.deepEqual(await cut(), [], 'beside the detail')
      const at = await detail(page).boundingBox()
      assert.ok(at.y < height && at.y + at.height > 50, 'the detail that was opened is not in view')
      await page.keyboard.press('Escape')
      const back = await row(page, '-601006').boundingBox()
      assert.ok(back.y >= 0 && back.y < height, 'the row is not in view any more')
      await openAll(page)
      assert.deepEqual(await cut(), [], 'with all open')
      await detail(page).locator('.diff').scrollIntoViewIfNeeded()
      const box = await detail(page).locator('.diff').boundingBox()
      assert.ok(box.y < height, 'the bodies cannot be reached')
      await page.locator('#rows .row').last().scrollIntoViewIfNeeded()
      await page.locator('#rows .row').last().click()
    }, { viewport: { width, height }, locale }))
  }

  test('everything is reached by Tab, in an order that makes sense, and seen to have the focus', () => withPage(async page => {
    await openAll(page)
    await page.evaluate(() => { document.activeElement.blur(); getSelection().removeAllRanges(); const first = document.createElement('span'); first.tabIndex = -1; document.body.prepend(first); first.focus() })
    const seen = []
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab')
      const [name, outline] = await page.evaluate(() => {
        const e = document.activeElement
        const marked = e.id === 'rows' ? document.querySelector('#list') : e
        return [e === document.body ? '' : e.id || e.tagName.toLowerCase() + ' ' + e.textContent.slice(0, 12), getComputedStyle(marked).outlineStyle]
      })
      if (!name) break
      assert.notEqual(outline, 'none', `${name} does not show that it has the focus`)
      seen.push(name)
    }
    const at = name => seen.findIndex(one => one.startsWith(name))
    const wanted = ['show-plot', 'pause', 'clear', 'language', 'theme', 'plot', 'summary values', 'filter', 'outcome', 'rows', 'button copy as curl', 'button send again', 'button close', 'summary {']
    for (const name of wanted) assert.ok(at(name) >= 0, `${name} is not among ${seen.join(', ')}`)
    assert.deepEqual(wanted.map(at), wanted.map(at).toSorted((a, b) => a - b), seen.join(', '))
  }))

  test('keys: Home, End, arrows in the detail scroll it, Escape goes back to the list', () => withPage(async page => {
    const selected = () => page.locator('#rows [aria-selected="true"]').textContent()
    await row(page, '-601006').waitFor()
    await page.locator('#rows').focus()
    await page.keyboard.press('End')
    assert.match(await selected(), /-601006/)
    await page.keyboard.press('ArrowUp')
    assert.match(await selected(), /\/fn\/echo/)
    await page.keyboard.press('Home')
    assert.match(await selected(), /session\/nobody/)
    await page.keyboard.press('End')
    assert.equal(await page.locator('#rows').getAttribute('aria-activedescendant'), await page.locator('#rows [aria-selected="true"]').getAttribute('id'))
    await page.keyboard.press('Enter')
    await detail(page).waitFor()
    assert.equal(await page.evaluate(() => document.activeElement.id), 'detail')
    for (let i = 0; i < 100 && await detail(page).evaluate(d => d.scrollTop) === 0; i++) await page.keyboard.press('ArrowDown') // a browser scrolls what it has drawn
    assert.ok(await detail(page).evaluate(d => d.scrollTop) > 0, 'the detail does not scroll')
    assert.match(await selected(), /-601006/)
    await page.keyboard.press('Escape')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'rows')
    await page.keyboard.press('/')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'filter')
    await page.keyboard.press('Escape')
    assert.equal(await page.evaluate(() => document.activeElement.id), 'rows')
    await row(page, '-601006').click()
    await detail(page).getByRole('button', { name: 'show what the client sent' }).press('Enter')
    await detail(page).locator('.diff').waitFor()
    assert.ok(await detail(page).evaluate(d => d.contains(document.activeElement)), 'the focus went away with the button')
  }, { viewport: { width: 1280, height: 500 } }))

  test('a row is read as a sentence, and little is read out by itself', () => withPage(async page => {
    await openAll(page)
    const tree = await page.locator('#rows').ariaSnapshot()
    assert.match(tree, /option "\d\d:\d\d:\d\d, POST \/fn\/steps, partial, status 200, phone failed -601006, obj\.shareInfo it stays as it was sent nested, weRunData open data, obj, note, [\d.]+ ms" \[selected\]/)
    assert.match(tree, /listbox "calls, the latest first"/)
    const inside = await page.locator('#rows > *').evaluateAll(all => [...new Set(all.map(e => e.getAttribute('role')))])
    assert.deepEqual(inside, ['option'])
    const live = await page.locator('[aria-live], [role=status], [role=alert], [role=log], output').evaluateAll(all => all.map(e => e.id || e.parentElement.className))
    assert.deepEqual(live, ['state', 'buttons'])
    const unnamed = await page.locator('button, input, select, summary, [role=img], [role=listbox], section').evaluateAll(all => all.filter(e => e.checkVisibility() && !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML))
    assert.deepEqual(unnamed, [])
    assert.match(await page.locator('#detail').ariaSnapshot(), /region|heading "POST \/fn\/steps → 200"/)
  }))

  test('the plot in words, and its values as a table', () => withPage(async page => {
    await openAll(page)
    assert.match(await page.getByRole('img').first().getAttribute('aria-label'), /calls in 5 s, by outcome; full height: \d+, untouched \d+.*partial 1/)
    assert.match(await page.getByRole('img').nth(1).getAttribute('aria-label'), /how long calls took; full height: \d+ ms, half of the calls at most \d+ ms, 95 % at most \d+ ms/)
    await page.locator('#values td').first().waitFor()
    const counts = await page.locator('#values tr').evaluateAll(all => all.slice(1).map(tr => [...tr.children].slice(1, -2).reduce((sum, td) => sum + Number(td.textContent), 0)))
    assert.equal(counts.reduce((a, b) => a + b, 0), 6)
    await page.evaluate(() => drawTimeline())
    assert.ok(await page.locator('#values').evaluate(d => d.open), 'the values were closed')
    const fills = await page.evaluate(() => outcomes.map(name => colour[name]))
    assert.equal(new Set(fills).size, 7, 'two outcomes have the same colour')
  }))
})
