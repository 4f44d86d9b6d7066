// The file itself: what mini programs can load, and what goes into the npm package.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import vm from 'node:vm'
import * as acorn from 'acorn'
import { clientFile } from './program.mjs'
import { wxWith } from './stub.mjs'

const source = fs.readFileSync(clientFile, 'utf8')
const folder = path.dirname(clientFile)

test('its syntax is ES2018 at most', () => {
  acorn.parse(source, { ecmaVersion: 2018, sourceType: 'script' })
  assert.throws(() => acorn.parse('a?.b', { ecmaVersion: 2018 }), SyntaxError)
})

test('it needs no other module and no type that came after ES2015', async () => {
  assert.deepEqual(source.split('\n').filter(line => /\brequire\(/.test(line) && !/^\s*(\/\/|\*)/.test(line) && !/["'].*require\(/.test(line)), [])
  const { wx } = wxWith(undefined)
  const context = vm.createContext({ wx, module: {}, setTimeout, console })
  vm.runInContext(`
    for (const later of ['globalThis', 'BigInt', 'WeakRef', 'AggregateError', 'FinalizationRegistry', 'Intl', 'Reflect']) delete this[later]
    delete Promise.prototype.finally
    for (const name of ['allSettled', 'any', 'try', 'withResolvers']) delete Promise[name]
    for (const name of ['entries', 'values', 'fromEntries', 'hasOwn', 'getOwnPropertyDescriptors', 'groupBy']) delete Object[name]
    for (const name of ['includes', 'flat', 'flatMap', 'at', 'findLast', 'toSorted']) delete Array.prototype[name]
    for (const name of ['padStart', 'padEnd', 'trimStart', 'trimEnd', 'matchAll', 'replaceAll', 'at']) delete String.prototype[name]
  `, context)
  vm.runInContext(source, context)
  context.module.exports.install({ url: 'https://example.com' })
  const { result } = await wx.cloud.callFunction({ name: 'f', data: { id: wx.cloud.CloudID('x') } })
  assert.equal(result.done, true)
})

test('the package is the file and its types, and names them', () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
  assert.deepEqual([manifest.main, manifest.types, manifest.miniprogram], ['cloud.js', 'cloud.d.ts', '.'])
  assert.equal(manifest.dependencies, undefined)
  const packed = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: folder, encoding: 'utf8' }))
  assert.deepEqual(packed[0].files.map(file => file.path).sort(), ['README.md', 'README.zh-CN.md', 'cloud.d.ts', 'cloud.js', 'package.json'])
})
